"""Choose the From of a message: one of the transport's approved senders, or its default."""

from copy import replace
from enum import StrEnum

import msgspec

from mailer.errors import SenderNotApproved
from mailer.message.address import Mailbox
from mailer.secret.configuration import FromPolicy, SenderPolicy


class FromReason(StrEnum):
    """Why this From is used."""

    APPROVED = "approved"
    DEFAULT = "default"
    NOT_APPROVED = "not-approved"
    OVERRIDE = "override"


class FromDecision(msgspec.Struct, frozen=True):
    """The From that was requested, the From that is used, and the reason."""

    requested: Mailbox | None
    used: Mailbox
    reason: FromReason


def resolve_sender(requested: Mailbox | None, senders: SenderPolicy, *, name: str | None = None) -> FromDecision:
    """Choose the From of a message.

    An approved address is spelled as in the configuration and gets the caller's display name. `name` is the display
    name of the default address if the request has no From. Raises `SenderNotApproved` if the policy is to reject.
    """
    default = _with_name(senders.default, senders)
    if requested is None:
        return FromDecision(None, replace(default, display_name=name or default.display_name), FromReason.DEFAULT)
    for approved in (senders.default, *map(Mailbox, senders.approved)):
        if requested.address.matches(approved.address):
            mailbox = Mailbox(approved.address, requested.display_name or approved.display_name)
            return FromDecision(requested, _with_name(mailbox, senders), FromReason.APPROVED)
    if senders.from_policy is FromPolicy.REJECT:
        raise SenderNotApproved
    return FromDecision(requested, default, FromReason.NOT_APPROVED)


def _with_name(mailbox: Mailbox, senders: SenderPolicy) -> Mailbox:
    if mailbox.display_name is None and senders.display_name is not None:
        return replace(mailbox, display_name=senders.display_name)
    return mailbox
