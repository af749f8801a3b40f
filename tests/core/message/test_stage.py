"""A stage that is not production: every message goes to one address, or nowhere, and every result says so."""

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
from mailer.service.sending.send_email import Replayed, SendReport
from mailer.smtp.outcome import Cause, Failure, Phase, Rejected, Unknown
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.support.post_office import PostOffice, render
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


def office(text: str | None = None, /, **environment: str) -> PostOffice:
    """A project with a relay, on a platform with these settings."""
    made = PostOffice(settings(**environment))
    made.secrets.answers[ACME] = fakes.secret(text or entries())
    return made


def sent(made: PostOffice, draft: Draft = DRAFT) -> SendReport:
    report = made.send(draft)
    assert isinstance(report, SendReport)
    return report


def queued(made: PostOffice) -> Accepted:
    accepted = accept_email(
        EmailRequest(DRAFT), ACME, ports=made.send_ports, deadline=24.0, render=lambda _: render(sent(made))
    )
    assert isinstance(accepted, Accepted)
    return accepted


def handed_over(made: PostOffice) -> int:
    """How many messages any transport was given."""
    return len(made.relay.sends) + len(made.server.requests) + len(made.api.sends)


def explained(made: PostOffice) -> Any:
    explanation = explain_email(
        DRAFT,
        ACME,
        settings=made.settings,
        secrets=made.secrets,
        templates=made.templates,
        now=made.now(),
        id=made.new_id(),
        deadline=24.0,
    )
    return shown(explanation_view(explanation, instance="1"))


def test_s1_a_diverted_message_goes_to_that_address_only() -> None:
    made = office(**DIVERTING)

    sent(made)

    message = made.relay.sends[0].message
    assert message.recipients == (parse_address(QA),)
    assert b"\r\nTo: qa@stage.example\r\n" in message.as_bytes()
    assert b"\r\nCc:" not in message.as_bytes()


def test_a_diverted_message_names_its_original_recipients() -> None:
    made = office(**DIVERTING)

    sent(made)

    octets = made.relay.sends[0].message.as_bytes()
    assert b"\r\nSubject: {{{ada@example.net}}} {{{bob@example.net}}} {{{cyd@example.net}}}" in octets
    assert b"\r\nX-Project-Smtp-Original-To: ada@example.net, bob@example.net,\r\n cyd@example.net" in octets


def test_a_subject_names_three_and_counts_the_others() -> None:
    many = tuple(parse_mailbox(f"person{number}@example.net") for number in range(50))

    diverted = on_stage(Draft(to=many, subject="Hello", text="Hi"), Stage(parse_address(QA)))

    assert diverted.subject.endswith("{{{person2@example.net}}} (+47) Hello")
    assert diverted.headers[0][1].count("@") == 50


def test_a_header_of_the_callers_cannot_claim_other_recipients() -> None:
    draft = replace(DRAFT, headers=(("x-project-smtp-original-to", "other@example.net"), ("X-Mine", "1")))

    headers = on_stage(draft, Stage(parse_address(QA))).headers

    assert [name for name, _ in headers] == ["X-Mine", "X-Project-Smtp-Original-To"]


def test_in_production_a_message_is_what_it_was() -> None:
    assert on_stage(DRAFT, Stage()) is DRAFT


def test_a_provider_that_makes_the_message_itself_is_given_the_diverted_one() -> None:
    made = office(entries(smtpHost=None, smtpPort=None, smtpUsername=None, smtpPassword=None,
                          emailProviders=json.dumps(SENDGRID)), **DIVERTING)  # fmt: skip

    sent(made)

    letter = made.api.sends[0].letter
    assert (letter.draft.to, letter.draft.cc, letter.draft.bcc) == ((parse_mailbox(QA),), (), ())
    assert letter.message.recipients == (parse_address(QA),)


def test_the_server_transport_diverts_too() -> None:
    made = office(**DIVERTING)
    made.secrets.answers[ACME] = SecretAbsent()

    sent(made)

    assert made.server.requests[0].recipients == (parse_address(QA),)


def test_the_transport_stays_the_projects() -> None:
    for environment in (DIVERTING, SUPPRESSING):
        assert sent(office(**environment)).transport is TransportName.PROJECT_SMTP


def test_the_answer_says_that_the_message_was_diverted_and_lists_no_recipient_as_accepted() -> None:
    view = shown(send_view(sent(office(**DIVERTING))))

    assert (view["status"], view["diverted_to"], view["accepted"], view["diverted"]) == ("sent", QA, [], MEANT)


def test_the_history_says_it_of_each_recipient() -> None:
    view = shown(email_view(sent(office(**DIVERTING)).record))

    assert view["diverted_to"] == QA
    recipients = view["recipients"]
    assert isinstance(recipients, list)
    assert [(each["recipient"], each["status"]) for each in recipients] == [(each, "diverted") for each in MEANT]


