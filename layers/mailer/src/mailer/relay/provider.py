"""A project's providers and their order.

A project's chain is its enabled providers, sorted by priority (lowest first), then by id. It never contains the
server transport.
"""

from enum import StrEnum
from typing import ClassVar

import msgspec

from mailer.relay.relay import Relay
from mailer.relay.secret_str import SecretStr

# The ids of two providers: the relay of the secret's smtp entries, and the override of a request.
ENTRIES_PROVIDER = "smtp"
OVERRIDE = "override"


class ProviderKind(StrEnum):
    """The protocol that a provider speaks."""

    SMTP = "smtp"
    SES = "ses"
    SENDGRID = "sendgrid"
    MAILGUN = "mailgun"


class ApiAccount(msgspec.Struct, frozen=True):
    """A project's account at an HTTP mail API; each provider kind has a subclass in `mailer.secret.provider`."""

    kind: ClassVar[ProviderKind]

    @property
    def endpoint(self) -> str:
        """The address that mail is sent to, without secrets."""
        raise NotImplementedError

    @property
    def destination(self) -> tuple[object, ...]:
        """Everything that decides who receives the credentials: each field that is not a `SecretStr`."""
        return tuple(value for value in msgspec.structs.astuple(self) if not isinstance(value, SecretStr))


type ProviderConfig = Relay | ApiAccount


class Provider(msgspec.Struct, frozen=True):
    """An enabled provider of a project."""

    id: str
    name: str
    priority: int
    config: ProviderConfig

    @property
    def kind(self) -> ProviderKind:
        """The provider kind."""
        return ProviderKind.SMTP if isinstance(self.config, Relay) else self.config.kind

    @property
    def endpoint(self) -> str:
        """The address that mail is sent to, without secrets.

        A message that this endpoint may have accepted is never sent to another one.
        """
        return self.config.endpoint
