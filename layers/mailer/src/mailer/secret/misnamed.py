"""Find the entries that probably name the transport of a secret that has a log-in, but no entry that names a transport.

An admin who stores a user name or a password has a relay. If its host is under another name, the secret would configure
no transport, and the project's mail would leave by the server transport. The tables below decide which entries may be
the missing one: by their name, or because their value is a host.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from mailer.problem import Problem
from mailer.relay.preset import find_preset
from mailer.secret import names
from mailer.secret.document import decode_within
from mailer.secret.entry_table import ACTIVATING, KNOWN
from mailer.secret.host_like import is_host_like
from mailer.secret.spelling import is_within_two_edits, meant_by, shown, skeleton

_LOG_IN: Final = (names.USERNAME, names.PASSWORD, names.PORT)
_LOG_IN_SKELETONS: Final = tuple(map(skeleton, _LOG_IN))
_MAIL_WORDS: Final = "smtp|mail|mailer|email|relay|outgoing|outbound"
# What admins of other systems call the log-in.
_LIKE_LOG_IN: Final = re.compile(
    rf"(?:{_MAIL_WORDS})(?:host|server|client)?(?:auth)?(?:user(?:name|id)?|login|pass(?:word|wd)?|pwd|port)\Z"
)
_KNOWN_SKELETONS: Final = {skeleton(name): name for name in ACTIVATING}
# What admins of other systems call the host: alone, at the end of a longer name, and after a word about mail only.
_ALONE: Final = re.compile(r"(?:host(?:name)?|server(?:name)?|relay|smarthost)\Z")
_AT_END: Final = re.compile(
    rf"(?:{_MAIL_WORDS})(?:hosts?|hostname|hub|servers?|server(?:name|host|address|url)|relay|gateway|endpoint)\Z"
    r"|smtp(?:address|domain)\Z"
)
_AFTER_MAIL: Final[Mapping[str, re.Pattern[str]]] = {
    meant: re.compile(rf"(?:{_MAIL_WORDS})+(?:{nouns})\Z")
    for meant, nouns in {
        names.HOST: "dsn|url|uri|ip|addr",
        names.SERVICE: "service|servicename|preset",
        names.PROVIDERS: "providers?|transports?|relays",
    }.items()
}
# These are about mail only if the value is the name of a preset.
_ALONE_WITH_PRESET: Final = re.compile(r"(?:service|provider)\Z")
_MAX_END: Final = 64
# Longer names are no misspellings, and take long to compare.
_MAX_NAME: Final = 256
# These entries never hold a host.
_WITHOUT_HOST: Final = (
    names.PORT, names.SECURE, names.REQUIRE_TLS, names.AUTH, names.FROM_POLICY, names.DAILY_LIMIT,
    names.CONNECTION_TIMEOUT, names.SOCKET_TIMEOUT,
)  # fmt: skip
# A value may begin here, if it was typed into the name.
_AFTER_NAME: Final = re.compile(r"[=:\s]")
_PORT: Final = re.compile(r"[0-9]{0,5}\Z")
_ABOUT_MAIL: Final = re.compile(r"smtp|mail|relay", re.IGNORECASE)
# How many names of nested objects are read as one name, as in `{"spring": {"mail": {"host": ...}}}`.
_JOINED_NAMES: Final = 3


class Misnamed(msgspec.Struct, frozen=True):
    """An entry that probably names the transport, and the name that it should have.

    `is_like` is true if its name resembles that name, and false if only its value tells.
    """

    name: str
    meant: str
    is_like: bool


def find_misnamed(entries: Mapping[str, object]) -> tuple[Misnamed, ...]:
    """Return the entries that probably name the transport; `entries` have no entry that does.

    Without an entry for a relay's user name, password or port there are none.
    """
    return tuple(_find(entries)) if log_in_entries(entries) else ()


def log_in_entries(entries: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names of the entries for a relay's user name, password or port, in any spelling, misspelled or not."""
    return tuple(sorted(filter(_is_log_in, entries)))


