"""GET emails and emails/{id}, retry and cancel."""

import json

import pytest
from aws_lambda_powertools import Logger
from mailer.ledger.lifecycle import hold
from mailer.ledger.record import State
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, Unknown
from mailer.smtp.reply import make_reply

from tests.functions.conftest import Lines
from tests.support import canaries
from tests.support.messages_api import MessagesApi

ASYNC = "respond-async"
LATER = Deferred(Failure(Phase.FINAL, Cause.REPLY, make_reply(451, "4.7.1 later")))
UNKNOWN_ID = "0" * 32


@pytest.fixture
def api(log: Logger) -> MessagesApi:
    return MessagesApi(log)


def test_a_message_is_shown_with_its_attempts_and_recipients(api: MessagesApi) -> None:
    sent = api.send()

    answer = api.get(f"/{sent.body['id']}")

    assert answer.status == 200
    assert answer.body == {
        "id": sent.body["id"],
        "status": "sent",
        "transport": "project-smtp",
        "message_id": sent.body["message_id"],
        "created_at": "2026-01-02T03:04:05.000Z",
        "updated_at": "2026-01-02T03:04:05.000Z",
        "expires_at": "2026-01-03T03:04:05.000Z",
        "next_attempt_at": None,
        "reason": None,
        "type": None,
        "request_id": None,
        "count": 1,
        "tags": [],
        "from": sent.body["from"],
        "recipients": [
            {
                "recipient": "ada@example.net",
                "status": "accepted",
                "code": 250,
                "enhanced_code": "2.0.0",
                "detail": "2.0.0 Ok",
            }
        ],
        "attempts": [
            {
                "at": "2026-01-02T03:04:05.000Z",
                "transport": "project-smtp",
                "provider": "smtp",
                "version_id": "version-1",
                "result": "accepted",
                "phase": None,
                "cause": None,
                "code": None,
                "enhanced_code": None,
                "reply": None,
            }
        ],
    }


def test_a_queued_message_waits_for_its_recipients(api: MessagesApi) -> None:
    queued = api.send(prefer=ASYNC)

    body = api.get(f"/{queued.body['id']}").body

    assert (body["status"], body["attempts"], body["next_attempt_at"]) == ("queued", [], None)
    assert [each["status"] for each in body["recipients"]] == ["pending"]


def test_TI10_another_projects_message_looks_as_if_it_did_not_exist(api: MessagesApi) -> None:
    sent = api.send()

    others, unknown = api.get(f"/{sent.body['id']}", project="other"), api.get(f"/{UNKNOWN_ID}", project="other")

    assert (others.status, others.body["code"]) == (404, "not-found")
    assert others.body == unknown.body


@pytest.mark.parametrize(
    "id", ["x", "explain", UNKNOWN_ID.replace("0", "A"), UNKNOWN_ID[1:], f"{UNKNOWN_ID}0", "..", "%2e%2e"]
)
def test_a_malformed_id_is_404_before_any_call(api: MessagesApi, id: str) -> None:
    api.office.ledger.failing = True

    answers = [api.get(f"/{id}"), api.ask("POST", f"/{id}/retry"), api.ask("POST", f"/{id}/cancel")]

    assert [(answer.status, answer.body["code"]) for answer in answers] == [(404, "not-found")] * 3


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "", "email:send"),
        ("GET", f"/{UNKNOWN_ID}", "email:send"),
        ("POST", f"/{UNKNOWN_ID}/retry", "email:read"),
        ("POST", f"/{UNKNOWN_ID}/cancel", "email:read"),
        ("POST", "/batch", "email:read"),
    ],
)
def test_AU2_each_route_has_its_scope(api: MessagesApi, method: str, path: str, scope: str) -> None:
    api.office.ledger.failing = True

    answer = api.ask(method, path, scope=scope)

    assert (answer.status, answer.body["code"]) == (403, "forbidden")


def test_the_list_is_newest_first_and_pages_to_its_end(api: MessagesApi) -> None:
    ids = [api.send().body["id"] for _ in range(5)]
    pages = [api.get("", limit="2").body]
    while pages[-1]["cursor"] is not None:
        pages.append(api.get("", limit="2", cursor=pages[-1]["cursor"]).body)

    assert [each["id"] for page in pages for each in page["emails"]] == ids[::-1]
    assert [len(page["emails"]) for page in pages] == [2, 2, 1]


def test_a_summary_has_no_address(api: MessagesApi) -> None:
    api.send(to=["ada@example.net", "bob@example.net"])

    (summary,) = api.get("").body["emails"]

    assert (summary["status"], summary["recipient_count"], summary["count"]) == ("sent", 2, 2)
    assert "@example.net" not in json.dumps(summary)


def test_a_list_can_be_filtered_by_status(api: MessagesApi) -> None:
    api.send()
    queued = api.send(prefer=ASYNC)

    assert [each["id"] for each in api.get("", status="queued").body["emails"]] == [queued.body["id"]]
    assert api.get("", status="held").body == {"emails": [], "cursor": None}


