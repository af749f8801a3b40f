"""The decision about a draft: transport, From, Reply-To and return-path. Sending and explaining share it."""

from enum import StrEnum
from typing import assert_never

import msgspec

from mailer.address import Address, Mailbox
from mailer.configuration import SenderPolicy
from mailer.draft import Draft
from mailer.errors import ProjectSmtpInvalid, SecretsUnavailable
from mailer.provider import Provider, ProviderKind
from mailer.resolution import (
    ConfigurationInvalid,
    ConfigurationUnavailable,
    Resolution,
    ServerReason,
    UseProjectRelay,
    UseServer,
)
from mailer.sender import FromDecision, resolve_sender


class TransportName(StrEnum):
    """What the API calls the transports."""

    PROJECT_SMTP = "project-smtp"
    PROJECT_SES = "project-ses"
    PROJECT_SENDGRID = "project-sendgrid"
    PROJECT_MAILGUN = "project-mailgun"
    SERVER_SES = "server-ses"


_TRANSPORT_OF_KIND = {
    ProviderKind.SMTP: TransportName.PROJECT_SMTP,
    ProviderKind.SES: TransportName.PROJECT_SES,
    ProviderKind.SENDGRID: TransportName.PROJECT_SENDGRID,
    ProviderKind.MAILGUN: TransportName.PROJECT_MAILGUN,
}


class ByProviders(msgspec.Struct, frozen=True):
    """By the project's providers, as this version of its secret has them: the first, and the next only after it."""

    chain: tuple[Provider, ...]
    version_id: str


class ByServer(msgspec.Struct, frozen=True):
    """By the platform's transport, and why."""

    reason: ServerReason


class Decision(msgspec.Struct, frozen=True):
    """How a draft would leave."""

    route: ByProviders | ByServer
    sender: FromDecision
    reply_to: tuple[Mailbox, ...]
    envelope_sender: Address

    @property
    def transport(self) -> TransportName:
        """The name of the transport that is asked first."""
        match self.route:
            case ByProviders(chain):
                return transport_of(chain[0])
            case ByServer():
                return TransportName.SERVER_SES
            case unreachable:
                assert_never(unreachable)


def transport_of(provider: Provider) -> TransportName:
    """Return what the API calls a provider's transport."""
    return _TRANSPORT_OF_KIND[provider.kind]


def decide(draft: Draft, resolution: Resolution, *, server_senders: SenderPolicy) -> Decision:
    """Decide how the draft leaves.

    A preferred provider is asked first, the others after it in their order; one that is not in the chain is nobody's.
    Raises `ProjectSmtpInvalid`, `SecretsUnavailable` or `SenderNotApproved` where it does not.
    """
    match resolution:
        case UseProjectRelay(configuration, version_id):
            sender = resolve_sender(draft.sender, configuration.senders)
            default_reply_to = (configuration.reply_to,) if configuration.reply_to is not None else ()
            return Decision(
                ByProviders(_preferred_first(configuration.chain, draft.preferred_provider), version_id),
                sender,
                draft.reply_to or default_reply_to,
                configuration.return_path or sender.used.address,
            )
        case UseServer(reason):
            sender = resolve_sender(draft.sender, server_senders)
            return Decision(ByServer(reason), sender, draft.reply_to, sender.used.address)
        case ConfigurationInvalid(problems):
            raise ProjectSmtpInvalid(problems)
        case ConfigurationUnavailable():
            raise SecretsUnavailable
        case unreachable:
            assert_never(unreachable)


def _preferred_first(chain: tuple[Provider, ...], preferred: str | None) -> tuple[Provider, ...]:
    return tuple(sorted(chain, key=lambda provider: provider.id != preferred))
