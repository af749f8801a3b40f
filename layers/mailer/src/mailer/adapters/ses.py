"""The server transport: Amazon SES, one SESv2 SendEmail request per attempt.

Two rules. The message goes raw, with the envelope as the explicit destination, so SES gets the octets that every
transport gets and delivers to the envelope and nobody else; no other parameter is given that SES would write into the
headers. And the last octet of the request is what the final dot is in SMTP: whatever fails before it has left is
provably not accepted, whatever is lost after it is unknown.

Replies are dressed as SMTP's, so that callers read one language: 250, 451 (later), 554 (never).
"""

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from mailer.adapters.aws_session import SES_CONNECT_TIMEOUT, SES_READ_TIMEOUT, ask
from mailer.adapters.elapsed import Clocks, Moment
from mailer.message import Message
from mailer.outcome import (
    Accepted,
    Attempt,
    Cause,
    Deferred,
    Failure,
    Phase,
    Rejected,
    RelayError,
    RelayFault,
    Unknown,
    Verdict,
)
from mailer.reply import make_reply

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import SendEmailRequestTypeDef

# An idle connection may have died unnoticed while the environment was frozen: a request on it would end as unknown.
_MAX_IDLE_SECONDS = 5.0
_MINIMUM_READ_SECONDS = 1.0

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


class SesTransport:
    """Implements `ServerTransport` on SESv2; safe to share between threads."""

    def __init__(
        self,
        client_factory: Callable[[], "SESV2Client"],
        *,
        configuration_set_name: str | None = None,
        clocks: Clocks = Clocks(),  # noqa: B008 -- frozen, and holds nothing but two functions
    ) -> None:
        self._client_factory = client_factory
        self._configuration_set_name = configuration_set_name
        self._clocks = clocks
        self._lock = threading.Lock()
        self._watched: SESV2Client | None = None
        self._last_used: Moment | None = None
        self._current = _Current()

    def send(self, message: Message, *, deadline: float, before_end: Callable[[], None] = lambda: None) -> Attempt:
        """Make one attempt with exactly one request; never raises for what the service does."""
        too_late = Attempt.uniform(message.recipients, Deferred(Failure(Phase.CONNECT, Cause.TOO_LITTLE_TIME)))
        if self._read_seconds(deadline) < _MINIMUM_READ_SECONDS:
            return too_late
        before_end()
        # It may have taken its time.
        read_seconds = self._read_seconds(deadline)
        if read_seconds < _MINIMUM_READ_SECONDS:
            return too_late
        request = _RequestInProgress(read_timeout=min(SES_READ_TIMEOUT, read_seconds))
        verdict, reference = self._send(message, request)
        return Attempt(dict.fromkeys(message.recipients, verdict), reference)

    def _read_seconds(self, deadline: float) -> float:
        return deadline - self._clocks.monotonic() - SES_CONNECT_TIMEOUT

    def _send(self, message: Message, request: "_RequestInProgress") -> tuple[Verdict, str | None]:
        from botocore.exceptions import (  # noqa: PLC0415 -- importing botocore is most of a cold start
            BotoCoreError,
            ClientError,
            ParamValidationError,
        )
        from botocore.parsers import ResponseParserError  # noqa: PLC0415 -- as above

        self._current.request = request
        try:
            client, parameters = self._client(), self._parameters(message)
            response = ask(lambda: client.send_email(**parameters))
        except ClientError as error:
            return _verdict_of_answer(error, request), None
        except ParamValidationError:
            raise
        except BotoCoreError as error:
            return _verdict_of_failure(error, request), None
        except ResponseParserError:
            return _lost(Cause.PROTOCOL_VIOLATION, request), None
        finally:
            self._current.request = None
            self._last_used = self._clocks.now()
        # Missing where the answer was cut off: botocore reads a broken body as an empty one.
        message_id = response.get("MessageId")
        if not message_id:
            return _lost(Cause.PROTOCOL_VIOLATION, request), None
        return Accepted(make_reply(250, f"Accepted by SES as {message_id}")), message_id

    def _parameters(self, message: Message) -> "SendEmailRequestTypeDef":
        # Without FromEmailAddress SES takes the From of the message; with it, SES would write the header anew.
        parameters: SendEmailRequestTypeDef = {
            "Destination": {"ToAddresses": [str(recipient) for recipient in message.recipients]},
            "Content": {"Raw": {"Data": message.as_bytes()}},
        }
        if self._configuration_set_name is not None:
            parameters["ConfigurationSetName"] = self._configuration_set_name
        return parameters

    def _client(self) -> "SESV2Client":
        client = self._client_factory()
        with self._lock:
            if self._watched is not client:
                client.meta.events.register("before-send.sesv2.SendEmail", self._watch)
                self._watched = client
            elif self._last_used is not None and self._clocks.seconds_since(self._last_used) > _MAX_IDLE_SECONDS:
                client.close()
        return client

    def _watch(self, request: "_PreparedRequest", **_: object) -> None:
        in_progress = self._current.request
        if in_progress is None:
            return
        request.context["read_timeout"] = in_progress.read_timeout
        octets = request.body.encode() if isinstance(request.body, str) else bytes(request.body)
        in_progress.body = request.body = _Body(octets)


