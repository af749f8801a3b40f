"""Find the known entry that a misspelled name means, and shorten a name from a secret so that it may be shown.

A name that only looks like `smtpHost` must be reported: without a report the project's mail would go through the
server transport.
"""

import re
import unicodedata
from itertools import islice
from typing import Final

from mailer.message.invisible import is_invisible
from mailer.secret.entry_table import ENTRIES, KNOWN

_MAX_SHOWN = 64
_MAX_LETTERS = 256
_MAX_EDITS = 2
_UNSHOWN = re.compile(r"[^\x20-\x7e]")
# A value may begin here, if an admin typed it together with the entry's name.
_AFTER_NAME = re.compile(r"[=:]|\s(?=\S)")
# Letters of other scripts, small capitals and digits that look like Latin letters (Unicode TR 39).
_LOOKALIKES: Final = str.maketrans(
    {
        lookalike: letter
        for letter, lookalikes in {
            "a": "аαᴀ", "c": "сϲᴄ", "d": "ԁᴅ", "e": "еεᴇ", "h": "нһηհʜ", "i": "іιıɪ", "m": "мμᴍ", "o": "оοօᴏ0",  # noqa: RUF001
            "p": "рρᴘ", "r": "гʀ", "s": "ѕꜱ5", "t": "тτᴛ", "u": "υսᴜ", "v": "ѵνᴠ", "w": "ԝᴡ",  # noqa: RUF001
        }.items()
        for lookalike in lookalikes
    }
)  # fmt: skip


def skeleton(name: str) -> str:
    """Return the name in lower case without spaces, punctuation, accents, look-alike letters and invisible characters.

    >>> skeleton("SMTP_Host ")
    'smtphost'
    """
    if not name.isascii():
        # Drop combining marks first: normalising a long row of them is slow.
        letters = (each for each in name if unicodedata.category(each)[0] in "LNS" and not is_invisible(each))
        name = unicodedata.normalize("NFKD", "".join(islice(letters, _MAX_LETTERS))).casefold()
    return "".join(filter(str.isalnum, name.lower())).translate(_LOOKALIKES)


_KNOWN_BY_SKELETON: Final = {skeleton(name): name for name in sorted(KNOWN)}
_ALSO_CALLED: Final = {other: entry.name for entry in ENTRIES for other in entry.also_called}


def is_mail_entry(name: str) -> bool:
    """Tell whether the name is, or seems to be, an entry of the mail configuration."""
    return name in KNOWN or skeleton(name).startswith("smtp") or skeleton(name) in _KNOWN_BY_SKELETON


def meant_by(name: str) -> str | None:
    """Return the known entry that the name is, or means in another spelling or in another system."""
    bones = skeleton(name)
    return _KNOWN_BY_SKELETON.get(bones) or _ALSO_CALLED.get(bones)


def misspelled(name: str) -> str | None:
    """Return the known name that differs only by case, spaces, punctuation or look-alike letters."""
    meant = _KNOWN_BY_SKELETON.get(skeleton(name))
    return None if meant == name else meant


def suggestion(name: str) -> str | None:
    """Return the known name that the admin probably meant."""
    bones = skeleton(name)
    if meant := misspelled(name) or _ALSO_CALLED.get(bones):
        return meant
    from difflib import get_close_matches  # noqa: PLC0415 -- valid secrets need no suggestions

    close = get_close_matches(bones[:_MAX_SHOWN], _KNOWN_BY_SKELETON, n=1, cutoff=0.75)
    return _KNOWN_BY_SKELETON[close[0]] if close else None


def is_within_two_edits(name: str, known: str) -> bool:
    """Tell whether at most two edits separate the names (optimal string alignment).

    An edit inserts, removes or replaces a letter, or exchanges two neighbours.

    >>> is_within_two_edits("stmphots", "smtphost")
    True
    """
    # Each edit adds or removes one letter at most. This is quicker than counting edits.
    differences = abs(len(name) - len(known)), len(set(name) - set(known)), len(set(known) - set(name))
    if max(differences) > _MAX_EDITS:
        return False
    before, last = [0] * (len(known) + 1), list(range(len(known) + 1))
    for row, letter in enumerate(name, start=1):
        current = [row]
        for column, other in enumerate(known, start=1):
            edits = min(last[column] + 1, current[column - 1] + 1, last[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == known[column - 2] and name[row - 2] == other:
                edits = min(edits, before[column - 2] + 1)
            current.append(edits)
        before, last = last, current
    return last[-1] <= _MAX_EDITS


def shown(name: str) -> str:
    """Return the name as at most 64 printable ASCII characters. A value that was typed into the name is cut off.

    >>> shown("smtpPassword=hunter2")
    'smtpPassword...'
    """
    name = name[:_MAX_SHOWN]
    for matched in _AFTER_NAME.finditer(name):
        before = name[: matched.start()]
        # A space can also be part of a misspelled name: "smtp Host".
        if not matched[0].isspace() or skeleton(before) in _KNOWN_BY_SKELETON:
            name = f"{before}..."
            break
    return _UNSHOWN.sub("?", name)
