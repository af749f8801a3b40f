"""Stages: a non-production stage diverts all messages to one address, or suppresses them; every result says so.

A diverted message names its original recipients in its subject and in one header only, so neither a transport nor a
reply can reach them.
"""

from copy import replace
from typing import Final

import msgspec

from mailer.message.address import Address, Mailbox
from mailer.message.draft import Draft

ORIGINAL_TO: Final = "X-Project-Smtp-Original-To"
_MAX_SHOWN = 3


class Stage(msgspec.Struct, frozen=True):
    """The address that gets all messages, or whether all are suppressed; in production neither."""

    diverts_to: Address | None = None
    suppresses: bool = False


PRODUCTION: Final = Stage()


def on_stage(draft: Draft, stage: Stage) -> Draft:
    """Return the draft as it leaves on this stage."""
    return draft if stage.diverts_to is None else _diverted(draft, stage.diverts_to)


def _diverted(draft: Draft, address: Address) -> Draft:
    meant = [mailbox.address for mailbox in (*draft.to, *draft.cc, *draft.bcc)]
    shown = [f"{{{{{{{each}}}}}}}" for each in meant[:_MAX_SHOWN]]
    if len(meant) > _MAX_SHOWN:
        shown.append(f"(+{len(meant) - _MAX_SHOWN})")
    headers = tuple(each for each in draft.headers if each[0].lower() != ORIGINAL_TO.lower())
    return replace(
        draft,
        to=(Mailbox(address),),
        cc=(),
        bcc=(),
        subject=" ".join((*shown, draft.subject)),
        headers=(*headers, (ORIGINAL_TO, ", ".join(map(str, meant)))),
    )
