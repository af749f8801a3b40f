"""The names of settings for admins: entries of the secret, or members of a provider or of a request."""

from collections.abc import Mapping

import msgspec

from mailer.secret.entry_table import KNOWN, SENDER


class Words(msgspec.Struct, frozen=True):
    """The names that readers and diagnoses use; by default those of the secret's entries.

    `names` maps an entry to its other name. `place` is what those names are part of: `emailProviders.backup`.
    """

    names: Mapping[str, str] = {}
    place: str = ""

    def of(self, entry: str) -> str:
        """Return the name that the admin knows."""
        return self.names.get(entry, entry)

    def place_of(self, entry: str | None) -> str | None:
        """Return the place of the entry; the place of the whole provider if the entry is not one member of it."""
        # All providers share the entries about the sender.
        if not self.place or entry in SENDER:
            return entry and self.of(entry)
        name = self.names.get(entry or "")
        return self.place if name is None else f"{self.place}.{name}"

    def fill(self, text: str) -> str:
        """Return the text with `{smtpHost}` and the like replaced by the names that the admin knows."""
        return text.format_map({entry: self.of(entry) for entry in KNOWN})


ENTRY_WORDS = Words()
