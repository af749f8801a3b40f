"""Held messages after a removal: the choice that comes with it, and the choice afterwards."""

import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.errors import LedgerUnavailable
from mailer.ledger.held import HeldChoice, HeldDecision
from mailer.secret.resolution import SecretAbsent, SecretUnavailable, Unavailability

from tests import fakes
from tests.functions.conftest import Lines, load_event
from tests.ledger_fakes import ValidationRequest
from tests.support.config_function import Function
from tests.support.projects import ACME, NOW, entries

PROVIDER = {
    "id": "backup",
    "provider": "sendgrid",
    "name": "Backup",
    "enabled": True,
    "priority": 1,
    "config": {"apiKey": "SG.key"},
}
ONE_PROVIDER = json.dumps({"smtpFromAddress": "hello@acme.example", "emailProviders": [PROVIDER]})
AND_A_RELAY = entries(emailProviders=json.dumps([PROVIDER]))


@pytest.fixture
def function(log: Logger) -> Function:
    return Function(log)


def removal(name: str = "project_config.delete", **query: str) -> dict[str, Any]:
    event = load_event(name)
    event["queryStringParameters"] = query or None
    if "providerId" in event["pathParameters"]:
        event["pathParameters"]["providerId"] = "backup"
        event["headers"].pop("if-match", None)
    return event


def decided(choice: str) -> dict[str, Any]:
    event = load_event("project_config.held")
    event["body"] = json.dumps({"held": choice})
    return event


def decision_of(function: Function) -> HeldDecision | None:
    return function.service.ledger.epoch(ACME).held


@pytest.mark.parametrize("choice", list(HeldChoice))
@pytest.mark.parametrize("name", ["project_config.delete", "project_config.provider_delete"])
def test_a_removal_carries_the_choice_about_held_messages(function: Function, name: str, choice: HeldChoice) -> None:
    function.secrets.answers[ACME] = fakes.secret(ONE_PROVIDER)
    before = HeldDecision(HeldChoice.CANCEL, NOW.timestamp() - 60)
    epoch = function.service.ledger.epoch(ACME)
    function.service.ledger.save_epoch(ACME, type(epoch)(1, held=before))

    status, body = function.call(removal(name, held=choice.value))

    assert (status, body["state"]) == (200, "server")
    assert decision_of(function) == HeldDecision(choice, NOW.timestamp())
    assert ValidationRequest((ACME,)) in function.validations.sends


def test_without_a_choice_held_messages_are_kept(function: Function) -> None:
    assert function.call(removal())[0] == 200

    assert decision_of(function) == HeldDecision(HeldChoice.KEEP, NOW.timestamp())


def test_the_choice_counts_although_the_secret_was_removed_before(function: Function) -> None:
    function.secrets.answers[ACME] = SecretAbsent()

    assert function.call(removal(held="send"))[0] == 200

    assert decision_of(function) == HeldDecision(HeldChoice.SEND, NOW.timestamp())


def test_a_new_relay_ends_the_choice(function: Function) -> None:
    function.call(removal(held="send"))

    function.put(json.loads(entries()))

    assert decision_of(function) is None


@pytest.mark.parametrize("query", [{"held": "forget"}, {"held": ""}, {"keep": "true"}])
def test_an_unknown_choice_is_400_and_removes_nothing(function: Function, query: dict[str, str]) -> None:
    status, body = function.call(removal(**query))

    assert (status, body["code"]) == (400, "invalid-request")
    assert body["problems"][0]["parameter"] == next(iter(query))
    assert function.writer.promoted == []


def test_a_choice_that_cannot_be_recorded_is_503_and_may_be_given_again(function: Function) -> None:
    writes: list[str] = []

    def fail_at_the_choice(point: str) -> None:
        writes.append(point)
        if point == "before ledger.save_epoch" and writes.count(point) == 2:
            raise LedgerUnavailable

    function.service.ledger.failpoint = fail_at_the_choice
    status, body = function.call(removal(held="send"))
    assert (status, body["code"]) == (503, "ledger-unavailable")
    assert "stay held" in body["detail"]

    assert decision_of(function) == HeldDecision(HeldChoice.KEEP, NOW.timestamp())

    assert function.call(decided("send"))[0] == 202
    assert decision_of(function) == HeldDecision(HeldChoice.SEND, NOW.timestamp())


# -- POST held --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["send", "cancel", "keep"])
def test_held_messages_are_decided_after_the_removal(function: Function, lines: Lines, choice: str) -> None:
    function.secrets.answers[ACME] = SecretAbsent()

    status, body = function.call(decided(choice))

    assert (status, body) == (202, {"held": choice, "count": 0})
    assert decision_of(function) == HeldDecision(HeldChoice(choice), NOW.timestamp())
    assert function.validations.sends == [ValidationRequest((ACME,))]
    assert lines.read()[-1]["choice"] == choice


def test_sending_by_the_own_relay_is_no_choice_for_the_server_transport(function: Function) -> None:
    assert function.call(decided("send"))[0] == 202

    assert decision_of(function) is None
    assert function.validations.sends == [ValidationRequest((ACME,))]


def test_nothing_is_sent_by_hand_while_the_configuration_is_invalid(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(entries(smtpPort="mail"))

    status, body = function.call(decided("send"))

    assert (status, body["code"]) == (400, "project-smtp-invalid")
    assert function.validations.sends == []


def test_nothing_is_sent_by_hand_while_the_configuration_cannot_be_read(function: Function) -> None:
    function.secrets.answers[ACME] = SecretUnavailable(Unavailability.TIMEOUT)

    assert function.call(decided("send"))[0] == 503


def test_held_messages_are_cancelled_while_the_configuration_is_invalid(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(entries(smtpPort="mail"))

    assert function.call(decided("cancel"))[0] == 202


@pytest.mark.parametrize("body", ["{}", '{"held": "forget"}', '{"held": null}', '{"held": "send", "all": true}', "[]"])
def test_a_malformed_decision_is_400(function: Function, body: str) -> None:
    event = load_event("project_config.held")
    event["body"] = body

    status, answered = function.call(event)

    assert (status, answered["code"]) == (400, "invalid-request")
    assert function.validations.sends == []
