"""Examine a project's configuration as it is stored now, write down what was found, and tell who wants to know.

A finding is about one version of the secret. What proves nothing against a configuration, such as a relay that cannot
be reached, never makes it invalid; what does is an entry, the relay's own refusal, or its certificate.
"""

import msgspec

from mailer.ledger.event import EventName, health_event
from mailer.ledger.health import Health, HealthState
from mailer.ports import ConfigurationPorts, EventPublisher, Ledger
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.service.configuring.check_configuration import (
    Check,
    CheckName,
    CheckStatus,
    ValidationReport,
    check_stored_configuration,
)
from mailer.smtp.outcome import Accepted, Deferred, Failure, Rejected, RelayError, Unknown
from mailer.smtp.verdict import judge_probe

# With these the project's mail has a transport to leave by.
SENDABLE = frozenset({HealthState.SERVER, HealthState.VERIFIED, HealthState.UNVERIFIED})
_NOTICE_OF_STATE = {
    HealthState.VERIFIED: EventName.PROJECT_SMTP_VERIFIED,
    HealthState.INVALID: EventName.PROJECT_SMTP_INVALID,
}


class HealthUpdate(msgspec.Struct, frozen=True):
    """What was found, and whether it is news: another state or another version than the last finding's."""

    health: Health
    is_news: bool


def validate_project(project_id: ProjectId, *, ports: ConfigurationPorts, now: float, deadline: float) -> HealthUpdate:
    """Examine the secret past every cache; `now` is when it begins, so that a later reading has the last word.

    Raises `LedgerUnavailable`. A store that gives no answer says nothing about the project, so that nothing is written
    then; nor is there anything to write while the operator has switched project relays off.
    """
    report = check_stored_configuration(project_id, ports=ports, deadline=deadline)
    health = assess_health(report, now=now)
    if health.state is HealthState.UNAVAILABLE or not ports.settings.allow_project_smtp:
        return HealthUpdate(health, is_news=False)
    return HealthUpdate(health, is_news=record_health(project_id, health, ledger=ports.ledger, events=ports.events))


def record_health(project_id: ProjectId, health: Health, *, ledger: Ledger, events: EventPublisher) -> bool:
    """Write a finding down and, where it is news, tell it; return whether it is.

    Raises `LedgerUnavailable`.
    """
    last = ledger.health(project_id)
    if last is None and health.state is HealthState.SERVER and health.version_id is None:
        # No secret and none before: there is no such project, or nothing to say about it.
        return False
    ledger.save_health(project_id, health)
    is_news = last is None or (last.state, last.version_id) != (health.state, health.version_id)
    if not is_news or ledger.health(project_id) != health:
        # Either known, or overtaken by a later reading.
        return False
    name = _NOTICE_OF_STATE.get(health.state)
    if name is not None:
        events.publish([health_event(project_id, health, name)])
    return True


def assess_health(report: ValidationReport, *, now: float) -> Health:
    """Say what the checks prove about the configuration."""
    failed = [check for check in report.checks if check.status is CheckStatus.FAILED]
    if not failed:
        state = HealthState.VERIFIED if report.is_valid else HealthState.SERVER
        return Health(state, report.version_id, now, warnings=report.warnings)
    if any(_state(check) is HealthState.UNAVAILABLE for check in failed):
        return Health(HealthState.UNAVAILABLE, report.version_id, now)
    # One provider that is wrong makes the project invalid, whatever the others say.
    problems = tuple(
        problem for check in failed if _state(check) is HealthState.INVALID for problem in _problems(check)
    )
    doubts = tuple(
        problem for check in failed if _state(check) is HealthState.UNVERIFIED for problem in _problems(check)
    )
    state = HealthState.INVALID if problems else HealthState.UNVERIFIED
    return Health(state, report.version_id, now, problems, (*doubts, *report.warnings))


def _problems(failed: Check) -> tuple[Problem, ...]:
    return failed.problems if failed.failure is None else (failure_problem(failed, failed.failure),)


def failure_problem(check: Check, failure: Failure) -> Problem:
    """Name what a check met at the relay as a problem of the configuration: its entry, and the remedy."""
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