def test_an_unknown_outcome_is_unknown_of_the_diverted_copy() -> None:
    made = office(**DIVERTING)
    made.relay.verdict = Unknown(Failure(Phase.FINAL, Cause.TIMEOUT))

    view = shown(send_view(sent(made)))

    assert (view["status"], view["diverted_to"], view["diverted"]) == ("unknown", QA, [])


def test_a_refusal_says_whose_it_was() -> None:
    made = office(**DIVERTING)
    made.relay.verdict = Rejected(Failure(Phase.RCPT, Cause.REPLY, make_reply(550, "5.1.1 no such user")))

    with pytest.raises(MailerError) as caught:
        made.send(DRAFT)

    assert problem_document(caught.value, instance="1").diverted_to == QA


def test_what_was_queued_is_diverted_when_it_leaves() -> None:
    made = office(**DIVERTING)
    accepted = queued(made)

    made.deliver(made.ledger.records[0])

    assert queued_view(accepted).diverted_to == QA
    assert made.relay.sends[0].message.recipients == (parse_address(QA),)
    assert made.ledger.records[0].diverted_to == Address("qa", "stage.example")


def test_a_system_email_is_diverted() -> None:
    made = office(**DIVERTING)
    reset = made.accept(DRAFT, origin="PasswordResetRequested")

    made.deliver(reset)

    assert [send.message.recipients for send in made.relay.sends] == [(parse_address(QA),)]


def test_an_event_says_that_the_message_was_diverted_without_an_address() -> None:
    made = office(**DIVERTING)

    sent(made)

    assert made.events.events[0].detail["diverted"] is True
    assert "@" not in json.dumps({**made.events.events[0].detail, "messageId": None})


def test_s1_a_suppressed_message_reaches_no_transport_and_ends_as_suppressed() -> None:
    made = office(**SUPPRESSING)

    report = sent(made)

    assert (handed_over(made), report.status, report.record.is_final) == (0, State.SUPPRESSED, True)
    assert made.ledger.records == (report.record,)


def test_the_answer_to_a_suppressed_message_is_200_and_says_what_would_have_been() -> None:
    report = sent(office(**SUPPRESSING))

    view = shown(send_view(report))
    assert (view["status"], view["transport"], view["accepted"], view["count"]) == ("suppressed", "project-smtp", [], 0)
    assert result_status(send_view(report)) == 200


def test_suppressing_is_told() -> None:
    made = office(**SUPPRESSING)

    sent(made)

    assert made.events.names == ["EmailSuppressed"]


def test_what_was_queued_is_suppressed_when_it_would_leave() -> None:
    made = office(**SUPPRESSING)
    accepted = queued(made)

    made.deliver(made.ledger.records[0])

    assert queued_view(accepted).suppressed is True
    assert (handed_over(made), made.ledger.records[0].state) == (0, State.SUPPRESSED)
    assert made.drafts.contents == {}


def test_a_system_email_is_suppressed() -> None:
    made = office(**SUPPRESSING)
    reset = made.accept(DRAFT, origin="PasswordResetRequested")

    made.deliver(reset)

    assert (handed_over(made), made.known(reset).state) == (0, State.SUPPRESSED)


def test_a_suppressed_message_takes_nothing_of_the_relays_day() -> None:
    made = office(entries(smtpDailyLimit="1"), **SUPPRESSING)

    sent(made)

    assert sent(made).status is State.SUPPRESSED


def test_a_broken_configuration_is_refused_where_nothing_leaves_too() -> None:
    made = office(entries(smtpPort="mail"), **SUPPRESSING)

    with pytest.raises(MailerError) as caught:
        made.send(DRAFT)
    assert caught.value.code == "project-smtp-invalid"


def test_a_repeated_key_gets_the_same_answer_of_a_suppressed_message() -> None:
    made, key = office(**SUPPRESSING), KeyUse("digest", "fingerprint", 2e9)
    made.send(DRAFT, key=key)

    again = made.send(DRAFT, key=key)

    assert isinstance(again, Replayed)
    assert again.answer.body == "suppressed"


@pytest.mark.parametrize(
    ("environment", "said"), [(DIVERTING, ("diverted_to", QA)), (SUPPRESSING, ("suppressed", True))]
)
def test_explain_and_batch_say_it(environment: dict[str, str], said: tuple[str, object]) -> None:
    made = office(**environment)
    items = accept_batch([EmailRequest(DRAFT)], ACME, ports=made.send_ports, deadline=24.0, has_time=lambda: True)

    emails = shown(batch_view(items))["emails"]
    assert isinstance(emails, list)
    assert said in explained(made).items()
    assert said in emails[0].items()


@pytest.mark.parametrize("environment", [{}, {"SUPPRESS_EMAILS": "false", "DIVERT_ALL_TO": ""}])
def test_in_production_no_result_speaks_of_stages(environment: dict[str, str]) -> None:
    made = office(**environment)
    bodies = (send_view(sent(made)), email_view(sent(made).record), queued_view(queued(made)))
    views = [*map(shown, bodies), explained(made)]

    assert not any({"diverted_to", "diverted", "suppressed"} & view.keys() for view in views)
