"""Validate the stored configuration for an API caller, and record its health."""

import logging

from mailer.errors import LedgerUnavailable
from mailer.ledger.health import HealthState
from mailer.ports import ConfigurationPorts
from mailer.project import ProjectId
from mailer.service.configuring.check_configuration import check_stored_configuration
from mailer.service.configuring.validate_project import SENDABLE, assess_health, record_health
from mailer.service.configuring.validation_report import ValidationReport

_LOGGER = logging.getLogger(__name__)


def validate_stored(project_id: ProjectId, *, ports: ConfigurationPorts, deadline: float) -> ValidationReport:
    """Return the checks of the current secret, whether the ledger answers or not.

    If mail can leave again, the release of held messages is requested.
    """
    now = ports.now().timestamp()
    report = check_stored_configuration(project_id, ports=ports, deadline=deadline)
    health = assess_health(report, now=now)
    if health.state is HealthState.UNAVAILABLE or not ports.settings.allow_project_smtp:
        return report
    try:
        is_news = record_health(project_id, health, ledger=ports.ledger, events=ports.events)
    except LedgerUnavailable:
        _LOGGER.warning("health not recorded", extra={"project_id": project_id})
        return report
    if is_news and health.state in SENDABLE:
        ports.validations.send([project_id])
    return report
