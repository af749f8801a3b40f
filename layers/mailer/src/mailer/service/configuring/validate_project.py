"""Validate a project's stored configuration, record its health, publish it if it is news, and release held messages.

A health is about one version of the secret. It is invalid only if an entry is invalid, the host is blocked, TLS fails,
or the relay refuses the credentials or the sender; an unreachable relay does not make it invalid.
"""

import logging

import msgspec

from mailer.errors import LedgerUnavailable
from mailer.ledger.event import EventName, health_event
from mailer.ledger.health import Health, HealthState
from mailer.ports import ConfigurationPorts, LedgerPorts
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.service.configuring.check_configuration import check_stored_configuration
from mailer.service.configuring.epochs import advance_epoch, record_transport, try_to_record_transport
from mailer.service.configuring.log_in_quota import counting_validations
from mailer.service.configuring.release_in_turn import release_in_turn
from mailer.service.configuring.validation_report import Check, CheckName, CheckStatus, ValidationReport
from mailer.service.sending.release_held import Condition, Released
from mailer.smtp.outcome import Accepted, Deferred, Failure, Rejected, RelayError, RelayFault, Unknown
from mailer.smtp.verdict import judge_probe

_LOGGER = logging.getLogger(__name__)
# The longest delay that a queue allows. Daily validations are spread over it, so relays are not all probed at once.
_DAILY_WITHIN_SECONDS = 900
# A worker that has read the old secret may hold its message after the release, and the ledger's index lags behind. A
# second release finds such messages.
_SECOND_RELEASE_SECONDS = 60
# In these states the project's mail can be sent.
SENDABLE = frozenset({HealthState.SERVER, HealthState.VERIFIED, HealthState.UNVERIFIED})
_EVENT_OF_STATE = {
    HealthState.VERIFIED: EventName.PROJECT_SMTP_VERIFIED,
    HealthState.INVALID: EventName.PROJECT_SMTP_INVALID,
}


class HealthUpdate(msgspec.Struct, frozen=True):
    """The health; `is_news` is true if its state or version differs from the last health.

    `became_invalid` is true if this validation found the project invalid and the one before did not.
    """

    health: Health
    is_news: bool = False
    became_invalid: bool = False


def validate_project(
    project_id: ProjectId, *, ports: ConfigurationPorts, now: float, deadline: float, edited_at: float | None = None
) -> HealthUpdate:
    """Validate the secret without any cache. `now` is the time of the start: the validation that started last wins.

    `edited_at` is the time of the edit that is the reason.
    Nothing is recorded if the secret store does not answer, or if the operator has switched project relays off. Raises
    `LedgerUnavailable`.
    """
    number: int | None = None
    if ports.settings.allow_project_smtp:
        # This comes before the secret is read: what is read now, and released after it, must be new.
        number = advance_epoch(project_id, ports, edited_at=edited_at).number
    report = check_stored_configuration(project_id, ports=ports, deadline=deadline)
    if report.has_transport and number is not None:
        record_transport(project_id, number, ports)
    health = assess_health(report, now=now)
    return record_health(project_id, health, ports) if _is_recorded(health, ports) else HealthUpdate(health)


def validate_stored(
    project_id: ProjectId, *, ports: ConfigurationPorts, deadline: float
) -> tuple[ValidationReport, HealthUpdate]:
    """Validate for an API caller, and return the checks even if the ledger does not answer.

    If mail can be sent again, the release of held messages is requested. Raises `LimitReached`.
    """
    now = ports.timestamp()
    number: int | None = None
    try:
        number = advance_epoch(project_id, ports).number
    except LedgerUnavailable:
        _LOGGER.warning("epoch not advanced", extra={"project_id": project_id})
    counted = counting_validations(project_id, ports)
    report = check_stored_configuration(project_id, ports=counted, deadline=deadline)
    if report.has_transport and number is not None:
        try_to_record_transport(project_id, number, ports)
    health = assess_health(report, now=now)
    update = HealthUpdate(health)
    if _is_recorded(health, ports):
        update = try_to_record_health(project_id, health, ports)
    if update.is_news and health.state in SENDABLE:
        ports.validations.send([project_id])
    return report, update


def validate_and_release(
    project_id: ProjectId,
    *,
    ports: ConfigurationPorts,
    deadline: float,
    beyond: str | None = None,
    edited_at: float | None = None,
) -> tuple[HealthUpdate, Released | None]:
    """Validate a project, and release a part of its held messages if mail can be sent.

    The next part is released after another validation, when this part has left the queue. A release handles each
    message once. If a worker holds a message again meanwhile, the sweep checks it later. If a release of the project
    runs already, nothing is released now. Raises `LedgerUnavailable`.
    """
    update = validate_project(project_id, ports=ports, now=ports.timestamp(), deadline=deadline, edited_at=edited_at)
    condition = _condition(project_id, update.health.state, ports)
    if not condition.can_send and condition.decision is None:
        return update, None
    released = release_in_turn(project_id, ports=ports, condition=condition, beyond=beyond)
    if released is not None and released.beyond is None and update.is_news:
        ports.validations.send([project_id], after_seconds=_SECOND_RELEASE_SECONDS)
    return update, released


