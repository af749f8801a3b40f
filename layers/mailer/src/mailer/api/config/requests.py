"""Requests to change, validate and test a project's configuration; the parsers raise only `InvalidRequest`."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from mailer.api.body import Body, Object, field_names
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.message.address import Mailbox, parse_mailbox
from mailer.secret.entry_table import entries_schema

_EXAMPLE = {
    "smtpHost": "smtp.acme.example",
    "smtpPort": "587",
    "smtpUsername": "acme",
    "smtpPassword": "...",
    "smtpFromAddress": "Acme <hello@acme.example>",
}


class ConfigurationBody(Body, frozen=True, kw_only=True):
    """The entries to store in the project's secret."""

    entries: Annotated[Object, Meta(examples=[_EXAMPLE], extra_json_schema=entries_schema())]


class ValidationBody(Body, frozen=True, kw_only=True):
    """The entries to validate, as for PUT. If they are left out, the stored entries are validated."""

    entries: Annotated[Object | None, Meta(examples=[_EXAMPLE])] = None


class TrialBody(Body, frozen=True, kw_only=True):
    """The recipient of a test message."""

    to: Annotated[str, Meta(description='One address, "a@b" or "Name <a@b>".', examples=["ada@example.com"])]


def parse_change_request(body: bytes | str) -> Mapping[str, object]:
    """Return the entries to store; the secret's parser checks their values."""
    return _read_entries(body, required="Give the entries to store in the project's secret.") or {}


def parse_validate_request(body: bytes | str | None) -> Mapping[str, object] | None:
    """Return the entries to validate; None means the stored entries. The secret's parser checks their values."""
    return _read_entries(body) if body is not None and body.strip() else None


def parse_trial_request(body: bytes | str) -> Mailbox:
    """Return the recipient of the test message."""
    inspection = Inspection()
    to = inspection.members(decode_body(body), "", field_names(TrialBody)).get("to")
    mailbox = inspection.parsed(
        to,
        "/to",
        parse_mailbox,
        required="Give the address for the test message.",
        wrong_type='Give one address, "a@b" or "Name <a@b>".',
    )
    return inspection.finish_with(mailbox)


def _read_entries(body: bytes | str, *, required: str | None = None) -> Mapping[str, object] | None:
    inspection = Inspection()
    entries = inspection.members(decode_body(body), "", field_names(ConfigurationBody)).get("entries")
    if entries is None and required is not None:
        inspection.report("/entries", "required", required)
    elif entries is not None and not isinstance(entries, dict):
        inspection.report("/entries", "wrong-type", "Give an object of entries, as in the project's secret.")
    inspection.finish()
    return entries if isinstance(entries, dict) else None
