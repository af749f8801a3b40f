"""Mailboxes in request bodies: "a@b", "Name <a@b>", or an object of email and name."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from mailer.api.body import Body, field_names
from mailer.input.inspection import Inspection
from mailer.message.address import MAX_DISPLAY_NAME, Mailbox, parse_address, parse_display_name, parse_mailbox

MAX_REPLY_TO = 10
_FORMS = 'Give "Name <a@b>" or an object of email and name.'

type DisplayName = Annotated[str, Meta(max_length=MAX_DISPLAY_NAME)]


class MailboxBody(Body, frozen=True, kw_only=True):
    """A mailbox: an address, with only ASCII before the @, and a display name."""

    email: str
    name: DisplayName | None = None


class SenderBody(Body, frozen=True, kw_only=True):
    """A mailbox. If it has only a name, the default address is used with this name."""

    email: str | None = None
    name: DisplayName | None = None


type MailboxField = str | MailboxBody
type SenderField = str | SenderBody
type ReplyToField = MailboxField | Annotated[list[MailboxField], Meta(max_length=MAX_REPLY_TO)]


def read_sender(members: Mapping[str, object], inspection: Inspection) -> tuple[Mailbox | None, str | None]:
    """Return the requested From, and the display name if only a name is given. Each may be None."""
    value = members.get("from")
    if isinstance(value, dict) and value.get("email") is None and value.get("name") is not None:
        inspection.members(value, "/from", field_names(SenderBody))
        return None, inspection.parsed(value["name"], "/from/name", parse_display_name)
    sender = read_mailboxes(members, "from", inspection, maximum=1)
    return sender[0] if sender else None, None


def read_mailboxes(
    members: Mapping[str, object], name: str, inspection: Inspection, *, maximum: int
) -> tuple[Mailbox, ...]:
    """Return the mailboxes of a field; its value is one mailbox or a list of mailboxes."""
    if name not in members:
        return ()
    pointer = f"/{name}"
    value = members[name]
    if not isinstance(value, list):
        mailbox = _read_mailbox(value, pointer, inspection)
        return () if mailbox is None else (mailbox,)
    if len(value) > maximum:
        inspection.report(pointer, "too-many-addresses", f"Give at most {maximum} here.")
        return ()
    read = (_read_mailbox(item, f"{pointer}/{index}", inspection) for index, item in enumerate(value))
    return tuple(mailbox for mailbox in read if mailbox is not None)


def _read_mailbox(value: object, pointer: str, inspection: Inspection) -> Mailbox | None:
    if isinstance(value, dict):
        return _read_named_mailbox(value, pointer, inspection)
    if value is None:
        # Only an item of a list can be null here: a field that is null is absent.
        inspection.report(pointer, "wrong-type", _FORMS)
    return inspection.parsed(value, pointer, parse_mailbox, wrong_type=_FORMS)


def _read_named_mailbox(value: object, pointer: str, inspection: Inspection) -> Mailbox | None:
    members = inspection.members(value, pointer, field_names(MailboxBody))
    address = inspection.parsed(
        members.get("email"), f"{pointer}/email", parse_address, required="Give the address as email."
    )
    name = inspection.parsed(members.get("name"), f"{pointer}/name", parse_display_name)
    return Mailbox(address, name) if address else None
