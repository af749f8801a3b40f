"""POST emails/batch: all messages or none, and a repeated request that completes an interrupted one."""

import pytest
from aws_lambda_powertools import Logger

from tests import fakes
from tests.functions.conftest import Lines
from tests.ledger_fakes import MemoryDraftStore
from tests.support.messages_api import MESSAGE, MessagesApi
from tests.support.projects import ACME, entries

THREE = [{**MESSAGE, "to": f"{name}@example.net"} for name in ("ada", "bob", "cid")]


class Crash(BaseException):
    """The process of the request ended."""


@pytest.fixture
def api(log: Logger) -> MessagesApi:
    return MessagesApi(log)


def test_every_message_is_queued_in_order(api: MessagesApi) -> None:
    answer = api.batch(THREE)

    assert (answer.status, answer.body["count"]) == (202, 3)
    assert {each["status"] for each in answer.body["emails"]} == {"queued"}
    assert [each["id"] for each in answer.body["emails"]] == [delivery.id for delivery in api.office.queue.sends]
    assert [str(record.recipients[0].address) for record in api.office.ledger.records] == [
        message["to"] for message in THREE
    ]
    assert api.counted == [("MessagesQueued", 3, "none")]


def test_one_invalid_message_refuses_the_batch_with_its_place(api: MessagesApi) -> None:
    answer = api.batch([*THREE, {**MESSAGE, "to": "no-at-sign"}])

    assert (answer.status, answer.body["problems"][0]["pointer"]) == (400, "/3/to")
    assert (api.office.ledger.records, api.office.drafts.contents, api.office.secrets.reads) == ((), {}, [])


def test_one_unapproved_from_refuses_the_batch_with_its_place(api: MessagesApi) -> None:
    api.office.secrets.answers[ACME] = fakes.secret(entries(smtpFromPolicy="reject"))

    answer = api.batch({"emails": [THREE[0], {**THREE[1], "from": "x@else.example"}, THREE[2]]})

    assert (answer.status, answer.body["code"]) == (403, "sender-not-approved")
    assert [problem["pointer"] for problem in answer.body["problems"]] == ["/emails/1/from"]
    assert api.office.ledger.records == ()


def test_FC1_an_invalid_configuration_refuses_the_batch_at_once(api: MessagesApi) -> None:
    api.office.secrets.answers[ACME] = fakes.secret(entries(smtpPort="mail"))

    answer = api.batch(THREE)

    assert (answer.status, answer.body["code"]) == (400, "project-smtp-invalid")
    assert api.office.ledger.records == ()


def test_DU7_a_repeated_batch_has_the_same_ids(api: MessagesApi) -> None:
    first, again = api.batch(THREE, key="k"), api.batch(THREE, key="k")

    assert (again.status, again.body) == (202, first.body)
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    assert len(api.office.queue.sends) == 3


@pytest.mark.parametrize("lived", range(6))
def test_a_repeated_batch_completes_an_interrupted_one(api: MessagesApi, lived: int) -> None:
    left = lived

    def crash(point: str) -> None:
        nonlocal left
        if point == "after ledger.insert" or point == "before drafts.put":
            left -= 1
        if left < 0:
            raise Crash

    api.office.ledger.failpoint = crash
    api.office.drafts = MemoryDraftStore(failpoint=crash)
    with pytest.raises(Crash):
        api.batch(THREE, key="k")
    left = 1_000
    ids = [record.id for record in api.office.ledger.records]

    answer = api.batch(THREE, key="k")

    assert [each["id"] for each in answer.body["emails"]][: len(ids)] == ids
    assert len(api.office.ledger.records) == answer.body["count"] == 3
    assert api.batch(THREE, key="k").body == answer.body


@pytest.mark.parametrize("other", [THREE[:2], list(reversed(THREE)), {"emails": THREE}])
def test_another_batch_with_the_same_key_is_422(api: MessagesApi, other: object) -> None:
    api.batch(THREE, key="k")

    answer = api.batch(other, key="k")

    assert (answer.status, answer.body["code"]) == (422, "idempotency-key-reused")
    assert len(api.office.ledger.records) == 3


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
        api.office.drafts.failing = point == "before drafts.put" and len(api.office.drafts.contents) >= accepted

    api.office.drafts.failpoint = give_out


def test_without_a_key_the_answer_names_the_messages_not_accepted(api: MessagesApi) -> None:
    give_out_after(2, api)

    answer = api.batch(THREE)

    assert (answer.status, answer.body["count"]) == (202, 2)
    assert answer.body["emails"][2] == {"id": None, "status": "not_accepted", "code": "content-unavailable"}
    assert len(api.office.queue.sends) == 2


def test_an_interrupted_batch_with_a_key_is_503_and_its_repeat_completes_it(api: MessagesApi) -> None:
    give_out_after(2, api)
    broken = api.batch(THREE, key="k")
    api.office.drafts.failpoint = lambda _point: None
    api.office.drafts.failing = False

    answer = api.batch(THREE, key="k")

    assert (broken.status, "Retry-After" in broken.headers) == (503, True)
    assert (answer.status, answer.body["count"], len(api.office.queue.sends)) == (202, 3, 3)


def test_a_batch_without_an_accepted_message_is_an_error(api: MessagesApi) -> None:
    api.office.drafts.failing = True

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
