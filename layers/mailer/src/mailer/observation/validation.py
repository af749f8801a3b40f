"""Validations of projects' configurations."""

from mailer.ledger.health import HealthState
from mailer.observation.metrics import Metric
from mailer.observation.record import Observation
from mailer.project import ProjectId
from mailer.service.configuring.validate_project import HealthUpdate
from mailer.service.configuring.validation_report import CheckStatus, ValidationReport
from mailer.service.sending.release_held import Released


def observe_health(project_id: ProjectId, update: HealthUpdate, released: Released | None) -> Observation:
    """Return the line of a validation: its result, and the number of released messages."""
    health = update.health
    fields: dict[str, object] = {
        "project_id": project_id,
        "state": health.state.value,
        "version_id": health.version_id,
        "problem_codes": sorted({problem.code for problem in health.problems}),
        "is_news": update.is_news,
    }
    counts = {Metric.PROJECTS_VALIDATED: 1}
    if update.became_invalid:
        counts[Metric.PROJECTS_INVALID] = 1
    if health.state is HealthState.UNAVAILABLE:
        counts[Metric.PROJECTS_UNAVAILABLE] = 1
    if released is not None and released.count:
        fields["released"] = released.count
        counts[Metric.MESSAGES_RELEASED] = released.count
    if released is not None and released.cancelled:
        fields["cancelled"] = released.cancelled
    if released is not None and released.failed:
        fields["unreadable"] = released.failed
        counts[Metric.RECORDS_UNREADABLE] = released.failed
    return Observation("project validated", fields, counts=counts)


def observe_validation(report: ValidationReport, *, became_invalid: bool = False) -> Observation:
    """Return the audit line of a validation over the API, with the failed checks."""
    fields: dict[str, object] = {
        "version_id": report.version_id,
        "valid": report.is_valid,
        "failed_checks": [check.name.value for check in report.checks if check.status is CheckStatus.FAILED],
    }
    counts = {Metric.PROJECTS_INVALID: 1} if became_invalid else {}
    return Observation("configuration validated", fields, counts=counts)
