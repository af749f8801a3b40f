"""A valid configuration of a project: its providers and its senders."""

from enum import StrEnum

import msgspec

from mailer.message.address import Address, Mailbox
from mailer.relay.provider import Provider


class FromPolicy(StrEnum):
    """What to do with a message if its requested From is not approved."""

    SUBSTITUTE = "substitute"
    REJECT = "reject"


class SenderPolicy(msgspec.Struct, frozen=True):
    """The From addresses that a transport may use; the default From is always approved.

    `display_name` is added to a From without a name; it never replaces one.
    """

    default: Mailbox
    approved: tuple[Address, ...] = ()
    from_policy: FromPolicy = FromPolicy.SUBSTITUTE
    display_name: str | None = None


class ProjectConfiguration(msgspec.Struct, frozen=True):
    """A valid project secret.

    `chain` has at least one provider; the first is tried first. Without a `return_path` the envelope sender
    is the From address.
    """

    chain: tuple[Provider, ...]
    senders: SenderPolicy
    reply_to: Mailbox | None = None
    return_path: Address | None = None
