"""The report of a validation: its checks and their results."""

from enum import StrEnum

import msgspec

from mailer.problem import Problem
from mailer.smtp.outcome import Failure


class CheckName(StrEnum):
    """The checks, in their order."""

    SECRET_READABLE = "secret-readable"  # noqa: S105 -- a check's name
    ENTRIES_VALID = "entries-valid"
    HOST_RESOLVES = "host-resolves"
    HOST_ALLOWED = "host-allowed"
    CONNECTS = "connects"
    TLS = "tls"
    CERTIFICATE = "certificate"
    AUTHENTICATES = "authenticates"
    SENDER_ACCEPTED = "sender-accepted"


class CheckStatus(StrEnum):
    """The result of a check."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Check(msgspec.Struct, frozen=True):
    """One check. A failed check has a reason and a remedy, and names the entry if one entry is the cause.

    `provider` is the provider's id; None if the relay of the `smtp…` entries is the only provider.
    """

    name: CheckName
    status: CheckStatus
    reason: str | None = None
    remedy: str | None = None
    entry: str | None = None
    problems: tuple[Problem, ...] = ()
    failure: Failure | None = None
    provider: str | None = None


class ValidationReport(msgspec.Struct, frozen=True):
    """The checks and the warnings of a validation: two checks of the secret, and seven of each provider.

    `has_transport` is true if the stored secret configures a transport, or seems to configure one.
    """

    checks: tuple[Check, ...]
    warnings: tuple[Problem, ...] = ()
    version_id: str | None = None
    has_transport: bool = False

    @property
    def is_valid(self) -> bool | None:
        """Whether every provider can send mail; None if there is no provider."""
        if any(check.status is CheckStatus.FAILED for check in self.checks):
            return False
        has_providers = any(
            check.name is CheckName.ENTRIES_VALID and check.status is CheckStatus.PASSED for check in self.checks
        )
        return True if has_providers else None
