"""What Amazon SES's answers mean for a message, and what of its words whoever sends by it may read.

Replies are dressed as SMTP's, so that callers read one language: 250, 451 (later), 535 (the keys), 554 (never).
"""

import re
from typing import TYPE_CHECKING

import msgspec

from mailer.relay.secret_str import SecretStr
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, Rejected, RelayError, RelayFault, Unknown
from mailer.smtp.redaction import secret_detector
from mailer.smtp.reply import Reply, make_reply

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

# SES has no code of its own for a sender that is not verified; it is MessageRejected with this in its text.
_UNVERIFIED = re.compile("not verified|not have authority", re.IGNORECASE)
_REJECTED = frozenset({"MessageRejected", "BadRequestException", "ValidationException", "InvalidParameterValue"})
_THROTTLED = frozenset(
    {
        "LimitExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# About the keys that a request is signed with, and not about what it asks for.
_NO_KEY = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


type Unaccepted = Rejected | Deferred | Unknown | RelayError


class Owner(msgspec.Struct, frozen=True):
    """Whose the account is: a project's, with this key, or the platform's. What is wrong with it is theirs to mend."""

    secret_access_key: SecretStr | None = None

    def shown(self, code: int, name: str, text: str, *, is_about_message: bool = False) -> Reply:
        """Dress a refusal as a reply, with those of its words that whoever sends may read.

        Words about a message are its sender's. The platform's account, roles and identities are no tenant's business,
        and any ARN names them.
        """
        if self.secret_access_key is None:
            may_show = is_about_message and "arn:" not in text
            return make_reply(code, f"{name}: {text}" if may_show else name)
        return make_reply(code, f"{name}: {text}", repeats_credentials=secret_detector(self.secret_access_key))

    def to_mend(self, failure: Failure) -> RelayError:
        """Judge what only the account's owner can mend."""
        fault = RelayFault.SERVER_SUSPENDED if self.secret_access_key is None else RelayFault.AUTH_REJECTED
        return RelayError(fault, failure)


PLATFORM = Owner()


def judge_answer(error: "ClientError", owner: Owner, *, has_left: bool) -> Unaccepted:
    """Judge what SES answered instead of taking the message."""
    code = error.response["Error"]["Code"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    message = str(error.response["Error"].get("Message", ""))
    if status == 429 or code in _THROTTLED:
        return Deferred(Failure(Phase.FINAL, Cause.THROTTLED, make_reply(451, code)))
    if status == 408:
        return Deferred(Failure(Phase.FINAL, Cause.TIMEOUT, make_reply(451, code)))
    if status == 413:
        return Rejected(Failure(Phase.FINAL, Cause.TOO_LARGE, make_reply(554, code)))
    if code in _REJECTED and _UNVERIFIED.search(message) is None:
        return Rejected(Failure(Phase.FINAL, Cause.REPLY, owner.shown(554, code, message, is_about_message=True)))
    if code in _NO_KEY:
        return owner.to_mend(Failure(Phase.AUTH, Cause.REPLY, owner.shown(535, code, message)))
    if 400 <= status < 500:
        # Suspended, paused, an unverified identity, a missing configuration set, no permission: the owner's to mend.
        return owner.to_mend(Failure(Phase.FINAL, Cause.REPLY, owner.shown(554, code, message)))
    return judge_loss(Cause.SERVICE_ERROR, has_left=has_left)


def judge_failure(error: "BotoCoreError", owner: Owner, *, has_left: bool) -> Unaccepted:
    """Judge what kept SES's answer away."""
    from botocore.exceptions import (  # noqa: PLC0415 -- importing botocore is most of a cold start
        ConnectTimeoutError,
        EndpointConnectionError,
        HTTPClientError,
        ProxyConnectionError,
        ReadTimeoutError,
        SSLError,
    )

    match error:
        case ConnectTimeoutError() | ReadTimeoutError():
            return judge_loss(Cause.TIMEOUT, has_left=has_left)
        case EndpointConnectionError() | ProxyConnectionError():
            return judge_loss(Cause.REFUSED, has_left=has_left)
        case SSLError():
            return judge_loss(Cause.TLS_HANDSHAKE_FAILED, has_left=has_left)
        case HTTPClientError():
            return judge_loss(Cause.CONNECTION_LOST, has_left=has_left)
        case _ if has_left:
            return judge_loss(Cause.SERVICE_ERROR, has_left=has_left)
        case _:
            # No credentials, no region: there was nothing to send with.
            return owner.to_mend(Failure(Phase.CONNECT, Cause.SERVICE_ERROR))


def judge_loss(cause: Cause, *, has_left: bool) -> Unaccepted:
    """Judge a request without a usable answer, by whether all of it may have reached SES."""
    return Unknown(Failure(Phase.FINAL, cause)) if has_left else Deferred(Failure(Phase.CONNECT, cause))
