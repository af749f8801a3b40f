"""Probing a provider's credentials: nothing is sent, and the result names the failed phase."""

import time
from collections.abc import Callable
from copy import replace

import pytest
from mailer.adapters.aws.session import AwsSession
from mailer.relay.provider import ApiAccount
from mailer.relay.secret_str import SecretStr
from mailer.secret.provider.mailgun import MailgunAccount
from mailer.secret.provider.sendgrid import SendgridAccount
from mailer.secret.provider.ses import SesAccount
from mailer.smtp.outcome import Cause, Failure, Phase, ProbePassed

from tests.support.fake_aws import FakeAws, refusal, success
from tests.support.fake_mailgun import FakeMailgun
from tests.support.fake_sendgrid import THROTTLED, FakeSendgrid
from tests.support.http_service import Answer, Behaviour, Close, Hang
from tests.support.provider_setup import SES_ACCOUNT, mailgun_account, provider_apis, sendgrid_account


def probe(account: ApiAccount, *, session: AwsSession | None = None, seconds: float = 8.0) -> Failure | ProbePassed:
    with provider_apis(session=session) as apis:
        return apis.probe(account, deadline=time.monotonic() + seconds)


def where(walk: Failure | ProbePassed) -> tuple[Phase, Cause]:
    assert isinstance(walk, Failure)
    return walk.phase, walk.cause


# -- SendGrid ---------------------------------------------------------------------------------------------------------


def test_a_sendgrid_key_that_may_send_passes_without_a_message() -> None:
    with FakeSendgrid() as fake:
        assert probe(sendgrid_account(fake)) == ProbePassed(is_protected=True)

        assert [(request.method, request.target) for request in fake.requests] == [("GET", "/v3/scopes")]


def test_a_sendgrid_key_without_the_permission_to_send_is_refused_with_its_name() -> None:
    with FakeSendgrid(scopes=("stats.read",)) as fake:
        walk = probe(sendgrid_account(fake))

    assert where(walk) == (Phase.AUTH, Cause.REPLY)
    assert isinstance(walk, Failure)
    assert walk.reply is not None
    assert "mail.send" in walk.reply.text


# -- Mailgun ----------------------------------------------------------------------------------------------------------


def test_a_mailgun_key_that_can_read_its_domain_passes_without_a_message() -> None:
    with FakeMailgun() as fake:
        assert probe(mailgun_account(fake)) == ProbePassed(is_protected=True)

        assert [request.target for request in fake.requests] == ["/v3/domains/mg.acme.example"]


def test_a_mailgun_key_that_may_only_send_passes_without_a_message() -> None:
    with FakeMailgun(is_sending_key=True) as fake:
        assert probe(mailgun_account(fake)) == ProbePassed(is_protected=True)

        assert fake.forms == []


def test_a_disabled_mailgun_domain_fails_at_the_sender() -> None:
    with FakeMailgun(state="disabled") as fake:
        assert where(probe(mailgun_account(fake))) == (Phase.MAIL, Cause.REPLY)


def test_an_unknown_mailgun_domain_fails_at_the_sender() -> None:
    with FakeMailgun() as fake:
        walk = probe(mailgun_account(fake, domain="mg.other.example"))

    assert where(walk) == (Phase.MAIL, Cause.REPLY)
    assert isinstance(walk, Failure)
    assert walk.reply is not None
    assert "Domain not found" in walk.reply.text


# -- both -------------------------------------------------------------------------------------------------------------


def sendgrid(behaviour: Behaviour | None = None) -> tuple[FakeSendgrid, Callable[[], ApiAccount]]:
    fake = FakeSendgrid(behaviour=behaviour)
    return fake, lambda: sendgrid_account(fake)


def mailgun(behaviour: Behaviour | None = None) -> tuple[FakeMailgun, Callable[[], ApiAccount]]:
    fake = FakeMailgun(behaviour=behaviour)
    return fake, lambda: mailgun_account(fake)


def with_key(account: ApiAccount, key: str) -> ApiAccount:
    match account:
        case SendgridAccount():
            return replace(account, api_key=SecretStr(key))
        case MailgunAccount():
            return replace(account, api_key=SecretStr(key))
        case SesAccount():
            return replace(account, secret_access_key=SecretStr(key))
        case _:
            raise TypeError(type(account).__name__)


both = pytest.mark.parametrize("provider", [sendgrid, mailgun])
type Setup = Callable[..., tuple[FakeSendgrid | FakeMailgun, Callable[[], ApiAccount]]]


@both
def test_an_unknown_key_fails_at_authentication(provider: Setup) -> None:
    fake, account = provider()
    with fake:
        unknown = with_key(account(), "another-key-than-theirs")

        assert where(probe(unknown)) == (Phase.AUTH, Cause.REPLY)


@both
@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        (THROTTLED, Cause.THROTTLED),
        (Answer(500, b"{}"), Cause.SERVICE_ERROR),
        (Answer(302, b"", {"Location": "https://elsewhere.example/"}), Cause.SERVICE_ERROR),
        (Close(), Cause.CONNECTION_LOST),
        (Answer(200, b"{}", cut_after=1), Cause.CONNECTION_LOST),
    ],
)
def test_a_provider_without_an_answer_leaves_the_key_unverified(
    provider: Setup, behaviour: Behaviour, cause: Cause
) -> None:
    fake, account = provider(behaviour)
    with fake:
        assert where(probe(account())) == (Phase.AUTH, cause)


@both
def test_a_provider_that_hangs_ends_the_probe_at_its_deadline(provider: Setup) -> None:
    fake, account = provider(Hang())
    with fake:
        assert where(probe(account(), seconds=0.4)) == (Phase.AUTH, Cause.TIMEOUT)


@both
def test_a_closed_port_fails_at_the_connection(provider: Setup) -> None:
    fake, account = provider()
    with fake:
        pass

    assert where(probe(account())) == (Phase.CONNECT, Cause.REFUSED)


# -- SES --------------------------------------------------------------------------------------------------------------


def ses_walk(behaviour: Behaviour) -> Failure | ProbePassed:
    with FakeAws(lambda _: behaviour) as fake:
        walk = probe(SES_ACCOUNT, session=AwsSession(endpoint_url=fake.url))

        assert [(request.method, request.target) for request in fake.requests] == [("GET", "/v2/email/account")]
    return walk


def test_ses_keys_that_can_read_their_account_pass_without_a_message() -> None:
    assert ses_walk(success(SendingEnabled=True)) == ProbePassed(is_protected=True)


def test_ses_keys_without_permission_to_read_the_account_pass() -> None:
    assert ses_walk(refusal("AccessDeniedException", status=403)) == ProbePassed(is_protected=True)


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "InvalidSignatureException"])
def test_unknown_ses_keys_fail_at_authentication(code: str) -> None:
    assert where(ses_walk(refusal(code, "The security token is invalid.", status=403))) == (Phase.AUTH, Cause.REPLY)


def test_a_paused_ses_account_fails_at_the_sender() -> None:
    assert where(ses_walk(success(SendingEnabled=False))) == (Phase.MAIL, Cause.REPLY)


def test_an_unreachable_ses_fails_at_the_connection() -> None:
    with FakeAws(lambda _: success()) as fake:
        url = fake.url

    assert where(probe(SES_ACCOUNT, session=AwsSession(endpoint_url=url))) == (Phase.CONNECT, Cause.REFUSED)
