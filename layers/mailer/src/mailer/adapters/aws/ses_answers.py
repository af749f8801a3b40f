"""Maps Amazon SES's answers to verdicts, and decides which part of their text the sender may read.

Answers become SMTP replies, so that callers read one format: 250, 451 (later), 535 (credentials), 554 (never).
"""

import re
from collections.abc import Mapping

import msgspec

from mailer.adapters.aws.session import MALFORMED, Unanswered
from mailer.relay.secret_str import SecretStr
from mailer.smtp.outcome import Cause, Deferred, Failure, Phase, Rejected, RelayError, RelayFault, Unknown
from mailer.smtp.redaction import secret_detector
from mailer.smtp.reply import Reply, make_reply

# SES has no separate code for an unverified sender: it is MessageRejected with this text.
_UNVERIFIED = re.compile("not verified|not have authority", re.IGNORECASE)
_REJECTED = frozenset({"MessageRejected", "BadRequestException", "ValidationException", "InvalidParameterValue"})
# Failures of the connection, by the names of botocore's errors.
_LOST = {
    "ConnectTimeoutError": Cause.TIMEOUT,
    "ReadTimeoutError": Cause.TIMEOUT,
    "EndpointConnectionError": Cause.REFUSED,
    "ProxyConnectionError": Cause.REFUSED,
    "SSLError": Cause.TLS_HANDSHAKE_FAILED,
    "ConnectionClosedError": Cause.CONNECTION_LOST,
    "HTTPClientError": Cause.CONNECTION_LOST,
    "ResponseStreamingError": Cause.CONNECTION_LOST,
    MALFORMED: Cause.PROTOCOL_VIOLATION,
}

type Unaccepted = Rejected | Deferred | Unknown | RelayError


class Owner(msgspec.Struct, frozen=True):
    """The owner of the SES account, who must correct its problems: a project, with this key, or the platform."""

    secret_access_key: SecretStr | None = None

    def shown(self, code: int, name: str, text: str, *, is_about_message: bool = False) -> Reply:
        """Turn a refusal into a reply, with the part of its text that the sender may read.

        For the platform's account that is only text about the message, and none with an ARN: its roles and identities
        are hidden from projects.
        """
        if self.secret_access_key is None:
            may_show = is_about_message and "arn:" not in text
            return make_reply(code, f"{name}: {text}" if may_show else name)
        return make_reply(code, f"{name}: {text}", repeats_credentials=secret_detector(self.secret_access_key))

    def must_act(self, failure: Failure) -> RelayError:
        """Return the verdict for a problem that only the account's owner can correct."""
        fault = RelayFault.SERVER_TRANSPORT_FAILED if self.secret_access_key is None else RelayFault.AUTH_REJECTED
        return RelayError(fault, failure)


PLATFORM = Owner()


def judge_refusal(unanswered: Unanswered, owner: Owner, *, has_left: bool) -> Unaccepted:
    """Return the verdict for a request without a successful answer."""
    if unanswered.response:
        return _judge_answer(unanswered, owner, has_left=has_left)
    if has_left or unanswered.code in _LOST:
        return judge_loss(_LOST.get(unanswered.code, Cause.SERVICE_ERROR), has_left=has_left)
    # Without credentials or region nothing was sent.
    return owner.must_act(Failure(Phase.CONNECT, Cause.SERVICE_ERROR))


def _judge_answer(unanswered: Unanswered, owner: Owner, *, has_left: bool) -> Unaccepted:
    code, status, error = unanswered.code, unanswered.status, unanswered.response["Error"]
    message = str(error.get("Message", "")) if isinstance(error, Mapping) else ""
    if unanswered.is_throttled:
        return Deferred(Failure(Phase.FINAL, Cause.THROTTLED, make_reply(451, code)))
    if status == 408:
        return Deferred(Failure(Phase.FINAL, Cause.TIMEOUT, make_reply(451, code)))
    if status == 413:
        return Rejected(Failure(Phase.FINAL, Cause.TOO_LARGE, make_reply(554, code)))
    if code in _REJECTED and _UNVERIFIED.search(message) is None:
        return Rejected(Failure(Phase.FINAL, Cause.REPLY, owner.shown(554, code, message, is_about_message=True)))
    if unanswered.is_unauthenticated:
        return owner.must_act(Failure(Phase.AUTH, Cause.REPLY, owner.shown(535, code, message)))
    if 400 <= status < 500:
        # Suspended, paused, unverified identity, missing configuration set, no permission: the owner must act.
        return owner.must_act(Failure(Phase.FINAL, Cause.REPLY, owner.shown(554, code, message)))
    return judge_loss(Cause.SERVICE_ERROR, has_left=has_left)


def judge_loss(cause: Cause, *, has_left: bool) -> Unaccepted:
    """Return deferred, or unknown where the whole request may have reached SES."""
    return Unknown(Failure(Phase.FINAL, cause)) if has_left else Deferred(Failure(Phase.CONNECT, cause))
