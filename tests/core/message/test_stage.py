"""Stages other than production: messages are diverted or suppressed, and every result shows it."""

import json
from copy import replace
from typing import Any

import pytest
from mailer.api.emails.history import email_view
from mailer.api.emails.responses import batch_view, explanation_view, queued_view, result_status, send_view
from mailer.api.problems import problem_document
from mailer.errors import MailerError
from mailer.ledger.idempotency import KeyUse
from mailer.ledger.record import State
from mailer.message.address import Address, parse_address, parse_mailbox
from mailer.message.draft import Draft
from mailer.message.stage import Stage, on_stage
from mailer.secret.resolution import SecretAbsent
from mailer.service.sending.accept_emails import Accepted, EmailRequest, accept_batch, accept_email
from mailer.service.sending.decide import TransportName
from mailer.service.sending.explain_email import explain_email
from mailer.service.sending.repeated_request import Replayed
from mailer.service.sending.send_outcome import SendReport
from mailer.smtp.outcome import Cause, Failure, Phase, Rejected, Unknown
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.support.memory_service import MemoryService, render
from tests.support.projects import ACME, entries, settings
from tests.support.shown import shown

QA = "qa@stage.example"
ADA, BOB, CYD = (parse_mailbox(f"{name}@example.net") for name in ("ada", "bob", "cyd"))
DRAFT = Draft(to=(ADA,), cc=(BOB,), bcc=(CYD,), subject="Hello", text="Hi\n")
MEANT = ["ada@example.net", "bob@example.net", "cyd@example.net"]
DIVERTING = {"DIVERT_ALL_TO": QA}
SUPPRESSING = {"SUPPRESS_EMAILS": "true"}
SENDGRID = [
    {
        "id": "api",
        "provider": "sendgrid",
        "name": "API",
        "enabled": True,
        "priority": 1,
        "config": {"apiKey": "SG.key"},
    }
]


def make_service(text: str | None = None, /, **environment: str) -> MemoryService:
    """Make a service with these settings, and a project with a relay."""
    service = MemoryService(settings(**environment))
    service.secrets.answers[ACME] = fakes.secret(text or entries())
    return service


def sent(service: MemoryService, draft: Draft = DRAFT) -> SendReport:
    report = service.send(draft)
    assert isinstance(report, SendReport)
    return report


def queued(service: MemoryService) -> Accepted:
    accepted = accept_email(
        EmailRequest(DRAFT), ACME, ports=service.send_ports, deadline=24.0, render=lambda _: render(sent(service))
    )
    assert isinstance(accepted, Accepted)
    return accepted


def handed_over(service: MemoryService) -> int:
    """Count the messages that all transports got."""
    return len(service.relay.sends) + len(service.server.requests) + len(service.api.sends)


def explained(service: MemoryService) -> Any:
    explanation = explain_email(
        DRAFT,
        ACME,
        settings=service.settings,
        secrets=service.secrets,
        ledger=service.ledger,
        templates=service.templates,
        now=service.now(),
        id=service.new_id(),
        deadline=24.0,
    )
    return shown(explanation_view(explanation, instance="1"))


def test_s1_a_diverted_message_goes_only_to_the_stages_address() -> None:
    service = make_service(**DIVERTING)

    sent(service)

    message = service.relay.sends[0].message
    assert message.recipients == (parse_address(QA),)
    assert b"\r\nTo: qa@stage.example\r\n" in message.as_bytes()
    assert b"\r\nCc:" not in message.as_bytes()


def test_a_diverted_message_names_its_original_recipients() -> None:
    service = make_service(**DIVERTING)

    sent(service)

    octets = service.relay.sends[0].message.as_bytes()
    assert b"\r\nSubject: {{{ada@example.net}}} {{{bob@example.net}}} {{{cyd@example.net}}}" in octets
    assert b"\r\nX-Project-Smtp-Original-To: ada@example.net, bob@example.net,\r\n cyd@example.net" in octets


