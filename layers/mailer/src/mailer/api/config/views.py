"""A project's configuration and its validation as API callers see them."""

from collections.abc import Mapping
from copy import replace
from typing import Annotated

import msgspec
from msgspec import Meta

from mailer.api.body import Body, Count, Time, fill
from mailer.api.checks import CheckResult, check_view
from mailer.api.emails.history import time_view
from mailer.api.exchange import Answer, answer_error
from mailer.api.places import ProblemPlace, problem_views
from mailer.api.problems import problem_document
from mailer.ledger.held import HeldChoice
from mailer.service.configuring.change_configuration import Refused
from mailer.service.configuring.show_configuration import ConfigurationState, ConfigurationView
from mailer.service.configuring.validation_report import ValidationReport


class Configuration(Body, frozen=True, kw_only=True):
    """A project's configuration, without its secrets."""

    state: ConfigurationState
    version_id: str | None
    checked_at: Annotated[Time | None, Meta(description="When this version was validated; null if never.")]
    last_success_at: Annotated[
        Time | None, Meta(description="When a provider last accepted a message by this version; null if not yet.")
    ]
    consecutive_failures: Annotated[
        Count | None,
        Meta(
            description="How often sending failed since then, for the provider with the most failures in a row; null "
            "without a provider."
        ),
    ]
    failing_since: Annotated[Time | None, Meta(description="The time of the first of these failures.")]
    last_failure: Annotated[str | None, Meta(description="The code of the last of these failures.")]
    held: Annotated[int | None, Meta(description="How many messages wait for a valid configuration; null if unknown.")]
    entries: Annotated[
        Mapping[str, object],
        Meta(description='The entries of the project\'s secret; {"set": true} stands for a hidden value.'),
    ]
    problems: tuple[ProblemPlace, ...]
    warnings: tuple[ProblemPlace, ...]


class Validation(Body, frozen=True, kw_only=True):
    """The checks of a validation, in their order."""

    valid: Annotated[bool | None, Meta(description="null if the project has no provider to check.")]
    version_id: str | None
    checks: tuple[CheckResult, ...]
    warnings: tuple[ProblemPlace, ...]


class HeldAnswer(Body, frozen=True, kw_only=True):
    """The choice about held messages that was recorded."""

    held: HeldChoice
    count: Annotated[int | None, Meta(description="How many messages were held; null if unknown.")]


def configuration_view(view: ConfigurationView) -> Configuration:
    """Show a project's configuration."""
    recent = view.recent
    return fill(
        Configuration,
        view,
        recent,
        checked_at=_time(view.checked_at),
        last_success_at=_time(recent.last_success_at if recent is not None else None),
        failing_since=_time(recent.failing_since if recent is not None else None),
        problems=problem_views(view.problems),
        warnings=problem_views(view.warnings),
    )


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else time_view(seconds)


def validation_view(report: ValidationReport) -> Validation:
    """Show a validation."""
    checks, warnings = tuple(map(check_view, report.checks)), problem_views(report.warnings)
    return Validation(valid=report.is_valid, version_id=report.version_id, checks=checks, warnings=warnings)


def answer_refused(refused: Refused, instance: str) -> Answer:
    """Answer that a change was not stored: with the error that sending would raise, and the checks."""
    checks = tuple(map(check_view, refused.report.checks))
    document = replace(problem_document(refused.error, instance=instance), checks=checks)
    return replace(answer_error(refused.error, instance=instance), body=msgspec.json.encode(document).decode())
