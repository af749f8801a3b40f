"""How a provider kind is described, and the checks that follow from its description."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final, assert_never

import msgspec

from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import ProviderConfig, ProviderKind
from mailer.secret.entries import Entries


class Form(StrEnum):
    """How a member's value is written."""

    TEXT = "text"
    CREDENTIAL = "credential"  # exactly as typed, spaces included
    PEM = "pem"
    BOOLEAN = "boolean"
    TRUE = "true"  # certificates are always verified, and `false` is refused
    PORT = "port"
    MILLISECONDS = "milliseconds"


class Member(msgspec.Struct, frozen=True):
    """One member of a provider's configuration; a dot names a member of an inner object, as in `auth.pass`.

    A secret is never shown. A stored secret is kept only while each `is_destination` member stays the same.
    `kept_beside` is the object that must still be there. `pattern` and `choices` restrict a text.
    """

    name: str
    form: Form
    description: str
    is_required: bool = False
    is_secret: bool = False
    is_destination: bool = False
    kept_beside: str = ""
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    default: object = None


class Kind(msgspec.Struct, frozen=True):
    """A provider kind: everything about it except its protocol, which an adapter speaks.

    `read` gets members that were checked, and reports what else is wrong. `address` is the member that decides where
    the provider is.
    """

    kind: ProviderKind
    title: str
    members: tuple[Member, ...]
    address: str
    read: Callable[[Entries, RelayPolicy], ProviderConfig | None]

    @property
    def secret(self) -> str:
        """The member that the provider checks first: its key or password."""
        return next(member.name for member in self.members if member.is_secret and member.is_required)


KEY_PATTERN: Final = r"[!-~]{1,512}"


def check_members(kind: Kind, given: Entries, policy: RelayPolicy, *, is_enabled: bool) -> None:
    """Report malformed members and, for an enabled provider, missing ones."""
    for member in kind.members:
        if given.is_given(member.name):
            _check(member, given, policy)
        elif is_enabled and (member.name in given or (member.is_required and _has_parent(member, given))):
            given.report(member.name, "entry-missing", f"Give it a value. {member.description}")


def read_milliseconds(given: Entries, name: str, policy: RelayPolicy) -> int | None:
    """Return a timeout within the operator's bounds."""
    low, high = round(policy.minimum_timeout * 1000), round(policy.maximum_timeout * 1000)
    return given.whole_number(name, minimum=low, maximum=high, code="timeout-out-of-bounds")


def text_of(given: Entries, name: str) -> str:
    """Return the member's text; empty if absent or after a problem."""
    return (given.text(name) or "") if given.is_given(name) else ""


def _has_parent(member: Member, given: Entries) -> bool:
    parent, separator, _ = member.name.partition(".")
    return not separator or any(name.startswith(f"{parent}.") for name in given.names)


def _check(member: Member, given: Entries, policy: RelayPolicy) -> None:
    text: str | None = None
    match member.form:
        case Form.TEXT:
            text = given.text(member.name)
        case Form.CREDENTIAL:
            text = given.credential(member.name)
        case Form.PEM:
            given.pem(member.name)
        case Form.BOOLEAN:
            given.boolean(member.name)
        case Form.TRUE:
            if given.boolean(member.name) is False:
                given.report(member.name, "certificate-unverified", f"Remove it. {member.description}")
        case Form.PORT:
            given.port(member.name)
        case Form.MILLISECONDS:
            read_milliseconds(given, member.name, policy)
        case unreachable:
            assert_never(unreachable)
    if text is None:
        return
    if member.choices and text.lower() not in member.choices:
        given.report(member.name, "choice-unknown", f"Write one of: {', '.join(member.choices)}.")
    if member.pattern is not None and not re.fullmatch(member.pattern, text):
        given.report(member.name, "provider-value-malformed", f"Copy it again. {member.description}")
