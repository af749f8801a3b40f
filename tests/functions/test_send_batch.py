"""POST emails/batch: all messages or none, and a repeated request that completes an interrupted one."""

import pytest
from aws_lambda_powertools import Logger
from mailer.errors import LedgerUnavailable

from tests import fakes
from tests.functions.conftest import Lines
from tests.ledger_fakes import MemoryDraftStore
from tests.support.messages_api import MESSAGE, MessagesApi
from tests.support.projects import ACME, entries

THREE = [{**MESSAGE, "to": f"{name}@example.net"} for name in ("ada", "bob", "cid")]


class Crash(BaseException):
    """The process of the request has ended."""


@pytest.fixture
def api(log: Logger) -> MessagesApi:
    return MessagesApi(log)


def test_every_message_is_queued_in_order(api: MessagesApi) -> None:
    answer = api.batch(THREE)

    assert (answer.status, answer.body["count"]) == (202, 3)
    assert {each["status"] for each in answer.body["emails"]} == {"queued"}
    assert [each["id"] for each in answer.body["emails"]] == [delivery.id for delivery in api.service.queue.sends]
    assert [str(record.recipients[0].address) for record in api.service.ledger.records] == [
        message["to"] for message in THREE
    ]
    assert api.counted == [("MessagesQueued", 3, "none")]


def test_one_invalid_message_refuses_the_batch_with_its_place(api: MessagesApi) -> None:
    answer = api.batch([*THREE, {**MESSAGE, "to": "no-at-sign"}])

    assert (answer.status, answer.body["problems"][0]["pointer"]) == (400, "/3/to")
    assert (api.service.ledger.records, api.service.drafts.contents, api.service.secrets.reads) == ((), {}, [])


def test_one_unapproved_from_refuses_the_batch_with_its_place(api: MessagesApi) -> None:
    api.service.secrets.answers[ACME] = fakes.secret(entries(smtpFromPolicy="reject"))

    answer = api.batch({"emails": [THREE[0], {**THREE[1], "from": "x@else.example"}, THREE[2]]})

    assert (answer.status, answer.body["code"]) == (403, "sender-not-approved")
    assert [problem["pointer"] for problem in answer.body["problems"]] == ["/emails/1/from"]
    assert api.service.ledger.records == ()


def test_FC1_an_invalid_configuration_refuses_the_batch_at_once(api: MessagesApi) -> None:
    api.service.secrets.answers[ACME] = fakes.secret(entries(smtpPort="mail"))

    answer = api.batch(THREE)

    assert (answer.status, answer.body["code"]) == (400, "project-smtp-invalid")
    assert api.service.ledger.records == ()


def test_DU7_a_repeated_batch_has_the_same_ids(api: MessagesApi) -> None:
    first, again = api.batch(THREE, key="k"), api.batch(THREE, key="k")

    assert (again.status, again.body) == (202, first.body)
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    assert len(api.service.queue.sends) == 3


@pytest.mark.parametrize("lived", range(6))
def test_a_repeated_batch_completes_an_interrupted_one(api: MessagesApi, lived: int) -> None:
    left = lived

    def crash(point: str) -> None:
        nonlocal left
        if point == "after ledger.insert" or point == "before drafts.put":
            left -= 1
        if left < 0:
            raise Crash

    api.service.ledger.failpoint = crash
    api.service.drafts = MemoryDraftStore(failpoint=crash)
    with pytest.raises(Crash):
        api.batch(THREE, key="k")
    left = 1_000
    ids = [record.id for record in api.service.ledger.records]

    answer = api.batch(THREE, key="k")

    assert [each["id"] for each in answer.body["emails"]][: len(ids)] == ids
    assert len(api.service.ledger.records) == answer.body["count"] == 3
    assert api.batch(THREE, key="k").body == answer.body


@pytest.mark.parametrize("other", [THREE[:2], list(reversed(THREE)), {"emails": THREE}])
def test_another_batch_with_the_same_key_is_422(api: MessagesApi, other: object) -> None:
    api.batch(THREE, key="k")

    answer = api.batch(other, key="k")

    assert (answer.status, answer.body["code"]) == (422, "idempotency-key-reused")
    assert len(api.service.ledger.records) == 3


def test_a_key_cannot_name_a_message_and_a_batch(api: MessagesApi) -> None:
    api.send(key="one")
    api.batch([MESSAGE], key="many")

    answers = [api.batch([MESSAGE], key="one"), api.send(key="many"), api.send(key="many", prefer="respond-async")]

    assert [answer.status for answer in answers] == [422, 422, 422]


def test_DU19_the_same_message_twice_in_one_batch_is_two_messages(api: MessagesApi) -> None:
    answer = api.batch([MESSAGE, MESSAGE], key="k")

    assert len({each["id"] for each in answer.body["emails"]}) == 2


def give_out_after(accepted: int, api: MessagesApi) -> None:
    """Make the store of contents unavailable after this many contents."""

    def give_out(point: str) -> None:
        api.service.drafts.failing = point == "before drafts.put" and len(api.service.drafts.contents) >= accepted

    api.service.drafts.failpoint = give_out


