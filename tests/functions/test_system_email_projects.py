"""Lifecycle events that name a project: only a known project gets a system e-mail."""

import pytest
from aws_lambda_powertools import Logger
from mailer.errors import SecretsUnavailable
from mailer.project import ProjectId
from mailer.system_email.event import EventType

from tests.functions.conftest import Lines
from tests.functions.test_system_email import Function
from tests.support.lifecycle import event_body
from tests.support.projects import ACME

RESET = EventType.PASSWORD_RESET_REQUESTED


def reset(project_id: str | None, request_id: str = "reset-1") -> str:
    return event_body(RESET, projectId=project_id, requestId=request_id)


def knowing(log: Logger, *projects: str, **given: object) -> Function:
    function = Function(log, **given)  # type: ignore[arg-type]  # the fields of a dataclass
    for project in projects:
        function.ledger.remember_project(ProjectId(project))
    return function


def queued(function: Function) -> list[ProjectId | None]:
    return [delivery.project_id for delivery in function.queue.sends]


@pytest.mark.parametrize("named", ["Acme", "ACME", "acmE"])
def test_an_id_that_differs_from_a_known_one_in_case_only_is_refused_and_named(log: Logger, named: str) -> None:
    function = knowing(log, "acme")

    assert function.take(reset(named)) == []

    assert queued(function) == []
    assert function.refused() == [(named, "project-unknown")]
    assert "Did you mean acme?" in str(function.failures.sends[0]["problems"])
    assert function.counted == ["SystemEmailsPoison"]


def test_a_known_project_is_served(log: Logger) -> None:
    function = knowing(log, "acme", known_projects="other")

    function.take(reset("acme"))

    assert queued(function) == [ACME]


def test_without_a_list_a_project_that_is_like_no_other_is_served(log: Logger) -> None:
    function = knowing(log, "acme")

    function.take(reset("plain"))

    assert queued(function) == [ProjectId("plain")]


def test_two_known_projects_may_differ_in_case_only(log: Logger) -> None:
    function = knowing(log, "acme", "Acme")

    function.take(reset("acme", "reset-1"), reset("Acme", "reset-2"))

    assert queued(function) == [ACME, ProjectId("Acme")]


def test_a_new_secret_makes_a_project_known_before_its_first_validation(log: Logger) -> None:
    function = knowing(log, "acme", has_secret=lambda project_id: project_id == "Acme", known_projects="other")

    function.take(reset("Acme"))

    assert queued(function) == [ProjectId("Acme")]


@pytest.mark.parametrize("named", ["amce", "teams-1", "tea", "plain"])
def test_with_a_list_an_unknown_project_is_refused(log: Logger, named: str) -> None:
    function = knowing(log, "acme", known_projects="plain-1, team-*")

    function.take(reset(named))

    assert (queued(function), function.refused()) == ([], [(named, "project-unknown")])


@pytest.mark.parametrize("named", ["plain-1", "team-7", "team-"])
def test_a_listed_project_is_served_although_it_has_no_secret(log: Logger, named: str) -> None:
    function = knowing(log, known_projects="plain-1, team-*")

    function.take(reset(named))

    assert queued(function) == [ProjectId(named)]


@pytest.mark.parametrize(("named", "meant"), [("Plain-1", "plain-1"), ("Team-7", "team-*")])
def test_a_listed_project_in_other_case_is_named(log: Logger, named: str, meant: str) -> None:
    function = knowing(log, known_projects="plain-1, team-*")

    function.take(reset(named))

    assert f"Did you mean {meant}?" in str(function.failures.sends[0]["problems"])


def test_the_platforms_own_event_needs_no_project(log: Logger) -> None:
    function = knowing(log, known_projects="acme")

    function.take(reset(None))

    assert queued(function) == [None]


def test_an_event_waits_while_it_is_not_known_whether_its_project_has_a_secret(log: Logger, lines: Lines) -> None:
    def unavailable(_project_id: ProjectId) -> bool:
        raise SecretsUnavailable

    function = knowing(log, known_projects="other", has_secret=unavailable)

    assert len(function.take(reset("acme"))) == 1
    assert (queued(function), function.refused()) == ([], [])
    assert lines.read()[-1]["error_code"] == "secrets-unavailable"
    assert function.counted == ["SecretsUnavailable"]


def test_an_event_waits_while_the_ledger_cannot_tell(log: Logger) -> None:
    function = knowing(log)
    function.ledger.failing = True

    assert len(function.take(reset("acme"))) == 1
    assert function.refused() == []
