"""Limits and stages over HTTP: statuses, headers, roles and log lines."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.ledger.breaker import FAILURES_TO_OPEN, MAX_SLOTS, SlotRequest
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, RelayError, RelayFault
from mailer.smtp.reply import make_reply

from functions.send.app import create_handler
from tests import fakes
from tests.functions.conftest import Context, load_event
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries, settings


@dataclass
class Function:
    """The handler on fakes that keep their state between calls."""

    log: Logger
    environment: dict[str, str]
    counted: list[tuple[str, int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.service = MemoryService(settings(**self.environment))
        self.service.secrets.answers[ACME] = fakes.secret(entries())
        self._handler = create_handler(
            ports=self.service.send_ports, log=self.log, count=lambda *counted: self.counted.append(counted)
        )

    def call(
        self, case: str = "send.project_relay", *, role: str | None = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        event = load_event(case)
        event["headers"] |= headers
        if role is not None:
            event["requestContext"]["authorizer"]["lambda"]["role"] = role
        answer = self._handler(event, Context())  # type: ignore[arg-type]  # the parts of a LambdaContext that are used
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


type Make = Callable[..., Function]


@pytest.fixture
def make(log: Logger) -> Make:
    return lambda **environment: Function(log, environment)


def rate(headers: dict[str, str]) -> list[str | None]:
    return [headers.get(f"RateLimit-{name}") for name in ("Limit", "Remaining", "Reset")]


def test_au11_an_answer_shows_what_is_left_of_the_limit(make: Make) -> None:
    status, _, headers = make(PROJECT_LIMITS="2/hour").call()

    assert (status, rate(headers)) == (200, ["2", "1", "3355"])


def test_au11_a_request_over_the_limit_is_429_with_retry_after(make: Make) -> None:
    function = make(PROJECT_LIMITS="1/hour")
    function.call()

    status, body, headers = function.call()

    assert (status, body["code"], body["retryable"]) == (429, "limit-reached", True)
    assert (headers["Retry-After"], rate(headers)) == ("3355", ["1", "0", "3355"])
    assert ("RefusedByLimit", 1, "none") in function.counted


def test_a_queued_answer_shows_what_is_left_of_the_limit(make: Make) -> None:
    status, _, headers = make(PROJECT_LIMITS="2/hour").call(prefer="respond-async")

    assert (status, rate(headers)) == (202, ["2", "1", "3355"])


def test_without_limits_an_answer_has_no_limit_headers(make: Make) -> None:
    assert rate(make().call()[2]) == [None, None, None]


def test_d20_a_limit_applies_by_the_role_of_the_token(make: Make) -> None:
    function = make(ROLE_LIMITS="marketing=1/day")

    assert function.call(role="marketing")[0] == 200
    assert function.call(role="marketing")[0] == 429
    assert function.call(role="support")[0] == 200
    assert function.call()[0] == 200


def test_a_dialect_s_answer_over_the_limit_has_retry_after(make: Make) -> None:
    function = make(PROJECT_LIMITS="5/hour")
    for _ in range(5):
        function.call()

    status, _, headers = function.call("send.medplum")

    assert (status, headers["Retry-After"], headers["RateLimit-Remaining"]) == (429, "3355", "0")


def test_s1_a_suppressed_message_is_200_and_counted_as_suppressed(make: Make) -> None:
    function = make(SUPPRESS_EMAILS="true")

    status, body, _ = function.call()

    assert (status, body["status"], function.service.relay.sends) == (200, "suppressed", [])
    assert ("MessagesSuppressed", 1, "project-smtp") in function.counted


def test_s1_a_diverted_message_names_the_diversion_address(make: Make) -> None:
    status, body, _ = make(DIVERT_ALL_TO="qa@stage.example").call()

    assert (status, body["diverted_to"]) == (200, "qa@stage.example")
    assert (body["accepted"], body["diverted"]) == ([], ["ada@example.net"])


def test_a_paused_relay_is_503_with_the_end_of_the_pause(make: Make) -> None:
    function = make()
    function.service.relay.verdict = RelayError(
        RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no"))
    )
    statuses = [function.call()[0] for _ in range(FAILURES_TO_OPEN)]

    status, body, headers = function.call()

    assert statuses == [424] * FAILURES_TO_OPEN
    assert (status, body["code"], body["retryable"]) == (503, "relay-unreachable", True)
    assert ([problem["code"] for problem in body["problems"]], "smtp" in body) == (["relay-auth-rejected"], False)
    assert headers["Retry-After"] == "60"
    assert "Location" not in headers
    assert ("RefusedByBreaker", 1, "none") in function.counted


def test_a_paused_relay_is_503_in_a_dialect(make: Make) -> None:
    function = make()
    function.service.relay.verdict = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
    for _ in range(FAILURES_TO_OPEN):
        function.call()

    status, _, headers = function.call("send.courier")

    assert (status, headers["Retry-After"]) == (503, "60")


def test_a_message_that_waits_for_a_slot_is_202(make: Make) -> None:
    function = make()
    for number in range(MAX_SLOTS):
        request = SlotRequest("version-1", f"w{number}", function.service.seconds + 60)
        function.service.ledger.take_slot(ACME, "smtp", request, now=function.service.seconds)

    status, body, headers = function.call(**{"idempotency-key": "one"})

    assert (status, body["status"], body["transport"]) == (202, "queued", "project-smtp")
    assert "Preference-Applied" not in headers
    assert headers["Location"].endswith(body["id"])
    assert function.call(**{"idempotency-key": "one"})[:2] == (status, body)
    assert ("MessagesQueued", 1, "project-smtp") in function.counted
