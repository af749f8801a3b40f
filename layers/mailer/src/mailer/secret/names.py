"""The names of a secret's entries: which ones exist, and which one a misspelled name stands for.

A name that only looks like `smtpHost` must not be overlooked: whoever typed it wants a relay of their own, and
overlooking it would send the project's mail by the platform's.
"""

import re
import unicodedata
from typing import Final

HOST: Final = "smtpHost"
PORT: Final = "smtpPort"
USERNAME: Final = "smtpUsername"
PASSWORD: Final = "smtpPassword"  # noqa: S105 -- its name
SECURE: Final = "smtpSecure"
REQUIRE_TLS: Final = "smtpRequireTls"
FROM_ADDRESS: Final = "smtpFromAddress"
FROM_NAME: Final = "smtpFromName"
FROM_POLICY: Final = "smtpFromPolicy"
APPROVED_SENDERS: Final = "smtpApprovedSenders"
REPLY_TO: Final = "smtpReplyTo"
RETURN_PATH: Final = "smtpReturnPath"
AUTH: Final = "smtpAuth"
SERVICE: Final = "smtpService"
CA_CERTIFICATE: Final = "smtpCaCertificate"
CONNECTION_TIMEOUT: Final = "smtpConnectionTimeout"
SOCKET_TIMEOUT: Final = "smtpSocketTimeout"
DAILY_LIMIT: Final = "smtpDailyLimit"
OAUTH_TOKEN_URL: Final = "smtpOauthTokenUrl"  # noqa: S105 -- its name
OAUTH_CLIENT_ID: Final = "smtpOauthClientId"
OAUTH_CLIENT_SECRET: Final = "smtpOauthClientSecret"  # noqa: S105 -- its name
OAUTH_SCOPE: Final = "smtpOauthScope"
OAUTH_REFRESH_TOKEN: Final = "smtpOauthRefreshToken"  # noqa: S105 -- its name
OAUTH: Final = (OAUTH_TOKEN_URL, OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, OAUTH_SCOPE, OAUTH_REFRESH_TOKEN)
PROVIDERS: Final = "emailProviders"
ENABLED: Final = "emailEnabled"
# What holds for whatever relay or provider is asked.
SENDER: Final = (FROM_ADDRESS, FROM_NAME, FROM_POLICY, APPROVED_SENDERS, REPLY_TO, RETURN_PATH)

KNOWN: Final = frozenset(
    (
        HOST, PORT, USERNAME, PASSWORD, SECURE, REQUIRE_TLS, FROM_ADDRESS, FROM_NAME, FROM_POLICY, APPROVED_SENDERS,
        REPLY_TO, RETURN_PATH, AUTH, SERVICE, CA_CERTIFICATE, CONNECTION_TIMEOUT, SOCKET_TIMEOUT,
        DAILY_LIMIT, *OAUTH, PROVIDERS,
        ENABLED,
    )
)  # fmt: skip
# Never shown: a certificate may have been pasted together with its key, providers hold credentials of their own.
HIDDEN: Final = frozenset((PASSWORD, OAUTH_CLIENT_SECRET, OAUTH_REFRESH_TOKEN, CA_CERTIFICATE, PROVIDERS))
ACTIVATING: Final = (HOST, SERVICE, PROVIDERS)

# What other systems call the same thing.
_ELSEWHERE: Final = {
    "smtpencryption": SECURE,
    "smtpfrom": FROM_ADDRESS,
    "smtpfromemail": FROM_ADDRESS,
    "smtppass": PASSWORD,
    "smtpsender": FROM_ADDRESS,
    "smtpserver": HOST,
    "smtpssl": SECURE,
    "smtptls": SECURE,
    "smtpuser": USERNAME,
}
_MAX_SHOWN = 64
_MAX_LETTERS = 256
_UNSHOWN = re.compile(r"[^\x20-\x7e]")
# Where a value may begin that somebody has typed together with its entry's name.
_AFTER_NAME = re.compile(r"[=:]|\s(?=\S)")
# Ambiguous on purpose: letters of other scripts, small capitals and digits that read as Latin ones (see Unicode TR 39).
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
    """Return what is left of a name when case, spaces, punctuation, accents and look-alike letters are set aside.

    >>> skeleton("SMTP_Host ")
    'smtphost'
    """
    if not name.isascii():
        # Marks go first: normalising sorts them, and a long row of them takes forever.
        letters = [character for character in name if unicodedata.category(character)[0] in "LNS"]
        name = unicodedata.normalize("NFKD", "".join(letters[:_MAX_LETTERS])).casefold()
    return "".join(filter(str.isalnum, name.lower())).translate(_LOOKALIKES)


_KNOWN_BY_SKELETON: Final = {skeleton(name): name for name in KNOWN}


def is_relay_name(name: str) -> bool:
    """Tell whether the name belongs, or seems to belong, to the relay's configuration."""
    return name in KNOWN or skeleton(name).startswith("smtp") or skeleton(name) in _KNOWN_BY_SKELETON


def misspelled(name: str) -> str | None:
    """Return the known name that this one differs from only by case, spaces, punctuation or look-alike letters."""
    meant = _KNOWN_BY_SKELETON.get(skeleton(name))
    return None if meant == name else meant


def suggestion(name: str) -> str | None:
    """Return the known name that this one is probably meant to be."""
    bones = skeleton(name)
    if meant := misspelled(name) or _ELSEWHERE.get(bones):
        return meant
    from difflib import get_close_matches  # noqa: PLC0415 -- valid secrets need no suggestions

    close = get_close_matches(bones[:_MAX_SHOWN], _KNOWN_BY_SKELETON, n=1, cutoff=0.75)
    return _KNOWN_BY_SKELETON[close[0]] if close else None


def shown(name: str) -> str:
    """Return the name as a message may show it: printable ASCII of at most 64 characters, and no value.

    >>> shown("smtpPassword=hunter2")
    'smtpPassword...'
    """
    name = name[:_MAX_SHOWN]
    for matched in _AFTER_NAME.finditer(name):
        before = name[: matched.start()]
        # A space may also be within a name: "smtp Host".
        if not matched[0].isspace() or skeleton(before) in _KNOWN_BY_SKELETON:
            name = f"{before}..."
            break
    return _UNSHOWN.sub("?", name)
