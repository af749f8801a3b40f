"""An override: a relay given in the request, validated, never stored, never mixed with the secret."""

from copy import replace

import pytest
from mailer.errors import (
    InvalidRequest,
    MailerError,
    ProjectSmtpDisabled,
    ProjectSmtpInvalid,
    SecretsUnavailable,
)
from mailer.ledger.record import OnUnknown, State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import PasswordAuth, Relay, TlsMode
from mailer.relay.secret_str import SecretStr
from mailer.secret.override import read_override
from mailer.secret.resolution import SecretAbsent, SecretAnswer, SecretUnavailable, SecretUnusable, Unavailability
from mailer.service.sending.send_outcome import SendReport
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, RelayError, RelayFault, Unknown, Verdict
from mailer.smtp.reply import Reply

from tests import fakes
from tests.support import canaries
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries, settings

POLICY = RelayPolicy()
GIVEN = {"host": "mail.other.example", "port": 465, "username": "someone", "password": canaries.PASSWORD}
DRAFT = Draft(
    to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n", sender=parse_mailbox("me@other.example")
)


def override() -> Relay:
    return read_override(GIVEN, POLICY)


def make_service(verdict: Verdict = fakes.ACCEPTED) -> MemoryService:
    return MemoryService(
        secrets=fakes.FakeSecretStore(answers={ACME: fakes.secret(entries())}),
        relay=fakes.FakeRelayTransport(verdict=verdict),
    )


def faults(value: object) -> dict[str | None, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_override(value, POLICY)
    return {problem.pointer: problem.code for problem in caught.value.problems}


def test_an_override_is_read_by_the_rules_for_secrets() -> None:
    relay = override()

    assert (relay.host, relay.port, relay.tls) == ("mail.other.example", 465, TlsMode.IMPLICIT)
    assert relay.auth == PasswordAuth("someone", SecretStr(canaries.PASSWORD))


@pytest.mark.parametrize("missing", ["host", "port", "username", "password"])
def test_an_override_never_uses_values_of_the_secret(missing: str) -> None:
    given = {name: value for name, value in GIVEN.items() if name != missing}

    assert faults(given) == {f"/transport/{missing}": "entry-missing"}


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        (None, "/transport"),
        ([], "/transport"),
        ("smtp://a:b@c", "/transport"),
        (GIVEN | {"host": "127.0.0.1"}, "/transport/host"),
        (GIVEN | {"host": "localhost\x00.example"}, "/transport/host"),
        (GIVEN | {"host": ["mail.other.example"]}, "/transport/host"),
        (GIVEN | {"port": 22}, "/transport/port"),
        (GIVEN | {"secure": "yes"}, "/transport/secure"),
        (GIVEN | {"service": "gmail"}, "/transport/service"),
        (GIVEN | {"tls": {"rejectUnauthorized": False}}, "/transport/tls"),
        (GIVEN | {"a/b~c": 1}, "/transport/a~1b~0c"),
        (GIVEN | {"password": "a\nb"}, "/transport/password"),
    ],
)
def test_a_malformed_member_is_named_by_its_pointer(value: object, pointer: str) -> None:
    found = faults(value)

    assert pointer in found
    assert canaries.PASSWORD not in str(found)


def test_a_message_with_an_override_is_sent_only_by_it() -> None:
    post = make_service()
    report = post.send(DRAFT, override=override())

    assert isinstance(report, SendReport)
    (sent,) = post.relay.sends
    assert (sent.relay.host, str(report.decision.sender.used)) == ("mail.other.example", "me@other.example")
    assert post.server.requests == []


def test_a_message_with_an_override_needs_a_from() -> None:
    with pytest.raises(InvalidRequest):
        make_service().send(replace(DRAFT, sender=None), override=override())


def test_an_override_is_refused_while_project_relays_are_off() -> None:
    post = make_service()
    post.settings = settings(ALLOW_PROJECT_SMTP="false")
    with pytest.raises(ProjectSmtpDisabled):
        post.send(DRAFT, override=override())

    assert post.relay.sends == []


