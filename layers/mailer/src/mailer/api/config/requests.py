"""Requests to change, validate and test a project's configuration; the parsers raise only `InvalidRequest`."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from mailer.api.access import unknown_parameters
from mailer.api.body import Body, Object, field_names
from mailer.errors import InvalidRequest
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.ledger.held import HeldChoice
from mailer.message.address import Mailbox, parse_mailbox
from mailer.problem import Problem
from mailer.secret.entry_table import entries_schema

_EXAMPLE = {
    "smtpHost": "smtp.acme.example",
    "smtpPort": "587",
    "smtpUsername": "acme",
    "smtpPassword": "...",
    "smtpFromAddress": "Acme <hello@acme.example>",
}


HELD = "held"
_HELD_REMEDY = f"Give one of: {', '.join(HeldChoice)}."


class ConfigurationBody(Body, frozen=True, kw_only=True):
    """The entries to store in the project's secret."""

    entries: Annotated[Object, Meta(examples=[_EXAMPLE], extra_json_schema=entries_schema())]


class ValidationBody(Body, frozen=True, kw_only=True):
    """The entries to validate, as for PUT. If they are left out, the stored entries are validated."""

    entries: Annotated[Object | None, Meta(examples=[_EXAMPLE])] = None


class TrialBody(Body, frozen=True, kw_only=True):
    """The recipient of a test message."""

    to: Annotated[str, Meta(description='One address, "a@b" or "Name <a@b>".', examples=["ada@example.com"])]


class HeldBody(Body, frozen=True, kw_only=True):
    """What happens to the messages that are held now."""

    held: Annotated[
        HeldChoice,
        Meta(
            description="`send`: by the project's own transport, or by the server transport if it has none. `cancel`: "
            "they are not sent. `keep`: they wait for the project's own transport.",
            examples=["send"],
        ),
    ]


def parse_held_request(body: bytes | str) -> HeldChoice:
    """Return the choice about held messages."""
    inspection = Inspection()
    given = inspection.members(decode_body(body), "", field_names(HeldBody)).get("held")
    choice = _held_choice(given)
    if choice is None:
        inspection.report("/held", "required" if given is None else "choice-unknown", _HELD_REMEDY)
    return inspection.finish_with(choice)


def parse_held_query(parameters: Mapping[str, str]) -> HeldChoice:
    """Return the choice about held messages in the query of a removal; without one they are kept."""
    problems = unknown_parameters(parameters, (HELD,))
    choice = _held_choice(parameters.get(HELD, HeldChoice.KEEP))
    if choice is None:
        problems.append(Problem("unknown-value", _HELD_REMEDY, parameter=HELD))
    if problems or choice is None:
        raise InvalidRequest(*problems)
    return choice


def _held_choice(given: object) -> HeldChoice | None:
    return next((each for each in HeldChoice if each == given), None)


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
