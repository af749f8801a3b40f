"""A valid configuration of a project: its providers and its senders."""

from enum import StrEnum

import msgspec

from mailer.message.address import Address, Mailbox
from mailer.relay.provider import Provider


class FromPolicy(StrEnum):
    """What happens to a message whose requested From is not approved."""

    SUBSTITUTE = "substitute"
    REJECT = "reject"


class SenderPolicy(msgspec.Struct, frozen=True):
    """The addresses that a transport may send from; the default is always approved.

    `display_name` is added to a From without a name; it never replaces one.
    """

    default: Mailbox
    approved: tuple[Address, ...] = ()
    from_policy: FromPolicy = FromPolicy.SUBSTITUTE
    display_name: str | None = None


class ProjectConfiguration(msgspec.Struct, frozen=True):
    """A valid project secret.

    `chain` has at least one provider, in the order in which they are tried. Without a `return_path` the envelope sender
    is the From address.
    """

    chain: tuple[Provider, ...]
    senders: SenderPolicy
    reply_to: Mailbox | None = None
    return_path: Address | None = None
