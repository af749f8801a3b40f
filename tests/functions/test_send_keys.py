"""Idempotency-Key and Prefer: one request gives one message, and a repeated request gets the same answer."""

import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.ledger.record import State
from mailer.smtp.outcome import (
    Attempt,
    Cause,
    Deferred,
    Failure,
    Phase,
    Rejected,
    RelayError,
    RelayFault,
    Unknown,
    Verdict,
)
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.functions.conftest import Lines
from tests.support import canaries
from tests.support.messages_api import MESSAGE, MessagesApi
from tests.support.projects import ACME, entries

ASYNC = "respond-async"
LATER = Deferred(Failure(Phase.FINAL, Cause.REPLY, make_reply(451, "4.7.1 later")))
UNKNOWN = Unknown(Failure(Phase.FINAL, Cause.TIMEOUT))


@pytest.fixture
def api(log: Logger) -> MessagesApi:
    return MessagesApi(log)


def test_DU7_the_same_key_and_body_get_the_same_answer_and_send_once(api: MessagesApi) -> None:
    first, again = api.send(key="k"), api.send(key="k")

    assert (again.status, again.body) == (first.status, first.body)
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    assert again.headers["Location"] == first.headers["Location"] == f"/v1/projects/acme/emails/{first.body['id']}"
    assert len(api.office.relay.sends) == 1


def test_the_order_of_fields_does_not_make_another_request(api: MessagesApi) -> None:
    first = api.send(key="k")
    again = api.ask("POST", "", json.dumps(dict(reversed(MESSAGE.items())), indent=2), {"idempotency-key": "k"})

    assert again.body == first.body


def test_DU7_another_body_with_the_same_key_is_422(api: MessagesApi) -> None:
    api.send(key="k")

    other = api.send(key="k", subject="Other")

    assert (other.status, other.body["code"]) == (422, "idempotency-key-reused")
    assert len(api.office.relay.sends) == 1


@pytest.mark.parametrize("key", ["", "k" * 257, "é"])
def test_DU7_a_malformed_key_is_400(api: MessagesApi, key: str) -> None:
    answer = api.send(key=key)

    assert (answer.status, answer.body["problems"][0]["code"]) == (400, "idempotency-key-malformed")
    assert api.office.relay.sends == []


def test_DU7_a_key_may_have_256_characters(api: MessagesApi) -> None:
    assert [api.send(key="k" * 256).status for _ in range(2)] == [200, 200]
    assert len(api.office.relay.sends) == 1


def test_DU7_DU15_a_second_request_with_a_key_in_flight_is_409(log: Logger) -> None:
    api = MessagesApi(log)

    class Relay(fakes.FakeRelayTransport):
        def send(self, *args: Any, **named: Any) -> Attempt:
            self.twin = api.send(key="k")
            return super().send(*args, **named)

    api.office.relay = relay = Relay()

    assert api.send(key="k").status == 200
    assert (relay.twin.status, relay.twin.body["code"]) == (409, "idempotency-key-in-flight")
    assert relay.twin.body["retryable"]
    assert int(relay.twin.headers["Retry-After"]) > 0
    assert len(relay.sends) == 1


def test_TI9_another_projects_key_is_another_key(api: MessagesApi) -> None:
    first, other = api.send(key="k"), api.send(key="k", project="other", subject="Other")

    assert (first.status, other.status) == (200, 200)
    assert "Idempotent-Replayed" not in other.headers
    assert first.body["id"] != other.body["id"]


def test_after_a_day_a_key_is_new(api: MessagesApi) -> None:
    first = api.send(key="k")
    api.office.advance(24 * 3600.0)

    again = api.send(key="k")

    assert (again.status, "Idempotent-Replayed" in again.headers) == (200, False)
    assert again.body["id"] != first.body["id"]


def test_DU7_an_invalid_request_leaves_its_key_free(api: MessagesApi) -> None:
    assert api.send(key="k", to="no-at-sign").status == 400
    assert api.send(key="k").status == 200


