"""The part of the API's answers that the commands show, as pydantic models.

The models accept every answer. An unexpected field is shown as text or left out, so a newer service breaks no command.
`--json` prints the API's own document.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from project_smtp_cli.values import shown


def _object(value: object) -> object:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> object:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(value: object) -> object:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _number(value: object) -> object:
    return value if isinstance(value, int) else 0


def _true_or_false(value: object) -> object:
    return value if isinstance(value, bool) else None


# One printable line; empty if the answer does not have the member.
Text = Annotated[str, BeforeValidator(shown)]
type _Texts = Annotated[tuple[Text, ...], BeforeValidator(_texts)]
type _Object[T] = Annotated[T, BeforeValidator(_object)]
type _Objects[T] = Annotated[tuple[T, ...], BeforeValidator(_objects)]


class Answer(BaseModel):
    """A JSON object; members that a model does not know are ignored."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Problem(Answer):
    """A problem or a warning."""

    entry: Text = ""
    pointer: Text = ""
    parameter: Text = ""
    code: Text = ""
    detail: Text = ""

    @property
    def place(self) -> str:
        """The entry, pointer or parameter that causes the problem."""
        return self.entry or self.pointer or self.parameter


class Reply(Answer):
    """A reply of the relay."""

    code: Text = ""
    reply: Text = ""


class Check(Answer):
    """One check of a validation."""

    provider: Text = ""
    name: Text = ""
    status: Text = ""
    reason: Text = ""
    remedy: Text = ""
    entry: Text = ""
    smtp: _Object[Reply] = Reply()
    problems: _Objects[Problem] = ()


class Validation(Answer):
    """All checks; `valid` is None if there is no relay to check."""

    valid: Annotated[bool | None, BeforeValidator(_true_or_false)] = None
    checks: _Objects[Check] = ()
    warnings: _Objects[Problem] = ()


class Recipient(Answer):
    """A recipient and its outcome."""

    recipient: Text = ""
    status: Text = ""
    code: Text = ""
    detail: Text = ""


class Recipients(Answer):
    """The recipients and their outcomes, by verdict or in one list."""

    rejected: _Objects[Recipient] = ()
    deferred: _Objects[Recipient] = ()
    unknown: _Objects[Recipient] = ()
    recipients: _Objects[Recipient] = ()


class From(Answer):
    """The From address."""

    used: Text = ""
    reason: Text = ""

    def __str__(self) -> str:
        return f"{self.used} ({self.reason})" if self.reason else self.used


class Attempt(Answer):
    """One attempt to deliver a message."""

    at: Text = ""
    provider: Text = ""
    transport: Text = ""
    result: Text = ""
    phase: Text = ""
    cause: Text = ""
    code: Text = ""
    reply: Text = ""


class Message(Recipients):
    """A message: the answer to sending it, its line in a list, or its history."""

    id: Text = ""
    status: Text = ""
    reason: Text = ""
    transport: Text = ""
    type: Text = ""
    request_id: Text = ""
    message_id: Text = ""
    sender: _Object[From] = Field(From(), alias="from")
    accepted: _Texts = ()
    diverted_to: Text = ""
    diverted: _Texts = ()
    count: Text = ""
    recipient_count: Text = ""
    created_at: Text = ""
    updated_at: Text = ""
    expires_at: Text = ""
    next_attempt_at: Text = ""
    attempts: _Objects[Attempt] = ()


class Page(Answer):
    """A page of messages."""

    emails: _Objects[Mapping[str, object]] = ()
    cursor: Text = ""


class Refused(Recipients):
    """A problem document."""

    code: Text = ""
    detail: Text = ""
    message: Text = ""
    problems: _Objects[Problem] = ()
    checks: _Objects[Check] = ()


class Acted(Answer):
    """The result of retrying or cancelling one message."""

    id: Text = ""
    status: Text = ""
    error: _Object[Refused] = Refused()


class Decided(Answer):
    """The decision about all held messages."""

    held: Text = ""
    count: Text = ""


class Remaining(Answer):
    """Data about a forgotten address that stays; `until` is empty if the service does not keep it."""

    data: Text = ""
    until: Text = ""
    detail: Text = ""


class Forgotten(Answer):
    """What was erased about an address, and what remains; with a cursor there are more messages."""

    erased: Annotated[int, BeforeValidator(_number)] = 0
    cancelled: Annotated[int, BeforeValidator(_number)] = 0
    waiting: Annotated[int, BeforeValidator(_number)] = 0
    cursor: Text = ""
    remains: _Objects[Remaining] = ()


class Configuration(Answer):
    """A project's configuration; `error` is set if the API refused to show it."""

    project: Text = ""
    state: Text = ""
    held: Text = ""
    version_id: Text = ""
    checked_at: Text = ""
    last_success_at: Text = ""
    consecutive_failures: Text = ""
    failing_since: Text = ""
    last_failure: Text = ""
    entries: _Object[Mapping[str, object]] = {}
    problems: _Objects[Problem] = ()
    warnings: _Objects[Problem] = ()
    error: Refused | None = None


class ProviderConfig(Answer):
    """The shown part of a provider's config."""

    host: Text = ""
    port: Text = ""
    domain: Text = ""
    region: Text = ""
    base_url: Text = Field("", alias="baseUrl")

    def __str__(self) -> str:
        host = ":".join(filter(None, (self.host, self.port)))
        return ", ".join(filter(None, (host, self.domain, self.region, self.base_url)))


class Provider(Answer):
    """A provider of the chain."""

    id: Text = ""
    provider: Text = ""
    name: Text = ""
    enabled: Text = ""
    priority: Text = ""
    config: _Object[ProviderConfig] = ProviderConfig.model_validate({})


class Providers(Answer):
    """The entry `emailProviders`."""

    providers: _Objects[Provider] = Field((), alias="emailProviders")
