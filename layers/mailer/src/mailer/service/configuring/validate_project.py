"""Validate a project's stored configuration, record its health, and publish it if it is news.

A health is about one version of the secret. Only an invalid entry, the relay's refusal or its certificate make it
invalid; an unreachable relay does not.
"""

import msgspec

from mailer.ledger.event import EventName, health_event
from mailer.ledger.health import Health, HealthState
from mailer.ports import ConfigurationPorts, EventPublisher, Ledger
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.service.configuring.check_configuration import check_stored_configuration
from mailer.service.configuring.validation_report import Check, CheckName, CheckStatus, ValidationReport
from mailer.smtp.outcome import Accepted, Deferred, Failure, Rejected, RelayError, Unknown
from mailer.smtp.verdict import judge_probe

# In these states the project's mail can leave.
SENDABLE = frozenset({HealthState.SERVER, HealthState.VERIFIED, HealthState.UNVERIFIED})
_EVENT_OF_STATE = {
    HealthState.VERIFIED: EventName.PROJECT_SMTP_VERIFIED,
    HealthState.INVALID: EventName.PROJECT_SMTP_INVALID,
}


class HealthUpdate(msgspec.Struct, frozen=True):
    """The health, and whether it is news: another state or version than the last one."""

    health: Health
    is_news: bool


def validate_project(project_id: ProjectId, *, ports: ConfigurationPorts, now: float, deadline: float) -> HealthUpdate:
    """Validate the secret past every cache; `now` is the start, so that a later reading wins.

    Nothing is recorded if the secret store does not answer, or if the operator has switched project relays off. Raises
    `LedgerUnavailable`.
    """
    report = check_stored_configuration(project_id, ports=ports, deadline=deadline)
    health = assess_health(report, now=now)
    if health.state is HealthState.UNAVAILABLE or not ports.settings.allow_project_smtp:
        return HealthUpdate(health, is_news=False)
    return HealthUpdate(health, is_news=record_health(project_id, health, ledger=ports.ledger, events=ports.events))


def record_health(project_id: ProjectId, health: Health, *, ledger: Ledger, events: EventPublisher) -> bool:
    """Record the health and, if it is news, publish it; return whether it is.

    Raises `LedgerUnavailable`.
    """
    last = ledger.health(project_id)
    if last is None and health.state is HealthState.SERVER and health.version_id is None:
        # No secret now or before: the project may not even exist.
        return False
    ledger.save_health(project_id, health)
    is_news = last is None or (last.state, last.version_id) != (health.state, health.version_id)
    if not is_news or ledger.health(project_id) != health:
        # Known already, or replaced by a later validation.
        return False
    name = _EVENT_OF_STATE.get(health.state)
    if name is not None:
        events.publish([health_event(project_id, health, name)])
    return True


def assess_health(report: ValidationReport, *, now: float) -> Health:
    """Derive the health from the checks."""
    failed = [check for check in report.checks if check.status is CheckStatus.FAILED]
    if not failed:
        state = HealthState.VERIFIED if report.is_valid else HealthState.SERVER
        return Health(state, report.version_id, now, warnings=report.warnings)
    if any(_state(check) is HealthState.UNAVAILABLE for check in failed):
        return Health(HealthState.UNAVAILABLE, report.version_id, now)
    # One invalid provider makes the project invalid.
    problems = tuple(
        problem for check in failed if _state(check) is HealthState.INVALID for problem in _problems(check)
    )
    unproved = tuple(
        problem for check in failed if _state(check) is HealthState.UNVERIFIED for problem in _problems(check)
    )
    state = HealthState.INVALID if problems else HealthState.UNVERIFIED
    return Health(state, report.version_id, now, problems, (*unproved, *report.warnings))


def _problems(failed: Check) -> tuple[Problem, ...]:
    return failed.problems if failed.failure is None else (failure_problem(failed, failed.failure),)


def failure_problem(check: Check, failure: Failure) -> Problem:
    """Describe a failed probe as a problem of the configuration, with its entry and remedy."""
    detail = " ".join(filter(None, (check.reason, check.remedy)))
    return Problem(_code(failure), detail, entry=check.entry)


def _state(failed: Check) -> HealthState:
    if failed.failure is not None:
        return _state_of_probe(failed.failure)
    if failed.name is CheckName.SECRET_READABLE and not failed.problems:
        return HealthState.UNAVAILABLE
    return HealthState.INVALID


def _state_of_probe(failure: Failure) -> HealthState:
    match judge_probe(failure):
        case RelayError() | Rejected():
            return HealthState.INVALID
        case Deferred() | Unknown() | Accepted():
            return HealthState.UNVERIFIED


def _code(failure: Failure) -> str:
    match judge_probe(failure):
        case RelayError(fault):
            return fault.value
        case Rejected():
            return "relay-refuses-sender"
        case Deferred() | Unknown() | Accepted():
            return "relay-not-verified"