def test_an_invalid_configuration_leaves_the_key_free(api: MessagesApi) -> None:
    api.office.secrets.answers[ACME] = fakes.secret(entries(smtpPort="mail"))
    assert api.send(key="k").status == 400
    api.office.secrets.answers[ACME] = fakes.secret(entries())

    assert api.send(key="k").status == 200


def test_a_503_leaves_its_key_free(api: MessagesApi) -> None:
    api.office.relay.verdict = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
    assert api.send(key="k").status == 503
    api.office.relay.verdict = fakes.ACCEPTED

    sent = api.send(key="k")

    assert (sent.status, "Idempotent-Replayed" in sent.headers) == (200, False)


FINAL: list[tuple[Verdict, int]] = [
    (RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no"))), 424),
    (Rejected(Failure(Phase.FINAL, Cause.REPLY, make_reply(554, "5.6.0 spam"))), 422),
    (Rejected(Failure(Phase.MAIL, Cause.TOO_LARGE)), 413),
    (UNKNOWN, 202),
    (LATER, 202),
]


@pytest.mark.parametrize(("verdict", "status"), FINAL)
def test_a_final_outcome_is_answered_again_without_a_new_attempt(
    api: MessagesApi, verdict: Verdict, status: int
) -> None:
    api.office.relay.verdict = verdict
    first = api.send(key="k")
    tries = len(api.office.relay.sends)

    again = api.send(key="k")

    assert (first.status, again.status, again.body) == (status, status, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(api.office.relay.sends) == tries


def test_a_repeat_after_a_lost_worker_gets_an_unknown_outcome(api: MessagesApi) -> None:
    class Killed(BaseException):
        pass

    class Relay(fakes.FakeRelayTransport):
        def send(self, *args: Any, **named: Any) -> Attempt:
            super().send(*args, **named)
            raise Killed

    api.office.relay = Relay()
    with pytest.raises(Killed):
        api.send(key="k")
    assert api.send(key="k").status == 409
    api.office.relay = fakes.FakeRelayTransport()
    api.office.advance(60.0)

    told = api.send(key="k")

    assert (told.status, told.body["status"], told.headers["Idempotent-Replayed"]) == (202, "unknown", "true")
    assert [each["recipient"] for each in told.body["unknown"]] == ["ada@example.net"]
    assert api.office.relay.sends == []


def test_without_a_ledger_nothing_is_sent(api: MessagesApi) -> None:
    api.office.ledger.failing = True

    answer = api.send()

    assert (answer.status, answer.body["code"], "Retry-After" in answer.headers) == (503, "ledger-unavailable", True)
    assert api.office.relay.sends == []
    assert ("LedgerUnavailable", 1, "none") in api.counted


def test_respond_async_queues_and_says_so(api: MessagesApi) -> None:
    answer = api.send(prefer="wait=5, respond-async")

    assert answer.status == 202
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert answer.headers["Location"] == f"/v1/projects/acme/emails/{answer.body['id']}"
    assert answer.body == {
        "id": answer.body["id"],
        "status": "queued",
        "transport": "project-smtp",
        "message_id": None,
        "from": {"requested": None, "used": "Acme <hello@acme.example>", "reason": "default"},
        "count": 0,
    }
    assert [delivery.id for delivery in api.office.queue.sends] == [answer.body["id"]]
    assert api.office.relay.sends == []
    assert api.counted == [("MessagesQueued", 1, "project-smtp")]


def test_a_worker_delivers_the_queued_message(api: MessagesApi) -> None:
    answer = api.send(prefer=ASYNC)
    (record,) = api.office.ledger.records

    api.office.deliver(record)

    assert api.get(f"/{answer.body['id']}").body["status"] == "sent"


@pytest.mark.parametrize("key", ["k", None])
def test_FC1_respond_async_refuses_an_invalid_configuration_at_once(api: MessagesApi, key: str | None) -> None:
    api.office.secrets.answers[ACME] = fakes.secret(entries(smtpPort="mail"))

    answer = api.send(key=key, prefer=ASYNC)

    assert (answer.status, answer.body["code"]) == (400, "project-smtp-invalid")
    assert (api.office.ledger.records, api.office.drafts.contents) == ((), {})


def test_a_queued_request_is_answered_again_after_the_configuration_changed(api: MessagesApi) -> None:
    first = api.send(key="k", prefer=ASYNC)
    api.office.secrets.answers[ACME] = fakes.secret(entries(smtpPort="mail"))

    again = api.send(key="k", prefer=ASYNC)

    assert (again.status, again.body) == (202, first.body)
    assert len(api.office.queue.sends) == 1


@pytest.mark.parametrize(("first", "then", "status"), [(None, ASYNC, 200), (ASYNC, None, 202)])
def test_a_key_names_the_same_message_with_and_without_respond_async(
    api: MessagesApi, first: str | None, then: str | None, status: int
) -> None:
    answers = [api.send(key="k", prefer=first), api.send(key="k", prefer=then)]

    assert [answer.status for answer in answers] == [status, status]
    assert answers[0].body == answers[1].body
    assert len(api.office.ledger.records) == 1


def test_a_message_that_cannot_be_stored_is_not_queued(api: MessagesApi) -> None:
    api.office.drafts.failing = True

    answer = api.send(key="k", prefer=ASYNC)

    assert (answer.status, answer.body["code"]) == (503, "content-unavailable")
    assert api.office.ledger.records == ()


def test_on_unknown_is_stored_with_the_message(api: MessagesApi) -> None:
    api.office.relay.verdict = UNKNOWN
    held, repeated = api.send(), api.send(on_unknown="retry")
    api.send(on_unknown="retry", prefer=ASYNC)

    assert (held.body["status"], held.body["next_attempt_at"]) == ("unknown", None)
    assert (repeated.body["status"], repeated.body["next_attempt_at"]) == ("unknown", "2026-01-02T03:09:05.000Z")
    assert [record.on_unknown.value for record in api.office.ledger.records] == ["hold", "retry", "retry"]


def test_a_deferred_message_is_202_with_the_time_of_the_next_attempt(api: MessagesApi) -> None:
    api.office.relay.verdict = LATER

    answer = api.send()

    assert (answer.status, answer.body["status"], answer.body["count"]) == (202, "deferred", 0)
    assert [each["code"] for each in answer.body["deferred"]] == [451]
    assert answer.body["next_attempt_at"] == "2026-01-02T03:05:05.000Z"
    assert api.counted == [("MessagesDeferred", 1, "project-smtp")]


def test_a_partly_accepted_message_names_its_accepted_recipients(api: MessagesApi) -> None:
    recipients = ["ada@example.net", "bob@example.net"]
    first = api.send(to=recipients)
    (ada, bob) = [each.address for each in api.office.ledger.records[0].recipients]
    api.office.relay.attempts = [Attempt({ada: fakes.ACCEPTED, bob: LATER})]

    answer = api.send(to=recipients)

    assert first.body["accepted"] == recipients
    assert (answer.status, answer.body["status"]) == (200, "partially_sent")
    assert (answer.body["accepted"], answer.body["count"]) == (["ada@example.net"], 1)
    assert answer.body["next_attempt_at"] is not None
    assert api.office.ledger.records[1].state is State.DEFERRED


def test_SH14_the_log_of_a_queued_message_has_no_key_and_no_address(api: MessagesApi, lines: Lines) -> None:
    for _ in range(2):
        api.send(key=canaries.TOKEN, prefer=ASYNC, subject=canaries.SUBJECT)

    printed = lines.read()

    assert [line["message"] for line in printed] == ["message queued", "request served before"]
    assert canaries.found_in(json.dumps(printed)) == []
    assert "ada@" not in json.dumps(printed)


def test_the_ledger_stores_no_key_and_no_body(api: MessagesApi) -> None:
    api.send(key=canaries.TOKEN, subject=canaries.SUBJECT, text=canaries.BODY)

    assert canaries.found_in(repr(vars(api.office.ledger))) == []
