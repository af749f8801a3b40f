"""Why a request ends without a message sent, each named because somebody acts differently on it.

MailerError
├── InvalidRequest          the caller mends the request
├── NotFound                the caller asks for a path that there is
├── Forbidden               the caller needs another token
├── ProjectSmtpDisabled     the operator allows project relays
├── SenderNotApproved       the caller uses an approved From
├── ProjectSmtpInvalid      the project admin mends the secret
├── SecretsUnavailable *    wait
├── LedgerUnavailable *     wait
├── ContentUnavailable *    wait
├── KeyInFlight *           the caller waits for the first request
├── KeyReused               the caller takes another key
├── TemplateNotFound        the caller names a template that there is
├── TemplateChanged         the admin reads the template again
├── LimitReached *          the caller waits until the window ends
├── NotPossibleNow          the caller looks at the message's state
├── ConfigurationChanged *  the admin reads the configuration again
├── MessageTooLarge         the caller sends less
├── RecipientsRejected      the caller mends the recipients
├── MessageRejected         the caller mends the message
├── RelayMisconfigured      the project admin mends what the relay's answer shows
├── RelayUnreachable *      wait
├── RelayDeferred *         wait
└── ServerTransportFailed   the operator mends the platform's SES identity
* `retryable`: the same request may succeed later, and nothing has been sent.
"""

from collections.abc import Mapping

from mailer.ledger.limits import QuotaStatus, Window
from mailer.ledger.record import AttemptRecord
from mailer.message.address import Address
from mailer.problem import Problem
from mailer.smtp.outcome import Failure, RelayFault, Verdict

_WINDOWS = {Window.HOUR: "an hour", Window.DAY: "a day"}


class MailerError(Exception):
    """Nothing was accepted by any transport; `code` is stable, `detail` is safe to show to the project's members.

    `transport` names the transport that was asked, where one was, and `diverted_to` who would have got the message
    where the operator's stage has all messages go to one address. `failovers` are the attempts with the project's other
    providers, before the one that `failure` is about.
    """

    code: str
    retryable = False
    transport: str | None = None
    diverted_to: Address | None = None
    failovers: tuple[AttemptRecord, ...] = ()

    def __init__(self, detail: str, *, problems: tuple[Problem, ...] = (), failure: Failure | None = None) -> None:
        super().__init__(self.code)
        self.detail = detail
        self.problems = problems
        self.failure = failure


class InvalidRequest(MailerError):
    """The request is not one that can be served, whatever the project's configuration."""

    code = "invalid-request"

    def __init__(self, *problems: Problem) -> None:
        super().__init__("The request has problems: see `problems` for each place and its remedy.", problems=problems)


class NotFound(MailerError):
    """There is nothing at this path."""

    code = "not-found"

    def __init__(self) -> None:
        super().__init__("There is nothing at this path. A project's id has letters, digits, hyphens and underscores.")


class Forbidden(MailerError):
    """The token does not allow this."""

    code = "forbidden"


class ProjectSmtpDisabled(MailerError):
    """The operator has switched project relays off, so there is no configuration to change."""

    code = "project-smtp-disabled"

    def __init__(self) -> None:
        super().__init__(
            "The operator has switched project relays off: every project sends by the server transport, and no "
            "project's configuration is read or changed."
        )


class SenderNotApproved(MailerError):
    """The requested From is not approved and the project's policy is to reject."""

    code = "sender-not-approved"

    def __init__(self) -> None:
        super().__init__(
            "The requested From is not approved for the transport in use. Use one of `smtpApprovedSenders`, or "
            "leave `from` out to send from the default address."
        )


class ProjectSmtpInvalid(MailerError):
    """The project's secret asks for a relay and cannot name one."""

    code = "project-smtp-invalid"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(
            "The project's SMTP configuration is invalid, so nothing was sent. A project admin corrects the entries "
            "named in `problems`; the change takes effect at once.",
            problems=problems,
        )


class SecretsUnavailable(MailerError):
    """The secret store gave no answer about the project's secret."""

    code = "secrets-unavailable"
    retryable = True

    def __init__(self) -> None:
        super().__init__("The project's configuration cannot be read at the moment, so nothing was sent. Try again.")


class LedgerUnavailable(MailerError):
    """The ledger cannot be reached: nothing is sent that is not written down first."""

    code = "ledger-unavailable"
    retryable = True

    def __init__(self) -> None:
        super().__init__("What becomes of the message cannot be written down at the moment, so nothing was sent.")


