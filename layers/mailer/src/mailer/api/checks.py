"""The checks of a validation as API callers see them."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from mailer.api.body import Body, fill
from mailer.api.places import ProblemPlace, problem_views
from mailer.api.verdicts import SmtpFailure, smtp_view
from mailer.service.configuring.validation_report import Check, CheckName, CheckStatus

type _ProviderId = Annotated[
    str, Meta(description="The provider's id; left out if the relay of the `smtp…` entries is the only provider.")
]


class CheckResult(Body, frozen=True, kw_only=True):
    """One check of a validation; a failed check has a reason and a remedy."""

    name: CheckName
    status: CheckStatus
    provider: _ProviderId | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    remedy: str | UnsetType = UNSET
    entry: str | UnsetType = UNSET
    problems: tuple[ProblemPlace, ...] | UnsetType = UNSET
    smtp: SmtpFailure | UnsetType = UNSET


def check_view(check: Check) -> CheckResult:
    """Show one check."""
    smtp = smtp_view(check.failure) if check.failure is not None else None
    return fill(CheckResult, check, problems=problem_views(check.problems) or None, smtp=smtp)
