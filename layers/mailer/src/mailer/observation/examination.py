"""What an examination of a project's secret leaves in the log and in the metrics: ids, codes and counts."""

from mailer.ledger.health import HealthState
from mailer.observation.observation import Observation
from mailer.project import ProjectId
from mailer.service.configuring.examine_project import Examined
from mailer.service.sending.release_held import Released

_COUNT_OF_STATE = {
    HealthState.INVALID: "ProjectsInvalid",
    HealthState.UNAVAILABLE: "ProjectsUnavailable",
}


def observe_examined(project_id: ProjectId, examined: Examined, released: Released | None) -> Observation:
    """Say what was found, and how many held messages go on because of it."""
    health = examined.health
    fields: dict[str, object] = {
        "project_id": project_id,
        "state": health.state.value,
        "version_id": health.version_id,
        "problem_codes": sorted({problem.code for problem in health.problems}),
        "is_news": examined.is_news,
    }
    counts = {"ProjectsExamined": 1}
    if health.state in _COUNT_OF_STATE:
        counts[_COUNT_OF_STATE[health.state]] = 1
    if released is not None and released.count:
        fields["released"] = released.count
        counts["MessagesReleased"] = released.count
    return Observation("project examined", fields, counts=counts)