class ContentUnavailable(MailerError):
    """The store of contents cannot be reached, so the message cannot be kept for later."""

    code = "content-unavailable"
    retryable = True

    def __init__(self) -> None:
        super().__init__("The message cannot be kept for later at the moment, so it was not accepted.")


class KeyInFlight(MailerError):
    """A request with the same idempotency key is being served."""

    code = "idempotency-key-in-flight"
    retryable = True

    def __init__(self) -> None:
        super().__init__("A request with this Idempotency-Key is being served; ask again for its answer.")


class KeyReused(MailerError):
    """The idempotency key stands for another request."""

    code = "idempotency-key-reused"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used for a request with another body. Use a new key for a new request."
        )


class TemplateNotFound(MailerError):
    """The project has no template of this name; `place` is where a request names it, None where its path does."""

    code = "template-not-found"

    def __init__(self, place: str | None = None) -> None:
        detail = "The project has no template of this name; names are compared exactly."
        problems = () if place is None else (Problem(self.code, detail, pointer=place),)
        super().__init__(detail, problems=problems)


class TemplateChanged(MailerError):
    """What `If-Match` or `If-None-Match` asks of the template is not so, and nothing was changed."""

    code = "template-changed"

    def __init__(self) -> None:
        super().__init__("The template is not as the request expects it. Read it again, and repeat with its ETag.")


class LimitReached(MailerError):
    """So many copies may not be sent in this window; nothing was counted.

    Repeating it helps after `retry_after` seconds, and never where the message alone has more recipients than that.
    """

    code = "limit-reached"

    def __init__(self, quota: QuotaStatus, *, asked_for: int) -> None:
        limit, owner = quota.counter.limit, quota.counter.owner
        self.quota = quota
        self.retryable = asked_for <= limit.maximum
        self.retry_after = quota.resets_in
        remedy = (
            f"Try again in {self.retry_after} s." if self.retryable else "Give fewer recipients: it can never be sent."
        )
        super().__init__(
            f"The limit of the {owner} is {limit.maximum} recipients in {_WINDOWS[limit.window]} (UTC): "
            f"{quota.remaining} are left, and {asked_for} were asked for. {remedy}"
        )


class NotPossibleNow(MailerError):
    """The message is in a state that does not allow what was asked."""

    code = "email-state-conflict"


class ConfigurationChanged(MailerError):
    """Somebody else has changed the project's secret meanwhile."""

    code = "configuration-changed"
    retryable = True

    def __init__(self) -> None:
        super().__init__("The project's secret was changed by somebody else meanwhile. Read it again, and repeat.")


class MessageTooLarge(MailerError):
    """The message is larger than the transport takes."""

    code = "message-too-large"


class RecipientsRejected(MailerError):
    """Every recipient was refused for good; `verdicts` has each one's reply."""

    code = "recipients-rejected"

    def __init__(self, verdicts: Mapping[Address, Verdict], failure: Failure) -> None:
        super().__init__(
            "The relay refused every recipient. Correct the addresses named in `rejected`.", failure=failure
        )
        self.verdicts = verdicts


class MessageRejected(MailerError):
    """The relay refused the message for good."""

    code = "message-rejected"

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(detail, failure=failure)


class RelayMisconfigured(MailerError):
    """The relay cannot be used before an admin has acted; the fault's name is the code."""

    def __init__(self, fault: RelayFault, failure: Failure, detail: str, problems: tuple[Problem, ...] = ()) -> None:
        self.code = fault.value
        super().__init__(detail, failure=failure, problems=problems)


class RelayUnreachable(MailerError):
    """No conversation with the relay came about."""

    code = "relay-unreachable"
    retryable = True

    def __init__(self, failure: Failure, detail: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(detail, failure=failure, problems=problems)


class RelayDeferred(MailerError):
    """The transport asked us to come back later, or the conversation broke before anything was accepted."""

    code = "relay-deferred"
    retryable = True

    def __init__(self, failure: Failure, detail: str, verdicts: Mapping[Address, Verdict]) -> None:
        super().__init__(detail, failure=failure)
        self.verdicts = verdicts


class ServerTransportFailed(MailerError):
    """The platform's own transport refused us, not the message: identity, suspension or permission."""

    code = "server-transport-failed"
