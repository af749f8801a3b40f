"""The result of an import: entries, and notes on every difference from the file."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from project_smtp_cli.values import Document, clean

_MAX_NAME: Final = 64
# These entries are never shown.
_HIDDEN_ENTRIES: Final = frozenset(
    ("smtpPassword", "smtpCaCertificate", "smtpOauthClientSecret", "smtpOauthRefreshToken")
)
_HIDDEN_MEMBERS: Final = frozenset(("apiKey", "secretAccessKey", "pass", "ca", "caCertificate"))
_SET: Final = {"set": True}
PROVIDERS: Final = "emailProviders"


class NotImportable(ValueError):
    """The file is not in the expected format, or it names no relay and no provider."""


@dataclass(frozen=True, slots=True)
class Note:
    """A difference from the file; `place` is the name in the file."""

    place: str
    detail: str


@dataclass(slots=True)
class Imported:
    """Entries and notes. Each entry is a string, as in the AWS console."""

    entries: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def note(self, place: str, detail: str) -> None:
        """Add a note."""
        self.notes.append(Note(clean(place)[: 2 * _MAX_NAME], detail))

    def left_out(self, place: str, names: Iterable[str]) -> None:
        """Add a note for each member that is not imported."""
        for name in names:
            self.note(f"{place}.{clean(name)[:_MAX_NAME]}", "Left out: this service has no such setting.")

    def put_login(self, username: str | None, password: str | None) -> None:
        """Set user name and password. If both are missing, set smtpAuth to `none`."""
        login = {"smtpUsername": username, "smtpPassword": password}
        self.entries |= {name: text for name, text in login.items() if text is not None} or {"smtpAuth": "none"}

    def put_providers(self, providers: list[dict[str, object]]) -> None:
        """Set the list of providers, as JSON."""
        self.entries[PROVIDERS] = json.dumps(providers, ensure_ascii=False)


def masked(entries: Mapping[str, object]) -> Document:
    """Return the entries without secret values."""
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


def member(value: object, *names: str) -> object:
    """Return the member at this path of names; None if it does not exist."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
