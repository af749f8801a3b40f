"""What a validation of a project's secret leaves in the log and in the metrics: ids, codes and counts."""

from mailer.ledger.health import HealthState
from mailer.observation.observation import Observation
from mailer.project import ProjectId
from mailer.service.configuring.validate_project import HealthUpdate
from mailer.service.sending.release_held import Released

_COUNT_OF_STATE = {
    HealthState.INVALID: "ProjectsInvalid",
    HealthState.UNAVAILABLE: "ProjectsUnavailable",
}


def observe_health(project_id: ProjectId, update: HealthUpdate, released: Released | None) -> Observation:
    """Say what was found, and how many held messages go on because of it."""
    health = update.health
    fields: dict[str, object] = {
        "project_id": project_id,
        "state": health.state.value,
        "version_id": health.version_id,
        "problem_codes": sorted({problem.code for problem in health.problems}),
        "is_news": update.is_news,
    }
    counts = {"ProjectsExamined": 1}
    if health.state in _COUNT_OF_STATE:
        counts[_COUNT_OF_STATE[health.state]] = 1
    if released is not None and released.count:
        fields["released"] = released.count
        counts["MessagesReleased"] = released.count
    return Observation("project validated", fields, transport=None, counts=counts)
