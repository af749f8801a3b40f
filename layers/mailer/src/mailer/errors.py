"""The errors that end a request, and the person who acts on each. Errors with different remedies are different classes.

MailerError
├── InvalidRequest          the caller corrects the request
├── NotFound                the caller corrects the path
├── Forbidden               the caller needs another token
├── ProjectSmtpDisabled     the operator allows project relays
├── SenderNotApproved       the caller uses an approved From
├── ProjectSmtpInvalid      the project admin corrects the secret
├── SecretsUnavailable *    wait
├── LedgerUnavailable *     wait
├── ContentUnavailable *    wait
├── AcceptanceUnknown       the caller reads the message's state
├── KeyInFlight *           the caller waits for the first request
├── KeyReused               the caller uses another key
├── TemplateNotFound        the caller names an existing template
├── TemplateChanged         the admin reads the template again
├── LimitReached *          the caller waits until the window ends
├── RelayPaused *           wait; the project admin corrects what the last failure names
├── NotPossibleNow          the caller reads the message's state
├── ConfigurationChanged *  the admin reads the configuration again
└── AttemptFailed
    ├── MessageTooLarge        the caller sends less
    ├── RecipientsRejected     the caller corrects the recipients
    ├── MessageRejected        the caller corrects the message
    ├── RelayMisconfigured     the project admin corrects what the relay's reply names
    ├── RelayUnreachable *     wait
    ├── RelayDeferred *        wait
    └── ServerTransportFailed  the operator corrects the platform's SES identity
* `retryable`: the same request may succeed later, and nothing was sent.

An error is complete when it is created, and never changes afterwards.
"""

from collections.abc import Mapping
from typing import Self

import msgspec

from mailer.ledger.limits import QuotaStatus, Window
from mailer.ledger.record import AttemptRecord, PassedOver
from mailer.message.address import Address
from mailer.problem import Problem
from mailer.smtp.outcome import Failure, RelayFault, Verdict

_WINDOWS = {Window.HOUR: "an hour", Window.DAY: "a day"}


class AttemptContext(msgspec.Struct, frozen=True):
    """The attempt that an error is about.

    `transport` is the transport that was asked last. `diverted_to` is the address that gets all messages on the
    operator's stage. `failovers` are the attempts with the providers that were asked before, and the providers that
    were passed over.
    """

    transport: str | None = None
    diverted_to: Address | None = None
    failovers: tuple[AttemptRecord | PassedOver, ...] = ()


NO_ATTEMPT = AttemptContext()


class MailerError(Exception):
    """No transport has accepted the message. `code` is stable; `detail` may be shown to the project's members."""

    code: str
    detail: str
    retryable = False

    def __init__(
        self,
        detail: str | None = None,
        *,
        problems: tuple[Problem, ...] = (),
        failure: Failure | None = None,
        context: AttemptContext = NO_ATTEMPT,
    ) -> None:
        super().__init__(self.code)
        if detail is not None:
            self.detail = detail
        self.problems = problems
        self.failure = failure
        self.transport = context.transport
        self.diverted_to = context.diverted_to
        self.failovers = context.failovers

    def with_problems(self, problems: tuple[Problem, ...]) -> Self:
        """Return a copy of this error with other problems."""
        copied = type(self).__new__(type(self), *self.args)
        vars(copied).update(vars(self), problems=problems)
        return copied


class InvalidRequest(MailerError):
    """The request itself is invalid, whatever the project's configuration."""

    code = "invalid-request"
    detail = "The request is invalid. Correct each place that `problems` names."

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems=problems)


class NotFound(MailerError):
    """Nothing exists at this path."""

    code = "not-found"
    detail = (
        "There is nothing at this path. Check the path: a project's id has only letters, digits, hyphens and "
        "underscores."
    )


class Forbidden(MailerError):
    """The token does not allow this."""

    code = "forbidden"


class ProjectSmtpDisabled(MailerError):
    """The operator has switched project relays off, so no configuration can be changed."""

    code = "project-smtp-disabled"
    detail = (
        "The operator has switched project relays off: every project sends by the server transport, and no "
        "project's configuration is read or changed. Ask the operator to allow project relays."
    )


class SenderNotApproved(MailerError):
    """The requested From is not approved, and the project's policy rejects such a From."""

    code = "sender-not-approved"
    detail = (
        "The requested From is not approved for the transport in use. Use one of `smtpApprovedSenders`, or "
        "leave `from` out to send from the default address."
    )


class ProjectSmtpInvalid(MailerError):
    """The project's secret asks for a relay, but its entries are missing or invalid."""

    code = "project-smtp-invalid"
    detail = (
        "The project's SMTP configuration is invalid, so nothing was sent. Correct the entries named in `problems`; "
        "the change takes effect at once."
    )

    def __init__(
        self, problems: tuple[Problem, ...], *, detail: str | None = None, failure: Failure | None = None
    ) -> None:
        super().__init__(detail, problems=problems, failure=failure)


class SecretsUnavailable(MailerError):
    """The secret store did not answer."""

    code = "secrets-unavailable"
    detail = "The project's configuration cannot be read at the moment, so nothing was sent. Try again."
    retryable = True


class LedgerUnavailable(MailerError):
    """The ledger cannot be reached. A message is never sent before it is recorded."""

    code = "ledger-unavailable"
    detail = "The ledger does not answer at the moment, so this request has sent nothing. Try again."
    retryable = True


class ContentUnavailable(MailerError):
    """The content store cannot be reached, so the message cannot be stored for later."""

    code = "content-unavailable"
    detail = "The message cannot be stored for later at the moment, so it was not accepted. Try again."
    retryable = True


