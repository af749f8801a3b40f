"""What follows from a changed secret and from a passed day: validations, and the release of what was held."""

from mailer.ports import ConfigurationPorts
from mailer.project import ProjectId
from mailer.service.configuring.validate_project import SENDABLE, HealthUpdate, validate_project
from mailer.service.sending.release_held import Released, release_held

# As long as a queue can delay: a thousand projects' relays are not all walked to at once.
_DAILY_WITHIN_SECONDS = 900
# A worker may have read the old secret and be about to hold its message, and the ledger's index follows later: who
# comes after the release is found by a second look.
_SECOND_LOOK_SECONDS = 60


def validate_and_release(
    project_id: ProjectId, *, ports: ConfigurationPorts, deadline: float, beyond: str | None = None
) -> tuple[HealthUpdate, Released | None]:
    """Examine a project, and let a part of its held messages go where they have a transport to leave by.

    The rest is released after another validation, when this part has left. What a worker holds again meanwhile, for
    a reason of its own, is the clock's: a release goes through the messages once and comes to an end. Raises
    `LedgerUnavailable`.
    """
    now = ports.now().timestamp()
    update = validate_project(project_id, ports=ports, now=now, deadline=deadline)
    if update.health.state not in SENDABLE:
        return update, None
    released = release_held(project_id, ports=ports, now=ports.now().timestamp(), beyond=beyond)
    if released.beyond is not None:
        ports.validations.send([project_id], after_seconds=max(1, released.seconds), beyond=released.beyond)
    elif update.is_news:
        ports.validations.send([project_id], after_seconds=_SECOND_LOOK_SECONDS)
    return update, released


def request_all_validations(*, ports: ConfigurationPorts) -> int:
    """Ask for the validation of every project that has a secret, and return how many those are.

    Raises `SecretsUnavailable`.
    """
    if not ports.settings.allow_project_smtp:
        return 0
    project_ids = ports.writer.projects()
    ports.validations.send(project_ids, within_seconds=_DAILY_WITHIN_SECONDS)
    return len(project_ids)
