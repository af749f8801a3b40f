"""Check that a lifecycle event names a project that exists.

A project is known if the operator's list names it, if the ledger has a validation of its secret, or if it has a secret.
An unknown project has no secret, so its mail would leave by the server transport.
"""

from collections.abc import Callable

from mailer.errors import InvalidRequest
from mailer.ports import AcceptPorts
from mailer.problem import Problem
from mailer.project import ProjectId


def demand_known(project_id: ProjectId, *, ports: AcceptPorts, has_secret: Callable[[ProjectId], bool]) -> None:
    """Raise `InvalidRequest` if the project is not known.

    Without an operator's list this happens only if the id of a known project differs from it in upper and lower case.
    Raises `LedgerUnavailable`, and `SecretsUnavailable` from `has_secret`.
    """
    listed = ports.settings.known_projects
    if listed.has(project_id):
        return
    recorded = ports.ledger.projects_like(project_id)
    if project_id in recorded:
        return
    similar = (*recorded, *listed.similar(project_id))
    if not similar and listed.is_empty:
        return
    if ports.settings.allow_project_smtp and has_secret(project_id):
        return
    meant = f" Did you mean {similar[0]}? Upper and lower case differ." if similar else ""
    remedy = f"No project has this id. Correct it, or ask the operator to add it to KnownProjects.{meant}"
    raise InvalidRequest(Problem("project-unknown", remedy, pointer="/detail/projectId"))