class AcceptanceUnknown(MailerError):
    """The ledger did not confirm that it stored the message with this id, so the message may be sent later, or not."""

    code = "acceptance-unknown"

    def __init__(self, id: str) -> None:
        super().__init__(
            f"The ledger did not confirm that it stored the message, which may be sent later. Before you send it "
            f"again, read the message {id}: if there is none, it was not stored. A request with an Idempotency-Key can "
            f"be repeated."
        )
        self.id = id


class KeyInFlight(MailerError):
    """A request with the same idempotency key is being served."""

    code = "idempotency-key-in-flight"
    detail = (
        "A request with this Idempotency-Key is in progress. Repeat the request after `Retry-After` to get its answer."
    )
    retryable = True


class KeyReused(MailerError):
    """The idempotency key was used for another request."""

    code = "idempotency-key-reused"
    detail = "This Idempotency-Key was used for a request with another body. Use a new key for a new request."


class TemplateNotFound(MailerError):
    """The project has no template of this name. `place` points into the request's body; None if the path names it."""

    code = "template-not-found"
    detail = (
        "The project has no template of this name. Use the exact name of a stored template; upper and lower case "
        "differ."
    )

    def __init__(self, place: str | None = None) -> None:
        super().__init__(problems=() if place is None else (Problem(self.code, self.detail, pointer=place),))


class TemplateChanged(MailerError):
    """The precondition `If-Match` or `If-None-Match` failed, and nothing was changed."""

    code = "template-changed"
    detail = "The template was changed since it was read. Read it again, and repeat with its ETag."


class LimitReached(MailerError):
    """The limit allows fewer recipients or log-ins in this window than the request has; nothing was counted.

    A repeated request may succeed after `retry_after` seconds, unless it has more of them than the whole limit.
    """

    code = "limit-reached"

    def __init__(self, quota: QuotaStatus, *, asked_for: int) -> None:
        limit, owner, unit = quota.counter.limit, quota.counter.owner, quota.counter.unit
        self.quota = quota
        self.retryable = asked_for <= limit.maximum
        self.retry_after = quota.resets_in
        remedy = f"Try again in {self.retry_after} s." if self.retryable else f"Give fewer {unit}: the limit is lower."
        super().__init__(
            f"The limit of the {owner} is {limit.maximum} {unit} in {_WINDOWS[limit.window]} (UTC): "
            f"{quota.remaining} are left, and the request has {asked_for}. {remedy}"
        )


class RelayPaused(MailerError):
    """No provider may be asked for the next `retry_after` seconds, so there was no attempt.

    With `last_failure`, the code of the last failure, the breaker is open. Without it, all slots are in use.
    """

    code = "relay-unreachable"
    retryable = True

    def __init__(self, *, retry_after: int, last_failure: str | None, context: AttemptContext = NO_ATTEMPT) -> None:
        self.retry_after = retry_after
        if last_failure is None:
            detail = f"The relay takes no more messages at this moment. Try again in {retry_after} s."
            super().__init__(detail, context=context)
            return
        remedy = (
            "Validate the project's configuration, and correct what the validation names. A change of the "
            "configuration takes effect at once."
        )
        super().__init__(
            f"The last attempts failed ({last_failure}), so the relay is not asked for a while. Nothing was sent. "
            f"Try again in {retry_after} s.",
            problems=(Problem(last_failure, remedy),),
            context=context,
        )


class NotPossibleNow(MailerError):
    """The message's state does not allow this change."""

    code = "email-state-conflict"


class ConfigurationChanged(MailerError):
    """The project's secret changed after it was read."""

    code = "configuration-changed"
    detail = "The project's secret changed after it was read. Read it again, and repeat your change."
    retryable = True


class AttemptFailed(MailerError):
    """No recipient's copy was accepted. `verdicts` has the recipients' verdicts; a validation has no recipients."""

    def __init__(
        self,
        failure: Failure,
        detail: str | None = None,
        verdicts: Mapping[Address, Verdict] | None = None,
        *,
        problems: tuple[Problem, ...] = (),
        context: AttemptContext = NO_ATTEMPT,
    ) -> None:
        super().__init__(detail, failure=failure, problems=problems, context=context)
        self.verdicts = verdicts or {}


class MessageTooLarge(AttemptFailed):
    """The message is larger than the transport accepts."""

    code = "message-too-large"
    detail = "The message is larger than the transport accepts. Send fewer or smaller attachments."


class RecipientsRejected(AttemptFailed):
    """Every recipient was rejected."""

    code = "recipients-rejected"
    detail = "The relay refused every recipient. Correct the addresses named in `rejected`."


class MessageRejected(AttemptFailed):
    """The relay rejected the message."""

    code = "message-rejected"


class RelayMisconfigured(AttemptFailed):
    """An admin must act before the relay can be used. The code is the value of the fault."""

    def __init__(
        self,
        fault: RelayFault,
        failure: Failure,
        detail: str,
        verdicts: Mapping[Address, Verdict] | None = None,
        *,
        problems: tuple[Problem, ...] = (),
        context: AttemptContext = NO_ATTEMPT,
    ) -> None:
        self.code = fault.value
        super().__init__(failure, detail, verdicts, problems=problems, context=context)


class RelayUnreachable(AttemptFailed):
    """The relay could not be reached, or sent no greeting."""

    code = "relay-unreachable"
    retryable = True


class RelayDeferred(AttemptFailed):
    """The transport deferred the message, or the session broke before anything was accepted."""

    code = "relay-deferred"
    retryable = True


class ServerTransportFailed(AttemptFailed):
    """The server transport refused the platform, not the message: its identity, account or permissions are at fault."""

    code = "server-transport-failed"
    detail = (
        "The platform's own transport refused to send. The operator corrects its sending identity, quota or "
        "permission. The project's configuration is not the cause."
    )
