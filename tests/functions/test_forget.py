"""POST …/emails/forget: what is kept about an address is erased, and the others' mail goes on."""

import pytest
from aws_lambda_powertools import Logger
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.smtp.outcome import Cause, Failure, Phase, Rejected
from mailer.smtp.reply import make_reply

from tests.functions.conftest import Lines, load_event
from tests.support.messages_api import Answered, MessagesApi

ADA, BOB = "ada@example.net", "bob@example.net"
GONE = Rejected(Failure(Phase.RCPT, Cause.REPLY, make_reply(550, f"5.1.1 <{ADA}> unknown")))


@pytest.fixture
def api(log: Logger) -> MessagesApi:
    return MessagesApi(log)


def forget(api: MessagesApi, address: str = ADA, **body: object) -> Answered:
    return api.ask("POST", "/forget", {"address": address, **body}, scope="email-config:write")


def counts(answered: Answered) -> tuple[int, int, int]:
    assert answered.status == 200
    return answered.body["erased"], answered.body["cancelled"], answered.body["waiting"]


def kept(api: MessagesApi) -> str:
    """Return everything that the ledger and the content store have."""
    return f"{api.service.ledger.records}{api.service.drafts.contents}"


def test_no_trace_of_a_sent_message_s_recipient_is_left(api: MessagesApi) -> None:
    sent = api.send(to=[ADA, BOB], tags=[{"name": "user", "value": "ada"}], **{"from": f"Ada <{ADA}>"})
    assert "ada" in kept(api)

    assert counts(forget(api, "ADA@Example.net")) == (1, 0, 0)
    assert "ada" not in kept(api)
    shown = api.get(f"/{sent.body['id']}").body
    assert [each["recipient"] for each in shown["recipients"]] == ["forgotten@invalid", BOB]
    assert (shown["status"], shown["count"], shown["tags"]) == ("sent", 2, [])


def test_texts_of_replies_that_repeat_the_address_are_erased_and_codes_stay(api: MessagesApi) -> None:
    api.service.relay.verdict = GONE
    assert api.send(to=ADA).status == 422
    forget(api)

    (email,) = api.get("").body["emails"]
    (attempt,) = api.get(f"/{email['id']}").body["attempts"]
    assert (attempt["code"], attempt["enhanced_code"], attempt["reply"]) == (550, "5.1.1", "")
    assert "ada" not in kept(api)


def test_a_waiting_message_is_cancelled_and_its_content_is_deleted(api: MessagesApi) -> None:
    api.send(prefer="respond-async", to=ADA)
    api.send(prefer="respond-async", to=BOB)

    assert counts(forget(api)) == (1, 1, 0)
    assert api.service.events.names == ["EmailCancelled"]
    assert "ada" not in kept(api)
    for record in api.service.ledger.records:
        api.service.deliver(record)
    assert [str(each.message.recipients[0]) for each in api.service.relay.sends] == [BOB]


def test_a_message_that_waits_for_other_recipients_is_reported_and_still_sent(api: MessagesApi) -> None:
    api.send(prefer="respond-async", to=[ADA, BOB])

    assert counts(forget(api)) == (0, 0, 1)
    (record,) = api.service.ledger.records
    api.service.deliver(record)
    assert len(api.service.relay.sends) == 1
    assert counts(forget(api)) == (1, 0, 0)
    assert "ada" not in kept(api)


def test_a_forgotten_message_is_not_retried(api: MessagesApi) -> None:
    waiting = api.send(prefer="respond-async", to=ADA)
    forget(api)

    assert api.ask("POST", f"/{waiting.body['id']}/retry").status == 409


def test_a_second_call_finds_nothing(api: MessagesApi) -> None:
    api.send(to=ADA)

    assert [counts(forget(api))[0] for _ in range(2)] == [1, 0]


def test_messages_of_other_recipients_and_projects_stay(api: MessagesApi) -> None:
    api.send(to=BOB)
    api.send(to=ADA, project="other")

    assert counts(forget(api)) == (0, 0, 0)
    assert [str(each.recipients[0].address) for each in api.service.ledger.records] == [BOB, ADA]


def test_many_messages_are_erased_in_several_calls(api: MessagesApi) -> None:
    for _ in range(250):
        api.send(to=ADA)
    api.seconds_per_reading = 30.0
    answers = [forget(api)]
    while (cursor := answers[-1].body["cursor"]) is not None:
        answers.append(forget(api, cursor=cursor))

    assert [each.body["erased"] for each in answers] == [100, 100, 50]


def test_the_answer_says_what_remains_and_until_when(api: MessagesApi) -> None:
    remains = {each["data"]: each["until"] for each in forget(api).body["remains"]}

    assert remains == {
        "stored-answers": "2026-01-03T03:04:05.000Z",
        "lifecycle-events": "2026-01-20T03:04:05.000Z",
        "records": "2026-02-01T03:04:05.000Z",
        "ledger-backups": "2026-02-06T03:04:05.000Z",
        "logs": "2026-04-02T03:04:05.000Z",
        "deliveries": None,
    }


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/address"), ({"address": "ada"}, "/address"), ({"address": ADA, "cursor": 7}, "/cursor"),
     ({"address": ADA, "x": 1}, "/x")],
)  # fmt: skip
def test_a_malformed_request_is_refused(api: MessagesApi, body: object, pointer: str) -> None:
    refused = api.ask("POST", "/forget", body, scope="email-config:write")

    assert (refused.status, refused.body["problems"][0]["pointer"]) == (400, pointer)


def test_a_foreign_cursor_is_refused(api: MessagesApi) -> None:
    assert forget(api, cursor="abc").status == 400


def test_the_log_has_the_domain_and_the_counts_only(api: MessagesApi, lines: Lines) -> None:
    api.send(to=ADA)
    forget(api)

    line = lines.read()[-1]
    assert (line["message"], line["recipient_domain"], line["erased"]) == ("address forgotten", "example.net", 1)


def forget_of_platform(api: MessagesApi, claimed: str, scope: str = "email-config:write") -> Answered:
    event = load_event("send.forget_of_platform")
    event["requestContext"]["authorizer"]["lambda"].update(project_id=claimed, scope=scope)
    return api.call(event)


def test_the_operator_forgets_an_address_of_the_platform_s_own_mail(api: MessagesApi) -> None:
    draft = Draft(to=(parse_mailbox(ADA),), subject="s", text="t")
    api.service.accept(draft, None, origin="PasswordResetRequested")
    api.send(to=ADA)

    assert counts(forget_of_platform(api, "*")) == (1, 1, 0)
    assert [(each.project_id, str(each.recipients[0].address)) for each in api.service.ledger.records] == [
        (None, "forgotten@invalid"),
        ("acme", ADA),
    ]


@pytest.mark.parametrize(
    ("claimed", "scope"), [("acme", "email-config:write"), ("any", "email-config:write"), ("*", "email:send"), ("", "")]
)
def test_only_the_operator_forgets_an_address_of_the_platform_s_own_mail(
    api: MessagesApi, claimed: str, scope: str
) -> None:
    api.service.accept(Draft(to=(parse_mailbox(ADA),), subject="s", text="t"), None)

    assert forget_of_platform(api, claimed, scope).status == 403
    assert str(api.service.ledger.records[0].recipients[0].address) == ADA
