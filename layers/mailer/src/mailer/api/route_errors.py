"""The errors that several routes have in common, by what the routes do."""

from mailer.errors import (
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
    ContentUnavailable, *_KEY,
)  # fmt: skip

TEST_ERRORS: Errors = (*_ACCEPT, RecipientsRejected, MessageRejected, ServerTransportFailed, *_RELAY)
SEND_ERRORS: Errors = (*TEST_ERRORS, TemplateNotFound, ProjectSmtpDisabled)
QUEUE_ERRORS: Errors = (*_ACCEPT, TemplateNotFound)
READ_CONFIGURATION_ERRORS: Errors = (ProjectSmtpInvalid, ProjectSmtpDisabled, SecretsUnavailable)
CHANGE_CONFIGURATION_ERRORS: Errors = (
    ProjectSmtpInvalid, ProjectSmtpDisabled, ConfigurationChanged, SecretsUnavailable, LedgerUnavailable, *_RELAY,
)  # fmt: skip
