"""The description of a provider kind, and the checks that use this description."""

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from mailer.relay.policy import RelayPolicy
from mailer.relay.provider import ProviderConfig, ProviderKind
from mailer.secret.entries import Entries


class Form(msgspec.Struct, frozen=True):
    """The form of a member's value: its JSON Schema, and a function that reads it and reports a malformed value."""

    schema: Mapping[str, object]
    read: Callable[[Entries, str, RelayPolicy], object]


def read_milliseconds(given: Entries, name: str, policy: RelayPolicy) -> int | None:
    """Return a timeout in milliseconds, which must be within the operator's bounds."""
    low, high = _milliseconds(policy)
    return given.whole_number(name, minimum=low, maximum=high, code="timeout-out-of-bounds")


def _milliseconds(policy: RelayPolicy) -> tuple[int, int]:
    return round(policy.minimum_timeout * 1000), round(policy.maximum_timeout * 1000)


_STRING: Final = {"type": "string", "minLength": 1}
_LOW, _HIGH = _milliseconds(RelayPolicy())
TEXT: Final = Form(_STRING, lambda given, name, _: given.text(name))
# The value stays exactly as typed, also its spaces.
CREDENTIAL: Final = Form(_STRING, lambda given, name, _: given.credential(name))
PEM: Final = Form(_STRING, lambda given, name, _: given.pem(name))
BOOLEAN: Final = Form({"type": "boolean"}, lambda given, name, _: given.boolean(name))
# Certificates are always verified, and `false` is refused.
TRUE: Final = Form({"type": "boolean", "const": True}, lambda given, name, _: given.boolean(name))
PORT: Final = Form({"type": "integer", "minimum": 1, "maximum": 65535}, lambda given, name, _: given.port(name))
MILLISECONDS: Final = Form({"type": "integer", "minimum": _LOW, "maximum": _HIGH}, read_milliseconds)


class Member(msgspec.Struct, frozen=True):
    """One member of a provider's configuration; a dot names a member of an inner object, as in `auth.pass`.

    A secret is never shown. An edit keeps a stored secret only if no `is_destination` member changes. `kept_beside` is
    the prefix of an inner object: an absent secret is kept only if the edit gives a member of that object. `pattern`
    and `choices` restrict a text.
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
    """A provider kind: everything except its protocol, which an adapter implements.

    `read` gets members that were checked, and reports further problems. `address` is the member with the provider's
    address.
    """

    kind: ProviderKind
    title: str
    members: tuple[Member, ...]
    address: str
    read: Callable[[Entries, RelayPolicy], ProviderConfig | None]

    @property
    def secret(self) -> str:
        """The name of the key or password, which the provider checks first."""
        return next(member.name for member in self.members if member.is_secret and member.is_required)


KEY_PATTERN: Final = r"[!-~]{1,512}"


def check_members(kind: Kind, given: Entries, policy: RelayPolicy, *, is_enabled: bool) -> None:
    """Report malformed members and, if the provider is enabled, missing members."""
    for member in kind.members:
        if given.is_given(member.name):
            _check(member, given, policy)
        elif is_enabled and (member.name in given or (member.is_required and _has_parent(member, given))):
            given.report(member.name, "entry-missing", f"Give it a value. {member.description}")


def text_of(given: Entries, name: str) -> str:
    """Return the member's text; an empty text if the member is absent or has a problem."""
    return (given.text(name) or "") if given.is_given(name) else ""


def _has_parent(member: Member, given: Entries) -> bool:
    parent, separator, _ = member.name.partition(".")
    return not separator or any(name.startswith(f"{parent}.") for name in given.names)


def _check(member: Member, given: Entries, policy: RelayPolicy) -> None:
    value = member.form.read(given, member.name, policy)
    if member.form is TRUE and value is False:
        given.report(member.name, "certificate-unverified", f"Remove it. {member.description}")
    if not isinstance(value, str):
        return
    if member.choices and value.lower() not in member.choices:
        given.refuse(member.name, "choice-unknown", f"Write one of: {', '.join(member.choices)}.")
    if member.pattern is not None and not re.fullmatch(member.pattern, value):
        given.refuse(member.name, "provider-value-malformed", f"Copy it again. {member.description}")
