"""What an import makes of a file: entries, and everything that a person should know about how they came to be."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from project_smtp_cli.values import Document, clean, find

_MAX_NAME: Final = 64
# Never shown, here or by the service.
_HIDDEN_ENTRIES: Final = frozenset(
    ("smtpPassword", "smtpCaCertificate", "smtpOauthClientSecret", "smtpOauthRefreshToken")
)
_HIDDEN_MEMBERS: Final = frozenset(("apiKey", "secretAccessKey", "pass", "ca", "caCertificate"))
_SET: Final = {"set": True}
PROVIDERS: Final = "emailProviders"


class NotImportable(ValueError):
    """The file is not what its format says, or names nothing that mail could be sent with."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something that could not be carried over as it was; `place` is where it stands in the file."""

    place: str
    detail: str


@dataclass(slots=True)
class Imported:
    """Entries, every value a string as in the AWS console, and the notes on them."""

    entries: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def note(self, place: str, detail: str) -> None:
        """Tell what is not as it was."""
        self.notes.append(Note(clean(place)[: 2 * _MAX_NAME], detail))

    def left_out(self, place: str, names: Mapping[str, object], known: tuple[str, ...]) -> None:
        """Name every member that nothing was made of."""
        for name in names:
            if name not in known:
                self.note(f"{place}.{clean(name)[:_MAX_NAME]}", "Left out: there is no such setting here.")

    def put_providers(self, providers: list[dict[str, object]]) -> None:
        """Store a list of providers, as the text that the console would hold."""
        self.entries[PROVIDERS] = json.dumps(providers, ensure_ascii=False)


def masked(entries: Mapping[str, object]) -> Document:
    """Return the entries as they may be shown."""
    shown: dict[str, object] = {}
    for name, value in entries.items():
        if name == PROVIDERS:
            shown[name] = _masked_providers(value)
        else:
            shown[name] = _SET if name in _HIDDEN_ENTRIES else value
    return shown


def _masked_providers(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return _SET
    return [_masked(item) for item in value] if isinstance(value, list) else _SET


def _masked(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {name: _SET if name in _HIDDEN_MEMBERS else _masked(member) for name, member in value.items()}


def members(value: object, place: str) -> Mapping[str, object]:
    """Return an object's members; raises `NotImportable`."""
    if isinstance(value, dict):
        return value
    msg = f"{place} must be an object."
    raise NotImportable(msg)


def scalar(value: object, place: str) -> str:
    """Return a text or a number as the text of an entry, exactly; raises `NotImportable`."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            msg = f"{place} must be a text or a number."
            raise NotImportable(msg)


def boolean(value: object, place: str) -> bool:
    """Return true or false, also where it is written as a text; raises `NotImportable`."""
    word = value.strip().lower() if isinstance(value, str) else value
    if word is True or word == "true":
        return True
    if word is False or word == "false":
        return False
    msg = f"{place} must be true or false."
    raise NotImportable(msg)


def given(value: object, *path: str) -> bool:
    """Tell whether something other than null or an empty text stands at a place."""
    return find(value, *path) not in (None, "")
