"""Maps the answers of HTTP mail APIs to verdicts.

Answers become SMTP replies, so that callers read one format: 250, 451 (later), 535 (the key), 554 (never). A complete
5xx does not tell whether the message was accepted: after the request has left, the outcome is unknown.
"""

from collections.abc import Callable

import msgspec

from mailer.adapters.net.https_exchange import Answer, NoAnswer
from mailer.relay.secret_str import SecretStr
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


class Dialect(msgspec.Struct, frozen=True):
    """A provider's answer format: its name, its text about a failure, and its id of an accepted message."""

    name: str
    complaint: Callable[[Answer], str]
    reference: Callable[[Answer], str | None]


class Judge(msgspec.Struct, frozen=True):
    """Reads one provider's answers; the key is removed from their text."""

    dialect: Dialect
    key: SecretStr

    def verdict(self, outcome: Answer | NoAnswer) -> tuple[Verdict, str | None]:
        """Return the verdict for all recipients, and the provider's id where the message was accepted."""
        match outcome:
            case NoAnswer(failure, True):
                return Unknown(failure), None
            case NoAnswer(failure):
                return judge_session(failure), None
            case Answer():
                return self._answered(outcome)

    def failure(self, outcome: Answer | NoAnswer) -> Failure | ProbePassed:
        """Return the failure of a request that carried no message."""
        match outcome:
            case NoAnswer(failure):
                return failure if failure.phase in _BEFORE_REQUEST else Failure(Phase.AUTH, failure.cause)
            case Answer(status) if status in _NO_KEY:
                return Failure(Phase.AUTH, Cause.REPLY, self.reply(535, outcome))
            case Answer(429):
                return Failure(Phase.AUTH, Cause.THROTTLED, self.reply(451, outcome))
            case Answer(status) if 200 <= status < 300:
                return ProbePassed(is_protected=True)
            case Answer(status) if 400 <= status < 500 and status not in _LATER:
                return Failure(Phase.MAIL, Cause.REPLY, self.reply(554, outcome))
            case _:
                return Failure(Phase.AUTH, Cause.SERVICE_ERROR, self.reply(451, outcome))

    def reply(self, code: int, answer: Answer) -> Reply:
        """Turn an answer into a reply: the status and the provider's text, printable and shortened."""
        said = self.dialect.complaint(answer)
        text = f"{self.dialect.name} answered {answer.status}"
        return make_reply(code, f"{text}: {said}" if said else text, repeats_credentials=secret_detector(self.key))

    def _answered(self, answer: Answer) -> tuple[Verdict, str | None]:
        status = answer.status
        if status in _NO_KEY:
            failure = Failure(Phase.AUTH, Cause.REPLY, self.reply(535, answer))
            return RelayError(RelayFault.AUTH_REJECTED, failure), None
        if status == 429:
            return Deferred(Failure(Phase.FINAL, Cause.THROTTLED, self.reply(451, answer))), None
        if status in _LATER:
            return Deferred(Failure(Phase.FINAL, Cause.TIMEOUT, self.reply(451, answer))), None
        if 400 <= status < 500:
            cause = Cause.TOO_LARGE if status == 413 else Cause.REPLY
            return Rejected(Failure(Phase.FINAL, cause, self.reply(554, answer))), None
        if answer.is_early and not 200 <= status < 300:
            return Deferred(Failure(Phase.CONTENT, Cause.SERVICE_ERROR, self.reply(451, answer))), None
        if answer.is_early or not 200 <= status < 300:
            # Accepted before the request was complete, redirected, or failed: the outcome is unknown.
            cause = Cause.SERVICE_ERROR if status >= 500 else Cause.PROTOCOL_VIOLATION
            return Unknown(Failure(Phase.FINAL, cause)), None
        reference = self._reference(answer)
        accepted = f"Accepted by {self.dialect.name}" + (f" as {reference}" if reference is not None else "")
        return Accepted(make_reply(250, accepted)), reference

    def _reference(self, answer: Answer) -> str | None:
        named = self.dialect.reference(answer)
        if not named:
            return None
        text = make_reply(250, named, repeats_credentials=secret_detector(self.key)).text
        return text if text and text != WITHHELD else None
