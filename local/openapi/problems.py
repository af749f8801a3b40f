"""The problems: examples of each, made by the code that answers with it."""

from collections.abc import Callable, Collection, Iterator

import msgspec
from mailer import errors
from mailer.api.exchange import Answer, answer_bug, answer_error
from mailer.ledger.limits import Counter, Limit, QuotaStatus, Window
from mailer.message.address import Address
from mailer.problem import Problem
from mailer.smtp.outcome import Cause, Failure, Phase, Rejected, RelayFault
from mailer.smtp.reply import Reply

from local.openapi.answered import INTERNAL_ERROR

_INSTANCE = "JKJaXmPLvHcESHA="


def _failure(phase: Phase, code: int, enhanced_code: str, words: str) -> Failure:
    return Failure(phase, Cause.REPLY, Reply(code, f"{enhanced_code} {words}", enhanced_code))


def _errors() -> Iterator[errors.MailerError]:
    yield errors.InvalidRequest(Problem("required", "Give at least one recipient.", pointer="/to"))
    yield errors.NotFound()
    yield errors.Forbidden("The token lacks the scope email:send.")
    yield errors.ProjectSmtpDisabled()
    yield errors.SenderNotApproved()
    yield errors.ProjectSmtpInvalid((Problem("missing", "Add the entry smtpPort.", entry="smtpPort"),))
    yield errors.SecretsUnavailable()
    yield errors.LedgerUnavailable()
    yield errors.ContentUnavailable()
    yield errors.KeyInFlight()
    yield errors.KeyReused()
    yield errors.TemplateNotFound("/template")
    yield errors.TemplateChanged()
    yield errors.LimitReached(
        QuotaStatus(Counter("project", Limit(100, Window.HOUR)), used=100, resets_in=1260), asked_for=1
    )
    yield errors.NotPossibleNow("The message is sent: somebody has it.")
    yield errors.ConfigurationChanged()
    yield errors.MessageTooLarge("The relay takes at most 10 MB, and the message has more.")
    unknown_user = _failure(Phase.RCPT, 550, "5.1.1", "unknown user")
    yield errors.RecipientsRejected({Address("bob", "example.com"): Rejected(unknown_user)}, unknown_user)
    spam = _failure(Phase.FINAL, 554, "5.7.1", "looks like spam")
    yield errors.MessageRejected(spam, "The relay refused the message: its reply says why.")
    for fault, failure, words in (
        (RelayFault.AUTH_REJECTED, _failure(Phase.AUTH, 535, "5.7.8", "bad credentials"), "rejected the credentials"),
        (RelayFault.TLS_FAILED, Failure(Phase.TLS, Cause.CERTIFICATE_HOST_MISMATCH), "has another host's certificate"),
        (RelayFault.HOST_BLOCKED, Failure(Phase.RESOLVE, Cause.HOST_BLOCKED), "has a private address"),
    ):
        yield errors.RelayMisconfigured(fault, failure, f"The relay {words}.")
    yield errors.RelayMisconfigured(
        RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.OAUTH_CLIENT_REJECTED), "The client secret has expired."
    )
    yield errors.RelayUnreachable(Failure(Phase.CONNECT, Cause.REFUSED), "The relay refused the connection.")
    yield errors.RelayUnreachable(Failure(Phase.EHLO, Cause.PROTOCOL_VIOLATION), "The relay speaks no SMTP.")
    yield errors.RelayDeferred(Failure(Phase.DATA, Cause.TIMEOUT), "The relay did not answer in time.", {})
    yield errors.RelayDeferred(_failure(Phase.MAIL, 451, "4.7.1", "try again later"), "The relay is busy.", {})
    suspended = _failure(Phase.MAIL, 554, "5.7.0", "sending paused")
    yield errors.ServerTransportFailed("The platform's transport cannot send.", failure=suspended)


ERRORS = tuple(_errors())


class Refusal(msgspec.Struct, frozen=True):
    """How a route says that something is wrong: `refuse` an error, `fail` a bug, as an answer of this schema."""

    schema: str
    refuse: Callable[[errors.MailerError], Answer]
    fail: Callable[[str], Answer]

    def answers(self, codes: Collection[str]) -> Iterator[tuple[str, Answer]]:
        """Yield an answer for each way in which these errors, and a bug, are told; the name is the error's code."""
        yield from ((error.code, self.refuse(error)) for error in ERRORS if error.code in codes)
        yield INTERNAL_ERROR, self.fail(_INSTANCE)


OURS = Refusal(
    "Problem", lambda error: answer_error(error, instance=_INSTANCE), lambda instance: answer_bug(instance=instance)
)
