"""The explanation of a failure."""

import msgspec


class Diagnosis(msgspec.Struct, frozen=True):
    """The reason, the remedy, and the entry to change, if the remedy is about one entry."""

    reason: str
    remedy: str
    entry: str | None = None

    @property
    def text(self) -> str:
        """Reason and remedy in one line."""
        return f"{self.reason} {self.remedy}"
