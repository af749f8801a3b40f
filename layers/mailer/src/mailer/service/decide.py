"""The decision about a draft: transport, From, Reply-To and return-path. Sending and explaining share it."""

from enum import StrEnum
from typing import assert_never

import msgspec

from mailer.address import Address, Mailbox
from mailer.configuration import SenderPolicy
from mailer.draft import Draft
from mailer.errors import ProjectSmtpInvalid, SecretsUnavailable
from mailer.relay import Relay
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
    SERVER_SES = "server-ses"


class ByRelay(msgspec.Struct, frozen=True):
    """By the project's relay, as this version of its secret has it."""

    relay: Relay
    version_id: str


class ByServer(msgspec.Struct, frozen=True):
    """By the platform's transport, and why."""

    reason: ServerReason


class Decision(msgspec.Struct, frozen=True):
    """How a draft would leave."""

    route: ByRelay | ByServer
    sender: FromDecision
    reply_to: tuple[Mailbox, ...]
    envelope_sender: Address

    @property
    def transport(self) -> TransportName:
        """The transport's name."""
        match self.route:
            case ByRelay():
                return TransportName.PROJECT_SMTP
            case ByServer():
                return TransportName.SERVER_SES
            case unreachable:
                assert_never(unreachable)


def decide(draft: Draft, resolution: Resolution, *, server_senders: SenderPolicy) -> Decision:
    """Decide how the draft leaves.

    Raises `ProjectSmtpInvalid`, `SecretsUnavailable` or `SenderNotApproved` where it does not.
    """
    match resolution:
        case UseProjectRelay(configuration, version_id):
            sender = resolve_sender(draft.sender, configuration.senders)
            default_reply_to = (configuration.reply_to,) if configuration.reply_to is not None else ()
            return Decision(
                ByRelay(configuration.relay, version_id),
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
