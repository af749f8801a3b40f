"""The explanation of a failure."""

import msgspec


class Diagnosis(msgspec.Struct, frozen=True):
    """Why it failed, what to do, and the entry to change, if it is a single one."""

    reason: str
    remedy: str
    entry: str | None = None

    @property
    def text(self) -> str:
        """Reason and remedy in one line."""
        return f"{self.reason} {self.remedy}"
