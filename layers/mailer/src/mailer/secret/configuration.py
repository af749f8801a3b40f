"""A project's configuration once it is known to be valid: its providers and the senders it may use."""

from enum import StrEnum

import msgspec

from mailer.message.address import Address, Mailbox
from mailer.relay.provider import ENTRIES_PROVIDER, Provider
from mailer.relay.relay import Relay


class FromPolicy(StrEnum):
    """What becomes of a message whose requested From is not approved."""

    SUBSTITUTE = "substitute"
    REJECT = "reject"


class SenderPolicy(msgspec.Struct, frozen=True):
    """The addresses that a transport may send as; the default is approved by itself.

    `display_name` dresses a From that has none; it never replaces one.
    """

    default: Mailbox
    approved: tuple[Address, ...] = ()
    from_policy: FromPolicy = FromPolicy.SUBSTITUTE
    display_name: str | None = None


class ProjectConfiguration(msgspec.Struct, frozen=True):
    """A valid project secret, parsed as one snapshot.

    `chain` has at least one provider, in the order in which they are asked. `return_path` is the envelope sender;
    without one the From address is.
    """

    chain: tuple[Provider, ...]
    senders: SenderPolicy
    reply_to: Mailbox | None = None
    return_path: Address | None = None

    @property
    def relay(self) -> Relay | None:
        """The relay that the flat entries name, where they name one."""
        return next(
            (each.config for each in self.chain if each.id == ENTRIES_PROVIDER and isinstance(each.config, Relay)), None
        )
