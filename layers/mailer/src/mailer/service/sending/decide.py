"""The decision about a draft: transport, From, Reply-To and return-path. Sending and explaining share it."""

from enum import StrEnum
from typing import assert_never

import msgspec

from mailer.errors import InvalidRequest, ProjectSmtpInvalid, SecretsUnavailable
from mailer.message.address import Address, Mailbox
from mailer.message.draft import Draft
from mailer.problem import Problem
from mailer.relay.override import OVERRIDE, override_provider
from mailer.relay.provider import Provider, ProviderKind
from mailer.relay.relay import Relay
from mailer.secret.configuration import SenderPolicy
from mailer.secret.resolution import (
    ConfigurationInvalid,
    ConfigurationUnavailable,
    Resolution,
    ServerReason,
    UseProjectRelay,
    UseServer,
)
from mailer.secret.sender import FromDecision, FromReason, resolve_sender


class TransportName(StrEnum):
    """What the API calls the transports."""

    PROJECT_SMTP = "project-smtp"
    PROJECT_SES = "project-ses"
    PROJECT_SENDGRID = "project-sendgrid"
    PROJECT_MAILGUN = "project-mailgun"
    SERVER_SES = "server-ses"


_TRANSPORT_OF_KIND = {kind: TransportName(f"project-{kind}") for kind in ProviderKind}


class ByProviders(msgspec.Struct, frozen=True):
    """By the project's providers, as this version of its secret has them: the first, and the next only after it.

    `is_override` where the message brought its transport along: then nothing of the project's secret is in it.
    """

    chain: tuple[Provider, ...]
    version_id: str
    is_override: bool = False


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
            sender = resolve_sender(draft.sender, configuration.senders, name=draft.sender_name)
            default_reply_to = (configuration.reply_to,) if configuration.reply_to is not None else ()
            return Decision(
                ByProviders(_preferred_first(configuration.chain, draft.preferred_provider), version_id),
                sender,
                draft.reply_to or default_reply_to,
                configuration.return_path or sender.used.address,
            )
        case UseServer(reason):
            sender = resolve_sender(draft.sender, server_senders, name=draft.sender_name)
            return Decision(ByServer(reason), sender, draft.reply_to, sender.used.address)
        case ConfigurationInvalid(problems):
            raise ProjectSmtpInvalid(problems)
        case ConfigurationUnavailable():
            raise SecretsUnavailable
        case unreachable:
            assert_never(unreachable)


def decide_override(draft: Draft, relay: Relay) -> Decision:
    """Decide how a draft leaves by a transport that it brought along; raises `InvalidRequest` without a From.

    The From is the caller's: the project's senders belong to the project's transport.
    """
    if draft.sender is None:
        remedy = "Give the From: no default belongs to a transport that comes with the message."
        raise InvalidRequest(Problem("required", remedy, pointer="/from"))
    sender = FromDecision(draft.sender, draft.sender, FromReason.OVERRIDE)
    route = ByProviders((override_provider(relay),), OVERRIDE, is_override=True)
    return Decision(route, sender, draft.reply_to, draft.sender.address)


def _preferred_first(chain: tuple[Provider, ...], preferred: str | None) -> tuple[Provider, ...]:
    return tuple(sorted(chain, key=lambda provider: provider.id != preferred))
