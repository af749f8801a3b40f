"""The common part of the HTTP mail APIs: it turns their answers into verdicts.

Answers become SMTP replies, so that callers read one format: 250, 451 (later), 535 (the key), 554 (never). A complete
5xx does not show whether the message was accepted, so the outcome is unknown if the whole request has left.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar

from mailer.adapters.net.https_client import Answer, Call, NoAnswer
from mailer.ports import ApiMessage
from mailer.secret.provider.mailgun import MailgunAccount
from mailer.secret.provider.sendgrid import SendgridAccount
from mailer.smtp.outcome import (
    Accepted,
    Cause,
    Deferred,
    Failure,
    Phase,
    ProbePassed,
    Rejected,
    RelayError,
    RelayFault,
    Unknown,
    Verdict,
)
from mailer.smtp.redaction import secret_detector
from mailer.smtp.reply import WITHHELD, Reply, make_reply
from mailer.smtp.verdict import judge_session

_NO_KEY = frozenset({401, 402, 403, 407})
_LATER = frozenset({408, 425})
_BEFORE_REQUEST = frozenset({Phase.RESOLVE, Phase.CONNECT, Phase.TLS})


class MailApi(ABC):
    """A provider's API for one account: its requests and its answers. The key never appears in a reply's text."""

    name: ClassVar[str]

    def __init__(self, account: SendgridAccount | MailgunAccount) -> None:
        self._account = account
        self._repeats_key = secret_detector(account.api_key)

    @abstractmethod
    def sending(self, api_message: ApiMessage) -> Call:
        """Return the request that sends the message."""

    @abstractmethod
    def probe(self, ask: Callable[[Call], Answer | NoAnswer]) -> Failure | ProbePassed:
        """Return whether the key is accepted and may send."""

    @abstractmethod
    def _authorization(self) -> str:
        """Return the value of the Authorization header."""

    @abstractmethod
    def _complaint(self, answer: Answer) -> str:
        """Return the provider's text about a failure."""

    @abstractmethod
    def _reference(self, answer: Answer) -> str | None:
        """Return the provider's id of an accepted message."""

    def _call(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        pieces: Callable[[], Iterator[bytes]] = lambda: iter(()),
        length: int = 0,
    ) -> Call:
        authorized = {"Authorization": self._authorization(), **headers}
        account = self._account
        return Call(method, account.base_url, target, authorized, pieces, length, account.ca_certificate)

    def verdict(self, outcome: Answer | NoAnswer) -> tuple[Verdict, str | None]:
        """Return the verdict for all recipients, and the provider's id if the message was accepted."""
        match outcome:
            case NoAnswer(failure, True):
                return Unknown(failure), None
            case NoAnswer(failure):
                return judge_session(failure), None
            case Answer():
                return self._answered(outcome)

    def failure(self, outcome: Answer | NoAnswer) -> Failure | ProbePassed:
        """Return the result of a request without a message: a failure or `ProbePassed`."""
        match outcome:
            case NoAnswer(failure):
                return failure if failure.phase in _BEFORE_REQUEST else Failure(Phase.AUTH, failure.cause)
            case Answer(status) if status in _NO_KEY:
                return Failure(Phase.AUTH, Cause.REPLY, self._reply(535, outcome))
            case Answer(429):
                return Failure(Phase.AUTH, Cause.THROTTLED, self._reply(451, outcome))
            case Answer(status) if 200 <= status < 300:
                return ProbePassed(is_protected=True)
            case Answer(status) if 400 <= status < 500 and status not in _LATER:
                return Failure(Phase.MAIL, Cause.REPLY, self._reply(554, outcome))
            case _:
                return Failure(Phase.AUTH, Cause.SERVICE_ERROR, self._reply(451, outcome))

    def _reply(self, code: int, answer: Answer) -> Reply:
        """Turn an answer into a reply: the status and the provider's text, printable and shortened."""
        said = self._complaint(answer)
        text = f"{self.name} answered {answer.status}"
        return make_reply(code, f"{text}: {said}" if said else text, repeats_credentials=self._repeats_key)

    def _answered(self, answer: Answer) -> tuple[Verdict, str | None]:
        status = answer.status
        if status in _NO_KEY:
            failure = Failure(Phase.AUTH, Cause.REPLY, self._reply(535, answer))
            return RelayError(RelayFault.AUTH_REJECTED, failure), None
        if status == 429:
            return Deferred(Failure(Phase.FINAL, Cause.THROTTLED, self._reply(451, answer))), None
        if status in _LATER:
            return Deferred(Failure(Phase.FINAL, Cause.TIMEOUT, self._reply(451, answer))), None
        if 400 <= status < 500:
            cause = Cause.TOO_LARGE if status == 413 else Cause.REPLY
            return Rejected(Failure(Phase.FINAL, cause, self._reply(554, answer))), None
        if answer.is_early and not 200 <= status < 300:
            return Deferred(Failure(Phase.CONTENT, Cause.SERVICE_ERROR, self._reply(451, answer))), None
        if answer.is_early or not 200 <= status < 300:
            # The answer accepts an incomplete request, is a redirect, or is a server error: the outcome is unknown.
            cause = Cause.SERVICE_ERROR if status >= 500 else Cause.PROTOCOL_VIOLATION
            return Unknown(Failure(Phase.FINAL, cause)), None
        reference = self._shown_reference(answer)
        accepted = f"Accepted by {self.name}" + (f" as {reference}" if reference is not None else "")
        return Accepted(make_reply(250, accepted)), reference

    def _shown_reference(self, answer: Answer) -> str | None:
        named = self._reference(answer)
        if not named:
            return None
        text = make_reply(250, named, repeats_credentials=self._repeats_key).text
        return text if text and text != WITHHELD else None