def test_a_subject_names_three_recipients_and_counts_the_others() -> None:
    many = tuple(parse_mailbox(f"person{number}@example.net") for number in range(50))

    diverted = on_stage(Draft(to=many, subject="Hello", text="Hi"), Stage(parse_address(QA)))

    assert diverted.subject.endswith("{{{person2@example.net}}} (+47) Hello")
    assert diverted.headers[0][1].count("@") == 50


def test_a_callers_header_cannot_name_other_original_recipients() -> None:
    draft = replace(DRAFT, headers=(("x-project-smtp-original-to", "other@example.net"), ("X-Mine", "1")))

    headers = on_stage(draft, Stage(parse_address(QA))).headers

    assert [name for name, _ in headers] == ["X-Mine", "X-Project-Smtp-Original-To"]


def test_in_production_a_message_is_unchanged() -> None:
    assert on_stage(DRAFT, Stage()) is DRAFT


def test_an_http_provider_gets_the_diverted_draft() -> None:
    service = make_service(entries(smtpHost=None, smtpPort=None, smtpUsername=None, smtpPassword=None,
                                    emailProviders=json.dumps(SENDGRID)), **DIVERTING)  # fmt: skip

    sent(service)

    api_message = service.api.sends[0].api_message
    assert (api_message.draft.to, api_message.draft.cc, api_message.draft.bcc) == ((parse_mailbox(QA),), (), ())
    assert api_message.message.recipients == (parse_address(QA),)


def test_the_server_transport_diverts_too() -> None:
    service = make_service(**DIVERTING)
    service.secrets.answers[ACME] = SecretAbsent()

    sent(service)

    assert service.server.requests[0].recipients == (parse_address(QA),)


def test_a_stage_keeps_the_projects_transport() -> None:
    for environment in (DIVERTING, SUPPRESSING):
        assert sent(make_service(**environment)).transport is TransportName.PROJECT_SMTP


def test_the_answer_names_the_diversion_and_no_accepted_recipient() -> None:
    view = shown(send_view(sent(make_service(**DIVERTING))))

    assert (view["status"], view["diverted_to"], view["accepted"], view["diverted"]) == ("sent", QA, [], MEANT)


def test_the_history_shows_each_recipient_as_diverted() -> None:
    view = shown(email_view(sent(make_service(**DIVERTING)).record))

    assert view["diverted_to"] == QA
    recipients = view["recipients"]
    assert isinstance(recipients, list)
    assert [(each["recipient"], each["status"]) for each in recipients] == [(each, "diverted") for each in MEANT]


def test_an_unknown_diverted_message_lists_no_diverted_recipient() -> None:
    service = make_service(**DIVERTING)
    service.relay.verdict = Unknown(Failure(Phase.FINAL, Cause.TIMEOUT))

    view = shown(send_view(sent(service)))

    assert (view["status"], view["diverted_to"], view["diverted"]) == ("unknown", QA, [])


def test_an_error_names_the_diversion_address() -> None:
    service = make_service(**DIVERTING)
    service.relay.verdict = Rejected(Failure(Phase.RCPT, Cause.REPLY, make_reply(550, "5.1.1 no such user")))

    with pytest.raises(MailerError) as caught:
        service.send(DRAFT)

    assert problem_document(caught.value, instance="1").diverted_to == QA


def test_a_queued_message_is_diverted_at_delivery() -> None:
    service = make_service(**DIVERTING)
    accepted = queued(service)

    service.deliver(service.ledger.records[0])

    assert queued_view(accepted).diverted_to == QA
    assert service.relay.sends[0].message.recipients == (parse_address(QA),)
    assert service.ledger.records[0].diverted_to == Address("qa", "stage.example")


