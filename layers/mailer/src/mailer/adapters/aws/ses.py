"""Amazon SES, one SESv2 SendEmail request per attempt: the server transport, and projects' own accounts.

Two rules. First: the message is raw and the envelope is the explicit destination, so SES gets the same octets as other
transports and delivers to the envelope only. Parameters that SES would write into the headers are not used. Second: the
last octet of the request is like the final dot in SMTP. If the request fails before this octet was sent, the message
was provably not accepted. After it, a failure means unknown.
"""

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from mailer.adapters.aws.ses_answers import PLATFORM, Owner, Unaccepted, judge_loss, judge_refusal
from mailer.adapters.aws.session import SES_CONNECT_TIMEOUT, SES_READ_TIMEOUT, Unanswered, answer, open_client
from mailer.adapters.net.elapsed import Clocks, Moment
from mailer.message.message import Message
from mailer.smtp.outcome import Accepted, Attempt, Cause, Deferred, Failure, Phase, ProbePassed
from mailer.smtp.reply import Reply, make_reply

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import SendEmailRequestTypeDef

# An idle connection may be dead after the environment was frozen. A request on it would end as unknown.
_MAX_IDLE_SECONDS = 5.0
_MINIMUM_READ_SECONDS = 1.0
# SES refuses tags with other characters, and tags without a value.
_UNTAGGABLE = re.compile(r"[^A-Za-z0-9_-]")
_NO_VALUE = "true"
_CALL_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


class SesTransport:
    """Implements `ServerTransport` on SESv2; safe to share between threads."""

    def __init__(
        self,
        client_factory: Callable[[], "SESV2Client"],
        *,
        configuration_set_name: str | None = None,
        owner: Owner = PLATFORM,
        clocks: Clocks = Clocks(),  # noqa: B008 -- frozen, with two functions only
    ) -> None:
        self._client_factory = client_factory
        self._configuration_set_name = configuration_set_name
        self._owner = owner
        self._clocks = clocks
        self._lock = threading.Lock()
        self._watched: SESV2Client | None = None
        self._last_used: Moment | None = None
        self._current = _Current()

    def send(self, message: Message, *, deadline: float, before_end: Callable[[], None] = lambda: None) -> Attempt:
        """Make one attempt with exactly one request; failures of SES are returned as verdicts, never raised."""
        too_late = Attempt.uniform(message.recipients, Deferred(Failure(Phase.CONNECT, Cause.TOO_LITTLE_TIME)))
        if self._request(deadline) is None:
            return too_late
        before_end()
        # `before_end` may have used much of the time.
        request = self._request(deadline)
        if request is None:
            return too_late
        parameters = self._parameters(message)
        try:
            response = self._ask(request, lambda client: client.send_email(**parameters))
        except _Refused as refused:
            return Attempt.uniform(message.recipients, refused.verdict)
        # In a truncated answer the id is missing: botocore reads a broken body as an empty one.
        message_id = response.get("MessageId")
        if not message_id:
            return Attempt.uniform(message.recipients, judge_loss(Cause.PROTOCOL_VIOLATION, has_left=request.has_left))
        accepted = Accepted(make_reply(250, f"Accepted by SES as {message_id}"))
        return Attempt(dict.fromkeys(message.recipients, accepted), message_id)

    def probe(self, *, deadline: float) -> Failure | ProbePassed:
        """Read the account's state without sending; return the failure that would stop a send, or `ProbePassed`."""
        request = self._request(deadline)
        if request is None:
            return Failure(Phase.CONNECT, Cause.TOO_LITTLE_TIME)
        try:
            response = self._ask(request, lambda client: client.get_account())
        except _Refused as refused:
            # AWS denies this call but accepts the key. Only a send shows whether the key may send.
            return ProbePassed(is_protected=True) if refused.code in _CALL_DENIED else refused.verdict.failure
        if response.get("SendingEnabled") is False:
            return Failure(Phase.MAIL, Cause.REPLY, Reply(554, "Sending is paused for this account in this region"))
        return ProbePassed(is_protected=True)

    def close(self) -> None:
        """Drop the idle connections."""
        if self._watched is not None:
            self._watched.close()

    def _request(self, deadline: float) -> "_Request | None":
        """Return a new request; None if too little time remains for its answer."""
        seconds = deadline - self._clocks.monotonic() - SES_CONNECT_TIMEOUT
        return None if seconds < _MINIMUM_READ_SECONDS else _Request(min(SES_READ_TIMEOUT, seconds))

    def _ask[T](self, request: "_Request", make: Callable[["SESV2Client"], T]) -> T:
        """Make one request; raises `_Refused` if there is no successful answer."""
        self._current.request = request
        try:
            client = open_client(self._client)
            return answer(lambda: make(client))
        except Unanswered as unanswered:
            verdict = judge_refusal(unanswered, self._owner, has_left=request.has_left)
            raise _Refused(verdict, unanswered.code) from unanswered
        finally:
            self._current.request = None
            self._last_used = self._clocks.now()

    def _parameters(self, message: Message) -> "SendEmailRequestTypeDef":
        # Without FromEmailAddress SES keeps the From of the message; with it, SES would rewrite the header.
        parameters: SendEmailRequestTypeDef = {
            "Destination": {"ToAddresses": [str(recipient) for recipient in message.recipients]},
            "Content": {"Raw": {"Data": message.as_bytes()}},
        }
        if message.tags:
            parameters["EmailTags"] = [
                {"Name": name, "Value": _UNTAGGABLE.sub("_", value) or _NO_VALUE} for name, value in message.tags
            ]
        if self._configuration_set_name is not None:
            parameters["ConfigurationSetName"] = self._configuration_set_name
        return parameters

    def _client(self) -> "SESV2Client":
        client = self._client_factory()
        with self._lock:
            if self._watched is not client:
                client.meta.events.register("before-send.sesv2", self._watch)
                self._watched = client
            elif self._last_used is not None and self._clocks.seconds_since(self._last_used) > _MAX_IDLE_SECONDS:
                client.close()
        return client

    def _watch(self, request: "_PreparedRequest", **_: object) -> None:
        in_progress = self._current.request
        if in_progress is None:
            return
        request.context["read_timeout"] = in_progress.read_timeout
        if not request.body:
            return
        in_progress.octets = request.body.encode() if isinstance(request.body, str) else bytes(request.body)
        request.body = in_progress


class _Refused(Exception):
    """The request has no successful answer; `code` is the code from SES or botocore, if there is one."""

    def __init__(self, verdict: Unaccepted, code: str | None = None) -> None:
        super().__init__(code)
        self.verdict = verdict
        self.code = code


class _PreparedRequest(Protocol):
    """botocore's prepared request."""

    body: "str | bytes | bytearray | _Request | None"
    context: dict[str, object]


class _Request:
    """One attempt's request. It is the body that botocore reads, and it has the seconds to wait for the answer.

    `has_left` becomes true when the last octet is read: from then on the whole request may have reached SES.
    """

    def __init__(self, read_timeout: float) -> None:
        self.read_timeout = read_timeout
        self.octets = b""
        self.has_left = False
        self._position = 0

    def __bytes__(self) -> bytes:
        return self.octets

    def read(self, size: int = -1) -> bytes:
        """Return the next octets; empty at the end."""
        end = len(self.octets) if size < 0 else self._position + size
        piece = self.octets[self._position : end]
        self._position += len(piece)
        self.has_left = self._position == len(self.octets)
        return piece


class _Current(threading.local):
    """The current thread's request. It is needed because botocore's hook does not name the attempt."""

    request: _Request | None = None
