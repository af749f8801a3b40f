"""What an admin is told about a failure."""

import msgspec


class Diagnosis(msgspec.Struct, frozen=True):
    """Why it failed, what to do, and the entry of the secret to change, where it is one."""

    reason: str
    remedy: str
    entry: str | None = None

    @property
    def text(self) -> str:
        """Both in one line."""
        return f"{self.reason} {self.remedy}"
