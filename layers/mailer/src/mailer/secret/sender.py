"""Which From address a message leaves with: the list and the default of the transport in use, never another's."""

from copy import replace
from enum import StrEnum

import msgspec

from mailer.errors import SenderNotApproved
from mailer.message.address import Mailbox
from mailer.secret.configuration import FromPolicy, SenderPolicy


class FromReason(StrEnum):
    """Why the From in use is the one it is."""

    APPROVED = "approved"
    DEFAULT = "default"
    NOT_APPROVED = "not-approved"
    OVERRIDE = "override"


class FromDecision(msgspec.Struct, frozen=True):
    """The From that was asked for, the one that is used, and why."""

    requested: Mailbox | None
    used: Mailbox
    reason: FromReason


def resolve_sender(requested: Mailbox | None, senders: SenderPolicy, *, name: str | None = None) -> FromDecision:
    """Decide the From of a message.

    An approved address is used as it is spelled in the configuration, with the caller's display name. `name` is the
    one for the default address where no address is requested. Raises `SenderNotApproved` where the policy says to
    reject rather than to substitute.
    """
    default = _dressed(senders.default, senders)
    if requested is None:
        return FromDecision(None, replace(default, display_name=name or default.display_name), FromReason.DEFAULT)
    if requested.address.matches(senders.default.address):
        name = requested.display_name or senders.default.display_name
        return FromDecision(requested, _dressed(Mailbox(senders.default.address, name), senders), FromReason.APPROVED)
    for approved in senders.approved:
        if requested.address.matches(approved):
            mailbox = Mailbox(approved, requested.display_name)
            return FromDecision(requested, _dressed(mailbox, senders), FromReason.APPROVED)
    if senders.from_policy is FromPolicy.REJECT:
        raise SenderNotApproved
    return FromDecision(requested, default, FromReason.NOT_APPROVED)


def _dressed(mailbox: Mailbox, senders: SenderPolicy) -> Mailbox:
    if mailbox.display_name is None and senders.display_name is not None:
        return replace(mailbox, display_name=senders.display_name)
    return mailbox
