"""Validate projects after a change of their secret, and daily; release held messages."""

from mailer.ports import ConfigurationPorts
from mailer.project import ProjectId
from mailer.service.configuring.validate_project import SENDABLE, HealthUpdate, validate_project
from mailer.service.sending.release_held import Released, release_held

# The longest delay of a queue: the relays of a thousand projects are not all probed at once.
_DAILY_WITHIN_SECONDS = 900
# A worker may have read the old secret and hold its message after the release, and the ledger's index is behind: a
# second release finds such messages.
_SECOND_RELEASE_SECONDS = 60


def validate_and_release(
    project_id: ProjectId, *, ports: ConfigurationPorts, deadline: float, beyond: str | None = None
) -> tuple[HealthUpdate, Released | None]:
    """Validate a project, and release a part of its held messages if they have a transport.

    The rest is released after another validation, when this part has left. A release goes through the messages once and
    ends; the sweep checks messages that a worker holds again meanwhile. Raises `LedgerUnavailable`.
    """
    now = ports.now().timestamp()
    update = validate_project(project_id, ports=ports, now=now, deadline=deadline)
    if update.health.state not in SENDABLE:
        return update, None
    released = release_held(project_id, ports=ports, now=ports.now().timestamp(), beyond=beyond)
    if released.beyond is not None:
        ports.validations.send([project_id], after_seconds=max(1, released.seconds), beyond=released.beyond)
    elif update.is_news:
        ports.validations.send([project_id], after_seconds=_SECOND_RELEASE_SECONDS)
    return update, released


def request_all_validations(*, ports: ConfigurationPorts) -> int:
    """Request the validation of every project that has a secret, and return their number.

    Raises `SecretsUnavailable`.
    """
    if not ports.settings.allow_project_smtp:
        return 0
    project_ids = ports.writer.projects()
    ports.validations.send(project_ids, within_seconds=_DAILY_WITHIN_SECONDS)
    return len(project_ids)