class _PreparedRequest(Protocol):
    """What botocore is about to send."""

    body: "str | bytes | bytearray | _Body"
    context: dict[str, object]


class _Body:
    """A request's body that knows whether its last octet was handed over to the connection."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._position = 0
        self.has_left = False

    def __bytes__(self) -> bytes:
        return self._octets

    def read(self, size: int = -1) -> bytes:
        """Return the next octets, nothing at the end."""
        end = len(self._octets) if size < 0 else self._position + size
        piece = self._octets[self._position : end]
        self._position += len(piece)
        self.has_left = self._position == len(self._octets)
        return piece


class _RequestInProgress(msgspec.Struct):
    """One attempt's request: how long its answer may take, and its body once botocore has made it."""

    read_timeout: float
    body: _Body | None = None

    @property
    def has_left(self) -> bool:
        """The whole request may have reached SES."""
        return self.body is not None and self.body.has_left

    @property
    def phase(self) -> Phase:
        """Where the attempt is, in the words of an SMTP conversation."""
        return Phase.FINAL if self.has_left else Phase.CONNECT


class _Current(threading.local):
    """The request that this thread is making: botocore's hook says which request is sent, not for whom."""

    request: _RequestInProgress | None = None


def _verdict_of_answer(error: "ClientError", request: _RequestInProgress) -> Verdict:
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
        # What is wrong with a message is its sender's to read. Other texts, and any with an ARN, name the platform's
        # account, roles and identities, which are no tenant's business.
        text = code if "arn:" in message else f"{code}: {message}"
        return Rejected(Failure(Phase.FINAL, Cause.REPLY, make_reply(554, text)))
    if 400 <= status < 500:
        # Suspended, paused, an unverified identity, a missing configuration set, no permission: the operator's to mend.
        return RelayError(RelayFault.SERVER_SUSPENDED, Failure(Phase.FINAL, Cause.REPLY, make_reply(554, code)))
    return _lost(Cause.SERVICE_ERROR, request)


def _verdict_of_failure(error: "BotoCoreError", request: _RequestInProgress) -> Verdict:
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
            return _lost(Cause.TIMEOUT, request)
        case EndpointConnectionError() | ProxyConnectionError():
            return _lost(Cause.REFUSED, request)
        case SSLError():
            return _lost(Cause.TLS_HANDSHAKE_FAILED, request)
        case HTTPClientError():
            return _lost(Cause.CONNECTION_LOST, request)
        case _ if request.has_left:
            return _lost(Cause.SERVICE_ERROR, request)
        case _:
            # No credentials, no region: there was nothing to send with.
            return RelayError(RelayFault.SERVER_SUSPENDED, Failure(Phase.CONNECT, Cause.SERVICE_ERROR))


def _lost(cause: Cause, request: _RequestInProgress) -> Verdict:
    failure = Failure(request.phase, cause)
    return Unknown(failure) if request.has_left else Deferred(failure)
