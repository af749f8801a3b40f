"""Refusals by SES: which are about the message, which the operator must correct, and which are temporary."""

import pytest
from mailer.smtp.outcome import Cause, Deferred, Rejected, RelayError, RelayFault

from tests.support.fake_aws import refusal
from tests.support.ses_setup import Setup, always


@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param("TooManyRequestsException", 429, id="NF13-429"),
        pytest.param("Anything", 429, id="NF13-any-429"),
        pytest.param("LimitExceededException", 400, id="NF13-quota"),
        pytest.param("ThrottlingException", 400, id="NF13-throttling"),
        pytest.param("Throttling", 503, id="NF13-throttling-503"),
    ],
)
def test_a_throttled_message_is_deferred(code: str, status: int) -> None:
    with always(refusal(code, "Maximum sending rate exceeded.", status=status)) as fake:
        verdict = Setup(fake.url).verdict()

    assert isinstance(verdict, Deferred)
    assert verdict.failure.cause is Cause.THROTTLED
    assert verdict.failure.reply is not None
    assert verdict.failure.reply.code == 451


@pytest.mark.parametrize("code", ["MessageRejected", "BadRequestException"])
def test_a_refused_message_is_rejected_with_the_text_of_ses(code: str) -> None:
    with always(refusal(code, "Illegal\r\nheader\x00.")) as fake:
        verdict = Setup(fake.url).verdict()

    assert isinstance(verdict, Rejected)
    assert verdict.failure.reply is not None
    assert (verdict.failure.reply.code, verdict.failure.reply.text) == (554, f"{code}: Illegal header?.")


@pytest.mark.parametrize(
    "text",
    [
        "Email address is not verified. The following identities failed the check: no-reply@platform.example",
        "Did not have authority to send from no-reply@platform.example",
    ],
)
def test_an_unverified_sender_is_the_operator_s_error_and_is_not_shown(text: str) -> None:
    with always(refusal("MessageRejected", text)) as fake:
        verdict = Setup(fake.url).verdict()

    assert isinstance(verdict, RelayError)
    assert verdict.failure.reply is not None
    assert verdict.failure.reply.text == "MessageRejected"


@pytest.mark.parametrize("code", ["AccessDeniedException", "BadRequestException"])
def test_no_account_or_role_of_the_platform_is_shown(code: str) -> None:
    with always(refusal(code, "User: arn:aws:sts::123456789012:assumed-role/x is not authorized")) as fake:
        verdict = Setup(fake.url).verdict()

    assert isinstance(verdict, Rejected | RelayError)
    assert verdict.failure.reply is not None
    assert verdict.failure.reply.text == code


def test_a_message_that_is_too_large_is_rejected_with_that_reason() -> None:
    with always(refusal("RequestEntityTooLarge", status=413)) as fake:
        verdict = Setup(fake.url).verdict()

    assert isinstance(verdict, Rejected)
    assert verdict.failure.cause is Cause.TOO_LARGE


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccountSuspendedException", 400),
        ("SendingPausedException", 400),
        ("MailFromDomainNotVerifiedException", 400),
        ("NotFoundException", 404),
        ("AccessDeniedException", 403),
        ("InvalidSignatureException", 403),
        ("ExpiredTokenException", 403),
        ("UnknownCode", 418),
    ],
)
def test_an_error_that_the_operator_must_correct_has_its_own_fault(code: str, status: int) -> None:
    with always(refusal(code, status=status)) as fake:
        verdict = Setup(fake.url).verdict()

    assert isinstance(verdict, RelayError)
    assert verdict.fault is RelayFault.SERVER_TRANSPORT_FAILED
