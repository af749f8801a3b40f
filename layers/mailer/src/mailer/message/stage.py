"""Stages: a non-production stage diverts all messages to one address, or suppresses them. Every result says so.

A diverted message names its original recipients only in its subject and in one header, so neither a transport nor a
reply can send anything to them.
"""

from copy import replace
from typing import Final

import msgspec

from mailer.message.address import Address, Mailbox
from mailer.message.draft import Draft

ORIGINAL_TO: Final = "X-Project-Smtp-Original-To"
_MAX_SHOWN = 3


class Stage(msgspec.Struct, frozen=True):
    """The stage's settings: `diverts_to` gets all messages, or `suppresses` stops them. Production sets neither."""

    diverts_to: Address | None = None
    suppresses: bool = False


PRODUCTION: Final = Stage()


def on_stage(draft: Draft, stage: Stage) -> Draft:
    """Return the draft as this stage sends it."""
    return draft if stage.diverts_to is None else _diverted(draft, stage.diverts_to)


def _diverted(draft: Draft, address: Address) -> Draft:
    originals = [mailbox.address for mailbox in (*draft.to, *draft.cc, *draft.bcc)]
    shown = [f"{{{{{{{each}}}}}}}" for each in originals[:_MAX_SHOWN]]
    if len(originals) > _MAX_SHOWN:
        shown.append(f"(+{len(originals) - _MAX_SHOWN})")
    headers = tuple(each for each in draft.headers if each[0].lower() != ORIGINAL_TO.lower())
    return replace(
        draft,
        to=(Mailbox(address),),
        cc=(),
        bcc=(),
        subject=" ".join((*shown, draft.subject)),
        headers=(*headers, (ORIGINAL_TO, ", ".join(map(str, originals)))),
    )