def test_without_a_key_the_answer_names_the_messages_not_accepted(api: MessagesApi) -> None:
    give_out_after(2, api)

    answer = api.batch(THREE)

    assert (answer.status, answer.body["count"]) == (202, 2)
    assert answer.body["emails"][2] == {"id": None, "status": "not_accepted", "code": "content-unavailable"}
    assert len(api.service.queue.sends) == 2


def test_an_interrupted_batch_with_a_key_is_503_and_its_repeat_completes_it(api: MessagesApi) -> None:
    give_out_after(2, api)
    broken = api.batch(THREE, key="k")
    api.service.drafts.failpoint = lambda _point: None
    api.service.drafts.failing = False

    answer = api.batch(THREE, key="k")

    assert (broken.status, "Retry-After" in broken.headers) == (503, True)
    assert (answer.status, answer.body["count"], len(api.service.queue.sends)) == (202, 3, 3)


def test_a_batch_without_an_accepted_message_is_an_error(api: MessagesApi) -> None:
    api.service.drafts.failing = True

    assert api.batch(THREE).status == 503


def test_a_batch_ends_before_the_function_does(api: MessagesApi) -> None:
    api.seconds_per_reading = 10.0

    answer = api.batch(THREE)

    assert [each["status"] for each in answer.body["emails"]] == ["queued", "queued", "not_accepted"]


def test_the_log_has_ids_and_counts(api: MessagesApi, lines: Lines) -> None:
    api.batch(THREE)

    (line,) = lines.read()
    assert (line["message"], len(line["ids"]), line["known"]) == ("batch queued", 3, 0)
    assert "@example.net" not in str(line)


def lose_answers(api: MessagesApi, *, at: str, number: int, goes_out: bool = False) -> None:
    """Let the ledger fail at the n-th insert; with `goes_out` it does not answer after that."""
    passed = 0

    def fail(point: str) -> None:
        nonlocal passed
        passed += point == at
        if point == at and passed == number:
            api.service.ledger.failing = goes_out
            raise LedgerUnavailable

    api.service.ledger.failpoint = fail


def test_a_message_whose_record_is_stored_is_queued_although_the_answer_was_lost(api: MessagesApi) -> None:
    lose_answers(api, at="after ledger.insert", number=2)

    answer = api.batch(THREE)

    assert [each["status"] for each in answer.body["emails"]] == ["queued"] * 3
    assert (len(api.service.queue.sends), len(api.service.ledger.records)) == (3, 3)


def test_a_message_whose_record_is_not_stored_is_not_accepted_and_never_sent(api: MessagesApi) -> None:
    lose_answers(api, at="before ledger.insert", number=2)

    answer = api.batch(THREE)

    assert [each["status"] for each in answer.body["emails"]] == ["queued", "not_accepted", "not_accepted"]
    assert [each.get("code") for each in answer.body["emails"]] == [None, "ledger-unavailable", "ledger-unavailable"]
    assert len(api.service.ledger.records) == len(api.service.drafts.contents) == 1


@pytest.mark.parametrize("number", [1, 2])
def test_a_message_that_the_ledger_did_not_confirm_is_unknown_and_has_an_id(api: MessagesApi, number: int) -> None:
    lose_answers(api, at="after ledger.insert", number=number, goes_out=True)

    answer = api.batch(THREE)

    statuses = [each["status"] for each in answer.body["emails"]]
    assert (answer.status, statuses[number - 1 :]) == (202, ["unknown", *["not_accepted"] * (3 - number)])
    unknown = answer.body["emails"][number - 1]
    assert (unknown["code"], answer.body["count"]) == ("acceptance-unknown", number - 1)
    assert unknown["id"] in {record.id for record in api.service.ledger.records}


def test_a_batch_with_a_key_is_repeated_after_a_lost_answer(api: MessagesApi) -> None:
    lose_answers(api, at="after ledger.insert", number=2, goes_out=True)
    first = api.batch(THREE, key="k")
    api.service.ledger.failing = False

    again = api.batch(THREE, key="k")

    assert (first.status, first.body["code"], first.body["retryable"]) == (503, "ledger-unavailable", True)
    assert (again.status, again.body["count"], len(api.service.ledger.records)) == (202, 3, 3)


@pytest.mark.parametrize("goes_out", [False, True])
def test_a_queued_message_without_a_key_is_never_called_not_stored(api: MessagesApi, goes_out: bool) -> None:
    lose_answers(api, at="after ledger.insert", number=1, goes_out=goes_out)

    answer = api.send(prefer="respond-async")

    (record,) = api.service.ledger.records
    if goes_out:
        assert (answer.status, answer.body["code"], answer.body["retryable"]) == (504, "acceptance-unknown", False)
        assert record.id in answer.body["detail"]
        assert "Retry-After" not in answer.headers
        assert ("LedgerUnavailable", 1, "none") in api.counted
    else:
        assert (answer.status, answer.body["id"]) == (202, record.id)