def problem_of(found: Misnamed, log_in: tuple[str, ...]) -> Problem:
    """Return the problem of a misnamed entry; `log_in` are the names of the entries for the log-in."""
    others = ", ".join(dict.fromkeys(map(shown, log_in)))
    otherwise = f"remove {others} to use the server transport, or keep this entry in another secret."
    if found.is_like:
        remedy = f"Write the name exactly as {found.meant}. If the entry is not about the relay, {otherwise}"
        return Problem("entry-misspelled", remedy, entry=shown(found.name))
    remedy = f"If it holds the relay's host, store the host as the entry {found.meant}. If it does not, {otherwise}"
    return Problem("host-unnamed", remedy, entry=shown(found.name))


def _is_log_in(name: str) -> bool:
    known = meant_by(name)
    if known is not None or name in KNOWN:
        return known in _LOG_IN
    if len(name) > _MAX_NAME:
        return False
    bones = skeleton(name)
    if _LIKE_LOG_IN.search(bones[-_MAX_END:]):
        return True
    # `smtpPost` is near `smtpPort`, and nearer to `smtpHost`.
    return _meant(name) is None and any(is_within_two_edits(bones, each) for each in _LOG_IN_SKELETONS)


def _find(entries: Mapping[str, object]) -> Iterator[Misnamed]:
    for name, value in entries.items():
        if name in KNOWN:
            if name in _WITHOUT_HOST and isinstance(value, str) and is_host_like(value):
                yield Misnamed(name, names.HOST, is_like=False)
            continue
        meant = _meant(name) or _meant_with_preset(name, value) or _meant_before_value(name)
        if meant is not None:
            yield Misnamed(name, meant, is_like=True)
        elif (other := meant_by(name)) is not None:
            if _holds_host(name, value):
                yield Misnamed(name, other, is_like=True)
        elif _holds_host(name, value) or _is_host(name, value):
            yield Misnamed(name, names.HOST, is_like=False)


def _meant(name: str) -> str | None:
    """Return the entry that names a transport and that this name resembles."""
    bones = skeleton(name)
    return names.HOST if _ALONE.match(bones) else _meant_about_mail(bones)


def _meant_about_mail(bones: str) -> str | None:
    if bones in _KNOWN_SKELETONS:
        return _KNOWN_SKELETONS[bones]
    if _AT_END.search(bones[-_MAX_END:]):
        return names.HOST
    for meant, pattern in _AFTER_MAIL.items():
        if pattern.match(bones):
            return meant
    # `SMTP_PORT` is near `smtpHost`, but it is another entry.
    if meant_by(bones) is not None:
        return None
    return next((meant for known, meant in _KNOWN_SKELETONS.items() if is_within_two_edits(bones, known)), None)


def _meant_with_preset(name: str, value: object) -> str | None:
    is_preset = isinstance(value, str) and find_preset(value.strip()) is not None
    return names.SERVICE if is_preset and _ALONE_WITH_PRESET.match(skeleton(name)) else None


def _meant_before_value(name: str) -> str | None:
    """Return the meaning of a name with an equals sign, a colon or a space: a value was probably typed into it.

    A colon is also a part of other programs' names.
    """
    typed = _AFTER_NAME.search(name)
    if typed is None:
        return None
    meant = meant_by(name) or meant_by(name[: typed.start()])
    return meant or _meant(name[: typed.start()]) or (None if typed[0] == ":" else names.HOST)


def _is_host(name: str, value: object) -> bool:
    """Tell whether the name is the host itself, with its port or beside a port; `app.url` is a name."""
    if "." not in name or not is_host_like(name):
        return False
    is_port = isinstance(value, str | int) and _PORT.match(str(value).strip()) is not None
    return ":" in name or (is_port and _ABOUT_MAIL.search(name) is not None)


def _holds_host(name: str, value: object) -> bool:
    """Tell whether the value is a host, or an object or a list that has a host or a member with such a name."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        decoded = decode_within(value, name)
        value = value if isinstance(decoded, Problem) else decoded
    waiting: list[tuple[tuple[str, ...], object]] = [((name,), value)]
    while waiting:
        path, found = waiting.pop()
        match found:
            case dict() as members:
                for member, inner in members.items():
                    joined = (*path, member)[-_JOINED_NAMES:]
                    if any(_meant_about_mail(skeleton("".join(joined[start:]))) for start in range(len(joined))):
                        return True
                    waiting.append((joined, inner))
            case list() as items:
                waiting += [(path, item) for item in items]
            case str() as text if is_host_like(text):
                return True
            case _:
                pass
    return False
