"""The errors that several routes have in common, in groups for sending, queueing and configuration."""

from mailer.api import scopes
from mailer.api.route import Need
from mailer.errors import (
    AcceptanceUnknown,
    ConfigurationChanged,
    ContentUnavailable,
    KeyInFlight,
    KeyReused,
    LedgerUnavailable,
    LimitReached,
    MailerError,
    MessageRejected,
    MessageTooLarge,
    ProjectSmtpDisabled,
    ProjectSmtpInvalid,
    RecipientsRejected,
    RelayDeferred,
    RelayMisconfigured,
    RelayPaused,
    RelayUnreachable,
    SecretsUnavailable,
    SenderNotApproved,
    ServerTransportFailed,
    TemplateNotFound,
)

type Errors = tuple[type[MailerError], ...]

_RELAY: Errors = (RelayMisconfigured, RelayUnreachable, RelayDeferred)
_KEY: Errors = (KeyInFlight, KeyReused)
_ACCEPT: Errors = (
    ProjectSmtpInvalid, SenderNotApproved, LimitReached, MessageTooLarge, SecretsUnavailable, LedgerUnavailable,
    ContentUnavailable, AcceptanceUnknown, *_KEY,
)  # fmt: skip

TEST_ERRORS: Errors = (*_ACCEPT, RecipientsRejected, MessageRejected, ServerTransportFailed, *_RELAY, RelayPaused)
SEND_ERRORS: Errors = (*TEST_ERRORS, TemplateNotFound, ProjectSmtpDisabled)
QUEUE_ERRORS: Errors = (*_ACCEPT, TemplateNotFound)
READ_CONFIGURATION = Need((scopes.READ_CONFIGURATION,), (ProjectSmtpInvalid, ProjectSmtpDisabled, SecretsUnavailable))
_CHANGE: Errors = (
    ProjectSmtpInvalid, ProjectSmtpDisabled, ConfigurationChanged, SecretsUnavailable, LedgerUnavailable, LimitReached,
    *_RELAY,
)  # fmt: skip
CHANGE_CONFIGURATION = Need((scopes.WRITE_CONFIGURATION,), _CHANGE)
