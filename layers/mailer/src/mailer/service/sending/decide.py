"""Decide how a draft is sent: transport, From, Reply-To and return-path. Sending and explaining use this code."""

from collections.abc import Collection
from copy import replace
from enum import StrEnum
from typing import assert_never

import msgspec

from mailer.errors import InvalidRequest, ProjectSmtpInvalid, SecretsUnavailable
from mailer.message.address import Address, Mailbox
from mailer.message.draft import Draft
from mailer.problem import Problem
from mailer.relay.provider import OVERRIDE, Provider, ProviderKind
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
    """The stable names of all transports."""

    PROJECT_SMTP = "project-smtp"
    PROJECT_SES = "project-ses"
    PROJECT_SENDGRID = "project-sendgrid"
    PROJECT_MAILGUN = "project-mailgun"
    SERVER_SES = "server-ses"


_TRANSPORT_OF_KIND = {kind: TransportName(f"project-{kind}") for kind in ProviderKind}


class ByProviders(msgspec.Struct, frozen=True):
    """The project's providers in order, as this version of its secret lists them.

    With `is_override` the chain is the transport given in the request, and nothing comes from the project's secret.
    """

    chain: tuple[Provider, ...]
    version_id: str
    is_override: bool = False


class ByServer(msgspec.Struct, frozen=True):
    """The server transport, and the reason for it."""

    reason: ServerReason


class Target(msgspec.Struct, frozen=True):
    """The transport that an attempt asks: a provider of this version of the secret, or the server transport (None)."""

    provider: Provider | None = None
    version_id: str | None = None

    @property
    def transport(self) -> TransportName:
        """The transport's name."""
        return TransportName.SERVER_SES if self.provider is None else _TRANSPORT_OF_KIND[self.provider.kind]

    @property
    def endpoint(self) -> str | None:
        """The endpoint, which distinguishes two providers of the same kind."""
        return None if self.provider is None else self.provider.endpoint

    @property
    def place(self) -> tuple[str, str | None]:
        """The transport and its endpoint, as an attempt records them."""
        return self.transport.value, self.endpoint

    @property
    def provider_id(self) -> str | None:
        """The provider's id in the chain."""
        return None if self.provider is None else self.provider.id


class Decision(msgspec.Struct, frozen=True):
    """How a draft would be sent."""

    route: ByProviders | ByServer
    sender: FromDecision
    reply_to: tuple[Mailbox, ...]
    envelope_sender: Address

    @property
    def has_return_path(self) -> bool:
        """Whether the envelope sender is a return-path, not the From address."""
        return self.envelope_sender != self.sender.used.address

    @property
    def by_own_transport(self) -> bool:
        """Whether the project's own transport sends the draft."""
        return isinstance(self.route, ByProviders)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets, in the order in which they are asked."""
        match self.route:
            case ByProviders(chain, version_id):
                return tuple(Target(provider, version_id) for provider in chain)
            case ByServer():
                return (Target(),)
            case unreachable:
                assert_never(unreachable)

    @property
    def first(self) -> Target:
        """The target that is asked first."""
        return self.targets[0]

    def only_at(self, places: Collection[tuple[str, str | None]]) -> "Decision":
        """Return the decision without the providers at other places; at least one provider must be at `places`."""
        if not isinstance(self.route, ByProviders):
            return self
        kept = tuple(target.provider for target in self.targets if target.provider and target.place in places)
        return replace(self, route=replace(self.route, chain=kept))


def decide(draft: Draft, resolution: Resolution, *, server_senders: SenderPolicy) -> Decision:
    """Decide how the draft is sent.

    The preferred provider comes first, and the others keep their order; a preferred provider that is not in the chain
    is ignored. Raises `ProjectSmtpInvalid`, `SecretsUnavailable` and `SenderNotApproved`.
    """
    match resolution:
        case UseProjectRelay(configuration, version_id):
            sender = resolve_sender(draft.sender, configuration.senders, name=draft.sender_name)
            default_reply_to = (configuration.reply_to,) if configuration.reply_to is not None else ()
            chain = sorted(configuration.chain, key=lambda provider: provider.id != draft.preferred_provider)
            return Decision(
                ByProviders(tuple(chain), version_id),
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
    """Decide how a draft is sent by the override; raises `InvalidRequest` if the draft has no From.

    The project's senders belong to the project's own transport, so there is no default From.
    """
    if draft.sender is None:
        remedy = "Give the From: an override has no default sender."
        raise InvalidRequest(Problem("required", remedy, pointer="/from"))
    sender = FromDecision(draft.sender, draft.sender, FromReason.OVERRIDE)
    route = ByProviders((Provider(OVERRIDE, OVERRIDE, 0, relay),), OVERRIDE, is_override=True)
    return Decision(route, sender, draft.reply_to, draft.sender.address)


def demand_preferred(draft: Draft, resolution: Resolution) -> None:
    """Raise `InvalidRequest` if the preferred provider is not an enabled provider of the project.

    This is checked on acceptance only: if the provider is removed later, the others send the message.
    """
    preferred = draft.preferred_provider
    if preferred is None:
        return
    match resolution:
        case UseProjectRelay(configuration):
            if any(provider.id == preferred for provider in configuration.chain):
                return
            remedy = "Name an enabled provider of the project by its id, or leave the field out."
        case UseServer():
            remedy = "Leave the field out: the project's mail leaves by the server transport, not by its own providers."
        case ConfigurationInvalid() | ConfigurationUnavailable():
            return
        case unreachable:
            assert_never(unreachable)
    raise InvalidRequest(Problem("unknown-provider", remedy, pointer="/preferred_provider"))