def test_TI10_a_list_has_only_the_projects_own_messages(api: MessagesApi) -> None:
    api.send()

    assert api.get("", project="other").body == {"emails": [], "cursor": None}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"status": "claimed"}, "status"),
        ({"status": "sent,queued"}, "status"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"cursor": "???"}, "cursor"),
        ({"cursor": "bm9uZQ=="}, "cursor"),
        ({"status": "sending", "cursor": "2.x"}, "cursor"),
        ({"page": "2"}, "page"),
    ],
)
def test_a_bad_or_unknown_parameter_is_400_with_its_name(
    api: MessagesApi, query: dict[str, str], parameter: str
) -> None:
    answer = api.get("", **query)

    assert (answer.status, answer.body["code"]) == (400, "invalid-request")
    assert [problem["parameter"] for problem in answer.body["problems"]] == [parameter]


def test_every_bad_parameter_is_named_at_once(api: MessagesApi) -> None:
    answer = api.get("", status="x", limit="x", cursor=" ", other="x")

    assert [problem["parameter"] for problem in answer.body["problems"]] == ["other", "status", "cursor", "limit"]


def test_a_held_message_shows_its_reason_and_the_time_of_its_next_attempt(api: MessagesApi) -> None:
    queued = api.send(prefer=ASYNC)
    (record,) = api.office.ledger.records
    now = api.office.seconds
    api.office.ledger.replace(hold(record, "project-smtp-invalid", now=now, recheck_at=now + 60))

    body = api.get(f"/{queued.body['id']}").body

    assert (body["status"], body["reason"]) == ("held", "project-smtp-invalid")
    assert body["next_attempt_at"] == "2026-01-02T03:05:05.000Z"


def test_a_deferred_message_can_be_retried_at_once(api: MessagesApi) -> None:
    api.office.relay.verdict = LATER
    deferred = api.send()

    answer = api.ask("POST", f"/{deferred.body['id']}/retry")

    assert (answer.status, answer.body["status"]) == (202, "queued")
    assert "may_duplicate" not in answer.body
    assert answer.headers["Location"] == f"/v1/projects/acme/emails/{deferred.body['id']}"
    assert [delivery.id for delivery in api.office.queue.sends] == [deferred.body["id"]]
    assert api.counted[-1] == ("MessagesQueued", 1, "project-smtp")


def test_a_retry_of_an_unknown_message_says_that_it_may_duplicate(api: MessagesApi) -> None:
    sent = api.send(prefer=ASYNC)
    api.office.relay.verdict = Unknown(Failure(Phase.FINAL, Cause.TIMEOUT))
    api.office.deliver(api.office.ledger.records[0])

    answer = api.ask("POST", f"/{sent.body['id']}/retry")

    assert (answer.status, answer.body["may_duplicate"]) == (202, True)


def test_a_sent_message_cannot_be_retried_or_cancelled(api: MessagesApi) -> None:
    sent = api.send()

    for verb in ("retry", "cancel"):
        answer = api.ask("POST", f"/{sent.body['id']}/{verb}")
        assert (answer.status, answer.body["code"], answer.body["retryable"]) == (409, "email-state-conflict", False)
        assert "`sent`" in answer.body["detail"]


def test_a_queued_message_can_be_cancelled_and_is_not_delivered(api: MessagesApi) -> None:
    queued = api.send(prefer=ASYNC)

    answer = api.ask("POST", f"/{queued.body['id']}/cancel", {})
    api.office.deliver(api.office.ledger.records[0])

    assert (answer.status, answer.body["status"]) == (200, "cancelled")
    assert api.office.relay.sends == []
    assert api.counted[-1] == ("MessagesCancelled", 1, "none")


def test_a_cancelled_message_can_be_retried_and_is_delivered(api: MessagesApi) -> None:
    queued = api.send(prefer=ASYNC)
    api.ask("POST", f"/{queued.body['id']}/cancel")

    assert api.ask("POST", f"/{queued.body['id']}/retry").status == 202
    api.office.deliver(api.office.ledger.records[0])

    assert api.office.ledger.records[0].state is State.SENT


@pytest.mark.parametrize("verb", ["retry", "cancel"])
def test_a_body_on_a_route_without_one_is_refused(api: MessagesApi, verb: str) -> None:
    queued = api.send(prefer=ASYNC)

    answer = api.ask("POST", f"/{queued.body['id']}/{verb}", {"after": 60})

    assert (answer.status, answer.body["problems"][0]["code"]) == (400, "unexpected-body")


def test_TI10_another_projects_message_cannot_be_changed(api: MessagesApi) -> None:
    queued = api.send(prefer=ASYNC)

    for verb in ("retry", "cancel"):
        assert api.ask("POST", f"/{queued.body['id']}/{verb}", project="other").status == 404
    assert api.office.ledger.records[0].state is State.QUEUED


def test_SH14_a_request_leaves_only_ids_in_the_log(api: MessagesApi, lines: Lines) -> None:
    queued = api.send(prefer=ASYNC, subject=canaries.SUBJECT, text=canaries.BODY)
    answers = [
        api.get(f"/{queued.body['id']}"),
        api.get(""),
        api.ask("POST", f"/{queued.body['id']}/cancel"),
        api.ask("POST", f"/{queued.body['id']}/retry"),
    ]

    printed = json.dumps(lines.read())

    assert canaries.found_in(printed + json.dumps([answer.body for answer in answers])) == []
    assert "ada@" not in printed
