"""Mailboxes in request bodies: "a@b", "Name <a@b>", or an object of email and name."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from mailer.api.body import Body, field_names
from mailer.input.inspection import Inspection
from mailer.message.address import (
    MAX_DISPLAY_NAME,
    InvalidAddress,
    Mailbox,
    parse_address,
    parse_display_name,
    parse_mailbox,
)

MAX_REPLY_TO = 10

type DisplayName = Annotated[str, Meta(max_length=MAX_DISPLAY_NAME)]


class MailboxBody(Body, frozen=True, kw_only=True):
    """A mailbox: an address, ASCII before the @, and a display name."""

    email: str
    name: DisplayName | None = None


class SenderBody(Body, frozen=True, kw_only=True):
    """A mailbox, or a name alone: then the default address is used with this name."""

    email: str | None = None
    name: DisplayName | None = None


type MailboxField = str | MailboxBody
type SenderField = str | SenderBody
type ReplyToField = MailboxField | Annotated[list[MailboxField], Meta(max_length=MAX_REPLY_TO)]


def read_sender(members: Mapping[str, object], inspection: Inspection) -> tuple[Mailbox | None, str | None]:
    """Return the requested From, or the name alone for the default From."""
    value = members.get("from")
    if isinstance(value, dict) and value.get("email") is None and value.get("name") is not None:
        inspection.members(value, "/from", field_names(SenderBody))
        return None, _read_name(value["name"], "/from/name", inspection)
    sender = read_mailboxes(members, "from", inspection, maximum=1)
    return sender[0] if sender else None, None


def read_mailboxes(
    members: Mapping[str, object], name: str, inspection: Inspection, *, maximum: int
) -> tuple[Mailbox, ...]:
    """Return the mailboxes of a field, which holds one or a list of them."""
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
    if not isinstance(value, str):
        inspection.report(pointer, "wrong-type", 'Give "Name <a@b>" or an object of email and name.')
        return None
    try:
        return parse_mailbox(value)
    except InvalidAddress as invalid:
        inspection.report(pointer, invalid.code, invalid.detail)
        return None


def _read_named_mailbox(value: object, pointer: str, inspection: Inspection) -> Mailbox | None:
    members = inspection.members(value, pointer, field_names(MailboxBody))
    email, name = members.get("email"), members.get("name")
    address = display_name = None
    if email is None:
        inspection.report(f"{pointer}/email", "required", "Give the address as email.")
    elif not isinstance(email, str):
        inspection.report(f"{pointer}/email", "wrong-type", "Give a string.")
    else:
        try:
            address = parse_address(email)
        except InvalidAddress as invalid:
            inspection.report(f"{pointer}/email", invalid.code, invalid.detail)
    if name is not None:
        display_name = _read_name(name, f"{pointer}/name", inspection)
    return Mailbox(address, display_name) if address else None


def _read_name(name: object, pointer: str, inspection: Inspection) -> str | None:
    if not isinstance(name, str):
        inspection.report(pointer, "wrong-type", "Give a string.")
        return None
    try:
        return parse_display_name(name)
    except InvalidAddress as invalid:
        inspection.report(pointer, invalid.code, invalid.detail)
        return None
