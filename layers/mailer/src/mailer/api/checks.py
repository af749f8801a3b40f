"""The checks of a validation as API callers see them."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from mailer.api.body import Body
from mailer.api.places import ProblemPlace, problem_views
from mailer.api.verdicts import SmtpFailure, smtp_view
from mailer.service.configuring.check_configuration import Check, CheckName, CheckStatus


class CheckResult(Body, frozen=True, kw_only=True):
    """One check of a validation; a failed one has a reason and a remedy."""

    name: CheckName
    status: CheckStatus
    provider: (
        Annotated[str, Meta(description="The provider's id, if there is more than the relay of the flat entries.")]
        | UnsetType
    ) = UNSET
    reason: str | UnsetType = UNSET
    remedy: str | UnsetType = UNSET
    entry: str | UnsetType = UNSET
    problems: tuple[ProblemPlace, ...] | UnsetType = UNSET
    smtp: SmtpFailure | UnsetType = UNSET


def check_view(check: Check) -> CheckResult:
    """Show one check."""
    return CheckResult(
        name=check.name,
        status=check.status,
        provider=UNSET if check.provider is None else check.provider,
        reason=UNSET if check.reason is None else check.reason,
        remedy=UNSET if check.remedy is None else check.remedy,
        entry=UNSET if check.entry is None else check.entry,
        problems=problem_views(check.problems) or UNSET,
        smtp=UNSET if check.failure is None else smtp_view(check.failure),
    )
