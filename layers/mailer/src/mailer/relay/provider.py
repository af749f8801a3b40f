"""A project's providers: whoever may take its mail, and what each wants to know.

A project's chain is its enabled providers by ascending priority, ties by id. The server transport is in no chain.
"""

from enum import StrEnum
from typing import assert_never

import msgspec

from mailer.relay.relay import Relay
from mailer.relay.secret_str import SecretStr

# The provider that the flat smtp… entries are; the first of its project's chain unless another has its priority.
ENTRIES_PROVIDER = "smtp"
ENTRIES_PRIORITY = 0


class ProviderKind(StrEnum):
    """Whose protocol a provider speaks."""

    SMTP = "smtp"
    SES = "ses"
    SENDGRID = "sendgrid"
    MAILGUN = "mailgun"


class SesAccount(msgspec.Struct, frozen=True):
    """Amazon SES by the project's own keys."""

    access_key_id: str
    secret_access_key: SecretStr
    region: str


class SendgridAccount(msgspec.Struct, frozen=True):
    """SendGrid's v3 API; `base_url` has no path. `ca_certificate` is PEM of a private authority."""

    api_key: SecretStr
    base_url: str
    ca_certificate: str | None = None


class MailgunAccount(msgspec.Struct, frozen=True):
    """Mailgun's v3 API for one sending domain; `base_url` has no path."""

    api_key: SecretStr
    domain: str
    base_url: str
    ca_certificate: str | None = None


type ApiAccount = SesAccount | SendgridAccount | MailgunAccount
type ProviderConfig = Relay | ApiAccount


class Provider(msgspec.Struct, frozen=True):
    """An enabled provider of a project."""

    id: str
    name: str
    priority: int
    config: ProviderConfig

    @property
    def kind(self) -> ProviderKind:
        """Whose protocol it speaks."""
        match self.config:
            case Relay():
                return ProviderKind.SMTP
            case SesAccount():
                return ProviderKind.SES
            case SendgridAccount():
                return ProviderKind.SENDGRID
            case MailgunAccount():
                return ProviderKind.MAILGUN
            case unreachable:
                assert_never(unreachable)

    @property
    def endpoint(self) -> str:
        """Where its mail goes, without a secret: what may have been accepted there must not leave from elsewhere."""
        match self.config:
            case Relay(host=host, port=port):
                return f"{host}:{port}"
            case SesAccount(region=region, access_key_id=access_key_id):
                return f"ses.{region} {access_key_id}"
            case SendgridAccount(base_url=base_url):
                return base_url
            case MailgunAccount(base_url=base_url, domain=domain):
                return f"{base_url} {domain}"
            case unreachable:
                assert_never(unreachable)


def entries_provider(relay: Relay) -> Provider:
    """Return the provider that the flat entries of a secret are."""
    return Provider(ENTRIES_PROVIDER, "smtpHost", ENTRIES_PRIORITY, relay)


def chain_of(providers: tuple[Provider, ...]) -> tuple[Provider, ...]:
    """Return the providers in the order in which they are asked."""
    return tuple(sorted(providers, key=lambda provider: (provider.priority, provider.id)))