@pytest.mark.parametrize("value", ["false", "off"])
def test_an_override_does_not_send_while_the_projects_mail_is_off(value: str) -> None:
    post = make_service()
    post.secrets.answers[ACME] = fakes.secret(entries(emailEnabled=value))
    with pytest.raises(ProjectSmtpInvalid):
        post.send(DRAFT, override=override())

    assert post.relay.sends == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(fakes.secret('{"emailEnabled": "false", "x": NaN}'), id="not JSON"),
        pytest.param(
            fakes.secret('{"emailEnabled": "false", "smtpHost": "a.example", "smtpHost": "b.example"}'), id="twice"
        ),
        pytest.param(fakes.secret('{"emailEnabled": "true", "emailEnabled": "false"}'), id="true and false"),
        pytest.param(fakes.secret('["emailEnabled", "false"]'), id="not an object"),
        pytest.param(fakes.secret('{"email_enabled": "false"}'), id="misspelled, no relay"),
        pytest.param(
            fakes.secret('{"EmailEnabled": "false", "smtpHost": "mail.acme.example"}'), id="misspelled, relay"
        ),
        pytest.param(fakes.secret(entries(emailEnabled="true", EMAILENABLED="false")), id="misspelled, and true"),
        pytest.param(fakes.secret(entries(emailEnabled="")), id="blank"),
        pytest.param(fakes.secret('{"emailEnabled": null}'), id="null"),
        pytest.param(SecretUnusable(Problem("secret-binary", "Store its entries.")), id="binary"),
    ],
)
def test_an_override_does_not_send_if_the_secret_may_switch_mail_off(answer: SecretAnswer) -> None:
    post = make_service()
    post.secrets.answers[ACME] = answer
    with pytest.raises(ProjectSmtpInvalid):
        post.send(DRAFT, override=override())

    assert post.relay.sends == []


def test_an_override_does_not_send_while_the_secret_cannot_be_read() -> None:
    post = make_service()
    post.secrets.answers[ACME] = SecretUnavailable(Unavailability.TIMEOUT)
    with pytest.raises(SecretsUnavailable):
        post.send(DRAFT, override=override())

    assert post.relay.sends == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(SecretAbsent(), id="no secret"),
        pytest.param(fakes.secret("{}"), id="no transport"),
        pytest.param(fakes.secret(entries(smtpPort="none")), id="invalid, no switch"),
        pytest.param(fakes.secret(entries(smtpPort="none", emailEnabled="True ")), id="invalid, switched on"),
        pytest.param(fakes.secret(entries(smtpHots="a.example", emailEnabled="true")), id="unknown entry, switched on"),
    ],
)
def test_other_problems_of_the_secret_do_not_stop_an_override(answer: SecretAnswer) -> None:
    post = make_service()
    post.secrets.answers[ACME] = answer

    assert isinstance(post.send(DRAFT, override=override()), SendReport)
    assert len(post.relay.sends) == 1


@pytest.mark.parametrize(
    "verdict",
    [
        Deferred(Failure(Phase.RCPT, Cause.REPLY, Reply(450))),
        RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535))),
    ],
)
def test_a_message_with_an_override_is_never_stored_for_a_retry(verdict: Verdict) -> None:
    post = make_service(verdict)
    with pytest.raises(MailerError):
        post.send(DRAFT, override=override(), on_unknown=OnUnknown.RETRY)

    (record,) = post.ledger.records
    assert (record.state, record.has_content) == (State.FAILED, False)
    assert (len(post.relay.sends), post.server.requests) == (1, [])


def test_an_unknown_outcome_of_an_override_is_final() -> None:
    post = make_service(Unknown(Failure(Phase.FINAL, Cause.TIMEOUT)))
    post.send(DRAFT, override=override(), on_unknown=OnUnknown.RETRY)

    (record,) = post.ledger.records
    assert (record.state, record.is_final) == (State.UNKNOWN, True)
