"""A project's own SES: its keys and region, the server transport's rules, and errors for the project's admin."""

from copy import replace

import pytest
from mailer.adapters.aws.session import AwsSession
from mailer.relay.secret_str import SecretStr
from mailer.secret.provider.ses import SesAccount
from mailer.smtp.outcome import Accepted, Cause, Deferred, Phase, Rejected, RelayError, RelayFault, Unknown, Verdict
from mailer.smtp.reply import WITHHELD

from tests.support import canaries
from tests.support.fake_aws import Answer, Behaviour, FakeAws, Reset, refusal, success
from tests.support.provider_setup import SES_ACCOUNT, api_message, provider_apis, send, verdict

ACCEPTED = success(MessageId="0100018c-message")


def judged(behaviour: Behaviour, account: SesAccount = SES_ACCOUNT) -> Verdict:
    with FakeAws(lambda _: behaviour) as fake, provider_apis(session=AwsSession(endpoint_url=fake.url)) as apis:
        result = verdict(send(apis, account))

        assert len(fake.requests) == 1
    return result


def test_a_message_is_signed_only_with_the_project_s_key_for_its_region() -> None:
    with FakeAws(lambda _: ACCEPTED) as fake, provider_apis(session=AwsSession(endpoint_url=fake.url)) as apis:
        attempt = send(apis, SES_ACCOUNT)

        headers = fake.requests[0].headers
    assert isinstance(verdict(attempt), Accepted)
    assert attempt.reference == "0100018c-message"
    assert "Credential=AKIAPROJECT/" in headers["authorization"]
    assert "/eu-central-1/ses/aws4_request" in headers["authorization"]
    assert "x-amz-security-token" not in headers


def test_the_message_is_raw_to_the_envelope_with_its_tags() -> None:
    what = api_message()
    tagged = replace(what, message=replace(what.message, tags=(("campaign", "spring"),)))
    with FakeAws(lambda _: ACCEPTED) as fake, provider_apis(session=AwsSession(endpoint_url=fake.url)) as apis:
        send(apis, SES_ACCOUNT, tagged)

        request = fake.requests[0].json()
    assert request["Destination"] == {"ToAddresses": ["ada@example.net"]}
    assert request["EmailTags"] == [{"Name": "campaign", "Value": "spring"}]
    assert set(request) == {"Destination", "Content", "EmailTags"}


@pytest.mark.parametrize(
    ("code", "phase"),
    [
        ("UnrecognizedClientException", Phase.AUTH),
        ("SignatureDoesNotMatch", Phase.AUTH),
        ("AccessDeniedException", Phase.FINAL),
        ("SendingPausedException", Phase.FINAL),
        ("AccountSuspendedException", Phase.FINAL),
    ],
)
def test_DU14_a_problem_of_the_account_is_the_project_s_error(code: str, phase: Phase) -> None:
    error = judged(refusal(code, "Because.", status=403))

    assert isinstance(error, RelayError)
    assert (error.fault, error.failure.phase) == (RelayFault.AUTH_REJECTED, phase)
    assert error.failure.reply is not None
    assert error.failure.reply.text == f"{code}: Because."


def test_an_unverified_sender_is_the_project_s_error() -> None:
    error = judged(refusal("MessageRejected", "Email address is not verified: hello@acme.example"))

    assert isinstance(error, RelayError)
    assert error.failure.reply is not None
    assert "hello@acme.example" in error.failure.reply.text


def test_a_message_that_is_refused_is_rejected() -> None:
    assert isinstance(judged(refusal("MessageRejected", "Illegal header.")), Rejected)


def test_text_that_repeats_the_key_is_withheld() -> None:
    error = judged(refusal("SignatureDoesNotMatch", f"signed with {canaries.API_KEY}", status=403))

    assert isinstance(error, RelayError)
    assert error.failure.reply is not None
    assert error.failure.reply.text == WITHHELD


def test_a_throttled_message_is_deferred() -> None:
    deferred = judged(refusal("TooManyRequestsException", status=429))

    assert isinstance(deferred, Deferred)
    assert deferred.failure.cause is Cause.THROTTLED


@pytest.mark.parametrize("behaviour", [Reset(), Answer(500, b"oops"), success()])
def test_DU14_a_connection_lost_after_the_last_octet_is_unknown(behaviour: Behaviour) -> None:
    assert isinstance(judged(behaviour), Unknown)


def test_a_closed_port_is_deferred() -> None:
    with FakeAws(lambda _: ACCEPTED) as fake:
        url = fake.url

    with provider_apis(session=AwsSession(endpoint_url=url)) as apis:
        assert isinstance(verdict(send(apis, SES_ACCOUNT)), Deferred)


def test_each_account_has_a_client_of_its_own_which_it_keeps() -> None:
    other = SesAccount("AKIAOTHER", SecretStr("other-secret"), "us-east-1")
    with FakeAws(lambda _: ACCEPTED) as fake, provider_apis(session=AwsSession(endpoint_url=fake.url)) as apis:
        for account in (SES_ACCOUNT, other, SES_ACCOUNT):
            send(apis, account)

        keys = [request.headers["authorization"].partition("Credential=")[2][:9] for request in fake.requests]
        assert (keys, fake.connections) == (["AKIAPROJE", "AKIAOTHER", "AKIAPROJE"], 2)


def test_an_invalid_region_sends_nothing() -> None:
    with FakeAws(lambda _: ACCEPTED) as fake, provider_apis(session=AwsSession(endpoint_url=fake.url)) as apis:
        error = verdict(send(apis, replace(SES_ACCOUNT, region="not a region")))

        assert fake.requests == []
    assert isinstance(error, RelayError)