def test_a_system_email_is_diverted() -> None:
    service = make_service(**DIVERTING)
    reset = service.accept(DRAFT, origin="PasswordResetRequested")

    service.deliver(reset)

    assert [send.message.recipients for send in service.relay.sends] == [(parse_address(QA),)]


def test_an_event_of_a_diverted_message_has_no_address() -> None:
    service = make_service(**DIVERTING)

    sent(service)

    assert service.events.events[0].detail["diverted"] is True
    assert "@" not in json.dumps({**service.events.events[0].detail, "messageId": None})


def test_s1_a_suppressed_message_reaches_no_transport() -> None:
    service = make_service(**SUPPRESSING)

    report = sent(service)

    assert (handed_over(service), report.status, report.record.is_final) == (0, State.SUPPRESSED, True)
    assert service.ledger.records == (report.record,)


def test_the_answer_to_a_suppressed_message_is_200_with_its_transport() -> None:
    report = sent(make_service(**SUPPRESSING))

    view = shown(send_view(report))
    assert (view["status"], view["transport"], view["accepted"], view["count"]) == ("suppressed", "project-smtp", [], 0)
    assert result_status(send_view(report)) == 200


def test_a_suppressed_message_publishes_an_event() -> None:
    service = make_service(**SUPPRESSING)

    sent(service)

    assert service.events.names == ["EmailSuppressed"]


def test_a_queued_message_is_suppressed_at_delivery() -> None:
    service = make_service(**SUPPRESSING)
    accepted = queued(service)

    service.deliver(service.ledger.records[0])

    assert queued_view(accepted).suppressed is True
    assert (handed_over(service), service.ledger.records[0].state) == (0, State.SUPPRESSED)
    assert service.drafts.contents == {}


def test_a_system_email_is_suppressed() -> None:
    service = make_service(**SUPPRESSING)
    reset = service.accept(DRAFT, origin="PasswordResetRequested")

    service.deliver(reset)

    assert (handed_over(service), service.known(reset).state) == (0, State.SUPPRESSED)


def test_a_suppressed_message_does_not_count_for_the_daily_limit() -> None:
    service = make_service(entries(smtpDailyLimit="1"), **SUPPRESSING)

    sent(service)

    assert sent(service).status is State.SUPPRESSED


def test_suppression_does_not_hide_a_broken_configuration() -> None:
    service = make_service(entries(smtpPort="mail"), **SUPPRESSING)

    with pytest.raises(MailerError) as caught:
        service.send(DRAFT)
    assert caught.value.code == "project-smtp-invalid"


def test_a_repeated_key_replays_a_suppressed_message() -> None:
    service, key = make_service(**SUPPRESSING), KeyUse("digest", "fingerprint", 2e9)
    service.send(DRAFT, key=key)

    again = service.send(DRAFT, key=key)

    assert isinstance(again, Replayed)
    assert again.answer.body == "suppressed"


@pytest.mark.parametrize(
    ("environment", "said"), [(DIVERTING, ("diverted_to", QA)), (SUPPRESSING, ("suppressed", True))]
)
def test_explain_and_batch_show_the_stage(environment: dict[str, str], said: tuple[str, object]) -> None:
    service = make_service(**environment)
    items = accept_batch([EmailRequest(DRAFT)], ACME, ports=service.send_ports, deadline=24.0, has_time=lambda: True)

    emails = shown(batch_view(items))["emails"]
    assert isinstance(emails, list)
    assert said in explained(service).items()
    assert said in emails[0].items()


@pytest.mark.parametrize("environment", [{}, {"SUPPRESS_EMAILS": "false", "DIVERT_ALL_TO": ""}])
def test_in_production_no_result_mentions_a_stage(environment: dict[str, str]) -> None:
    service = make_service(**environment)
    bodies = (send_view(sent(service)), email_view(sent(service).record), queued_view(queued(service)))
    views = [*map(shown, bodies), explained(service)]

    assert not any({"diverted_to", "diverted", "suppressed"} & view.keys() for view in views)
