"""A refused sender or login is a rejection of the message that names the entry; the recipients are not blamed."""

import pytest
from mailer.errors import MailerError
from mailer.message.address import parse_address, parse_mailbox
from mailer.message.draft import Draft
from mailer.smtp.outcome import Attempt, Cause, Failure, Phase, Rejected
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

ADA, BOB = parse_address("ada@example.net"), parse_address("bob@example.net")
DRAFT = Draft(to=(parse_mailbox("ada@example.net"), parse_mailbox("bob@example.net")), subject="Hello", text="Hi\n")


def rejected(phase: Phase, code: int, text: str) -> Rejected:
    return Rejected(Failure(phase, Cause.REPLY, make_reply(code, text)))


def fail(attempt: Attempt, **changes: str) -> MailerError:
    service = MemoryService(
        secrets=fakes.FakeSecretStore({ACME: fakes.secret(entries(**changes))}),
        relay=fakes.FakeRelayTransport(attempts=[attempt]),
    )
    with pytest.raises(MailerError) as caught:
        service.send(DRAFT)
    return caught.value


@pytest.mark.parametrize(
    ("phase", "text", "code", "entry"),
    [
        (Phase.MAIL, "5.7.1 no", "relay-refuses-sender", "smtpFromAddress"),
        (Phase.RCPT, "5.7.1 Sender address rejected: not owned by user", "relay-refuses-sender", "smtpFromAddress"),
        (Phase.RCPT, "5.7.1 Relay access denied", "relay-auth-rejected", "smtpUsername"),
        (Phase.MAIL, "5.7.9 must be authenticated", "relay-auth-rejected", "smtpAuth"),
    ],
)
def test_a_refused_sender_or_login_names_the_entry(phase: Phase, text: str, code: str, entry: str) -> None:
    error = fail(Attempt.uniform((ADA, BOB), rejected(phase, 550, text)))

    assert error.code == "message-rejected"
    assert [(problem.code, problem.entry) for problem in error.problems] == [(code, entry)]
    assert "addresses named in `rejected`" not in error.detail


def test_a_refused_return_path_is_named() -> None:
    attempt = Attempt.uniform((ADA, BOB), rejected(Phase.MAIL, 550, "5.1.8 no"))

    assert [problem.entry for problem in fail(attempt, smtpReturnPath="bounces@acme.example").problems] == [
        "smtpReturnPath"
    ]


def test_one_refused_recipient_among_refusals_of_the_login_is_still_named() -> None:
    denied, unknown = rejected(Phase.RCPT, 554, "5.7.1 Relay access denied"), rejected(Phase.RCPT, 550, "5.1.1 unknown")

    assert fail(Attempt({ADA: denied, BOB: unknown})).code == "recipients-rejected"