def _condition(project_id: ProjectId, state: HealthState, ports: ConfigurationPorts) -> Condition:
    # If the operator has switched project relays off, the server transport sends everything: that is the operator's
    # choice about held messages.
    is_removed = state is HealthState.SERVER and ports.settings.allow_project_smtp
    return Condition(state in SENDABLE, is_removed, ports.ledger.epoch(project_id).held)


def request_all_validations(*, ports: ConfigurationPorts) -> int:
    """Request the validation of every project that has a secret, and return their number.

    Raises `SecretsUnavailable`.
    """
    if not ports.settings.allow_project_smtp:
        return 0
    project_ids = ports.writer.projects()
    ports.validations.send(project_ids, within_seconds=_DAILY_WITHIN_SECONDS)
    return len(project_ids)


def record_health(project_id: ProjectId, health: Health, ports: LedgerPorts) -> HealthUpdate:
    """Record the health, and publish it if it is news. Raises `LedgerUnavailable`."""
    last = ports.ledger.health(project_id)
    if last is None and health.state is HealthState.SERVER and health.version_id is None:
        # There is no secret now, and there was none before: perhaps the project does not exist.
        return HealthUpdate(health)
    ports.ledger.remember_project(project_id)
    ports.ledger.save_health(project_id, health)
    is_news = last is None or (last.state, last.version_id) != (health.state, health.version_id)
    if not is_news or ports.ledger.health(project_id) != health:
        # The health was known already, or a later validation has replaced it.
        return HealthUpdate(health)
    name = _EVENT_OF_STATE.get(health.state)
    if name is not None:
        ports.events.publish([health_event(project_id, health, name)])
    was_invalid = last is not None and last.state is HealthState.INVALID
    return HealthUpdate(health, is_news=True, became_invalid=health.state is HealthState.INVALID and not was_invalid)


def try_to_record_health(project_id: ProjectId, health: Health, ports: LedgerPorts) -> HealthUpdate:
    """Do what `record_health` does; if the ledger does not answer, nothing is news."""
    try:
        return record_health(project_id, health, ports)
    except LedgerUnavailable:
        _LOGGER.warning("health not recorded", extra={"project_id": project_id})
        return HealthUpdate(health)


def _is_recorded(health: Health, ports: ConfigurationPorts) -> bool:
    return health.state is not HealthState.UNAVAILABLE and ports.settings.allow_project_smtp


def assess_health(report: ValidationReport, *, now: float) -> Health:
    """Derive the health from the checks."""
    failed = [check for check in report.checks if check.status is CheckStatus.FAILED]
    if not failed:
        state = HealthState.VERIFIED if report.is_valid else HealthState.SERVER
        return Health(state, report.version_id, now, warnings=report.warnings)
    if any(_state(check) is HealthState.UNAVAILABLE for check in failed):
        return Health(HealthState.UNAVAILABLE, report.version_id, now)
    # One invalid provider makes the project invalid.
    problems, unverified = (
        tuple(problem for check in failed if _state(check) is state for problem in _problems(check))
        for state in (HealthState.INVALID, HealthState.UNVERIFIED)
    )
    state = HealthState.INVALID if problems else HealthState.UNVERIFIED
    return Health(state, report.version_id, now, problems, (*unverified, *report.warnings))


def _problems(failed: Check) -> tuple[Problem, ...]:
    return failed.problems if failed.failure is None else (failure_problem(failed, failed.failure),)


def failure_problem(check: Check, failure: Failure) -> Problem:
    """Describe a failed probe as a problem of the configuration, with its entry and remedy."""
    detail = " ".join(filter(None, (check.reason, check.remedy)))
    return Problem(_judged(failure)[1], detail, entry=check.entry)


def _state(failed: Check) -> HealthState:
    if failed.failure is not None:
        return _judged(failed.failure)[0]
    if failed.name is CheckName.SECRET_READABLE and not failed.problems:
        return HealthState.UNAVAILABLE
    return HealthState.INVALID


def _judged(failure: Failure) -> tuple[HealthState, str]:
    """Return the health state after a failed probe, and the code of its problem."""
    match judge_probe(failure):
        case RelayError(fault):
            return HealthState.INVALID, fault.value
        case Rejected():
            return HealthState.INVALID, RelayFault.SENDER_REFUSED.value
        case Deferred() | Unknown() | Accepted():
            return HealthState.UNVERIFIED, "relay-not-verified"
