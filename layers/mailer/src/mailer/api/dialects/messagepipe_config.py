"""MessagePipe's routes to configure: a project's sender first, then its providers, without a project in the path.

Our own routes show and change the same. Only names and shapes differ, and answers have no configuration.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Literal

from msgspec import Meta

from mailer.api import scopes
from mailer.api.body import Body, field_names
from mailer.api.config.ports import ConfigPorts
from mailer.api.config.provider_requests import (
    NewProviderBody,
    ProviderChangeBody,
    parse_if_match,
    parse_new_provider,
    parse_provider_change,
)
from mailer.api.config.provider_views import (
    JsonSchema,
    ProviderSchemas,
    ShownProvider,
    provider_view,
    schema_view,
    schemas_view,
)
from mailer.api.config.routes import observe_refused
from mailer.api.dialects.messagepipe import MessagePipeError, fail, refuse
from mailer.api.emails.query import demand_no_body
from mailer.api.exchange import Answer, answer
from mailer.api.fields.mailbox import DisplayName
from mailer.api.route import IF_MATCH, PROJECT_PARAMETER, ErrorShape, Request, Route
from mailer.api.route_errors import CHANGE_CONFIGURATION_ERRORS, READ_CONFIGURATION_ERRORS
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.message.address import FORBIDDEN, Address, InvalidAddress, parse_address, parse_display_name
from mailer.observation.configuration import observe_provider
from mailer.observation.record import Observation
from mailer.service.configuring.change_configuration import Refused
from mailer.service.configuring.change_providers import (
    ProviderView,
    add_provider,
    list_providers,
    remove_provider,
    replace_provider,
)
from mailer.service.configuring.change_sender import SenderChanged, SenderSettings, find_sender, store_sender


class MessagePipeSenderBody(Body, frozen=True, kw_only=True, rename="camel"):
    """The project's sender."""

    sender_email: Annotated[str, Meta(examples=["hello@acme.example"])]
    sender_name: Annotated[DisplayName | None, Meta(examples=["Acme"])] = None
    enabled: Annotated[bool | None, Meta(description="The default is true; false stops all messages.")] = None


class MessagePipeSender(Body, frozen=True, kw_only=True, rename="camel"):
    """The project's sender; if `enabled` is false no message is sent by any transport."""

    sender_email: str
    sender_name: str | None
    enabled: bool


class MessagePipeRemoved(Body, frozen=True, kw_only=True):
    """A provider that was removed."""

    message: Literal["Email provider deleted"] = "Email provider deleted"
    id: str


def _show_sender(request: Request, ports: ConfigPorts) -> Answer:
    return _sender_answer(find_sender(request.project, ports=ports.changing, deadline=request.deadline))


def _create_sender(request: Request, ports: ConfigPorts) -> Answer:
    return _store_sender(request, ports, must_exist=False)


def _change_sender(request: Request, ports: ConfigPorts) -> Answer:
    return _store_sender(request, ports, must_exist=True)


def _store_sender(request: Request, ports: ConfigPorts, *, must_exist: bool) -> Answer:
    sender = read_sender_settings(decode_body(request.json_body()))
    changed = store_sender(
        request.project, sender, must_exist=must_exist, ports=ports.changing, deadline=request.deadline
    )
    if isinstance(changed, Refused):
        return _answer_refused(changed, request)
    request.observe(_observe_sender(changed))
    return _sender_answer(changed.sender, HTTPStatus.OK if must_exist else HTTPStatus.CREATED)


def _list_providers(request: Request, ports: ConfigPorts) -> Answer:
    listed = list_providers(request.project, ports=ports.changing, deadline=request.deadline)
    return answer(tuple(_shown(provider) for provider in listed.providers))


def _add_provider(request: Request, ports: ConfigPorts) -> Answer:
    body = request.json_body()
    # MessagePipe configures the sender first; a provider without a sender cannot send here either.
    find_sender(request.project, ports=ports.changing, deadline=request.deadline)
    changed = add_provider(
        request.project,
        parse_new_provider(body),
        new_id=ports.new_provider_id,
        only_if=parse_if_match(request.headers),
        ports=ports.changing,
        deadline=request.deadline,
    )
    return _answer_changed(changed, request, HTTPStatus.CREATED)


def _change_provider(request: Request, ports: ConfigPorts) -> Answer:
    changed = replace_provider(
        request.project,
        request.path("providerId"),
        parse_provider_change(request.json_body()),
        only_if=parse_if_match(request.headers),
        ports=ports.changing,
        deadline=request.deadline,
    )
    return _answer_changed(changed, request, HTTPStatus.OK)


def _answer_changed(changed: ProviderView | Refused, request: Request, status: HTTPStatus) -> Answer:
    if isinstance(changed, Refused):
        return _answer_refused(changed, request)
    request.observe(observe_provider(changed))
    return answer(_shown(changed.provider), status)


def _remove_provider(request: Request, ports: ConfigPorts) -> Answer:
    demand_no_body(request.body())
    removed = remove_provider(
        request.project,
        request.path("providerId"),
        only_if=parse_if_match(request.headers),
        ports=ports.changing,
        deadline=request.deadline,
    )
    if isinstance(removed, Refused):
        return _answer_refused(removed, request)
    request.observe(observe_provider(removed))
    return answer(MessagePipeRemoved(id=removed.id))


def _list_schemas(_request: Request, _ports: ConfigPorts) -> Answer:
    return answer(schemas_view())


def _show_schema(request: Request, _ports: ConfigPorts) -> Answer:
    return answer(schema_view(request.path("provider")))


def _answer_refused(refused: Refused, request: Request) -> Answer:
    observe_refused(refused, request)
    return refuse(refused.error)


def _route(
    key: str,
    serve: Callable[[Request, ConfigPorts], Answer],
    *,
    name: str,
    summary: str,
    answer: object,
    request: type[Body] | None = None,
    headers: tuple[str, ...] = (),
) -> Route[ConfigPorts]:
    reads = key.startswith("GET ")
    return Route(
        key=key,
        scopes=(scopes.READ_CONFIGURATION if reads else scopes.WRITE_CONFIGURATION,),
        serve=serve,
        name=name,
        tag="MessagePipe",
        summary=summary,
        request=request,
        answers={HTTPStatus.CREATED if key.startswith("POST ") else HTTPStatus.OK: answer},
        query=(PROJECT_PARAMETER,),
        headers=headers,
        errors=READ_CONFIGURATION_ERRORS if reads else CHANGE_CONFIGURATION_ERRORS,
        error_shape=ErrorShape(lambda error, _instance: refuse(error), fail, MessagePipeError),
    )


_SENDER, _PROVIDERS, _SCHEMAS = "/email-config", "/email-config/providers", "/email-config/provider-schemas"
_MATCH = (IF_MATCH,)
ROUTES: tuple[Route[ConfigPorts], ...] = (
    _route(f"GET {_SENDER}", _show_sender, name="showSender", summary="Show the sender", answer=MessagePipeSender),
    _route(
        f"POST {_SENDER}",
        _create_sender,
        name="addSender",
        summary="Add the sender",
        request=MessagePipeSenderBody,
        answer=MessagePipeSender,
    ),
    _route(
        f"PUT {_SENDER}",
        _change_sender,
        name="changeSender",
        summary="Change the sender",
        request=MessagePipeSenderBody,
        answer=MessagePipeSender,
    ),
    _route(
        f"GET {_PROVIDERS}",
        _list_providers,
        name="listOfProviders",
        summary="List the providers",
        answer=tuple[ShownProvider, ...],
    ),
    _route(
        f"POST {_PROVIDERS}",
        _add_provider,
        name="addOneProvider",
        summary="Add a provider",
        request=NewProviderBody,
        answer=ShownProvider,
        headers=_MATCH,
    ),
    _route(
        f"PUT {_PROVIDERS}/{{providerId}}",
        _change_provider,
        name="changeOneProvider",
        summary="Change a provider",
        request=ProviderChangeBody,
        answer=ShownProvider,
        headers=_MATCH,
    ),
    _route(
        f"DELETE {_PROVIDERS}/{{providerId}}",
        _remove_provider,
        name="removeOneProvider",
        summary="Remove a provider",
        answer=MessagePipeRemoved,
        headers=_MATCH,
    ),
    _route(
        f"GET {_SCHEMAS}",
        _list_schemas,
        name="listOfProviderSchemas",
        summary="List the schemas of provider configurations",
        answer=ProviderSchemas,
    ),
    _route(
        f"GET {_SCHEMAS}/{{provider}}",
        _show_schema,
        name="showOneProviderSchema",
        summary="Show the schema of one kind of provider",
        answer=JsonSchema,
    ),
)


def read_sender_settings(body: object) -> SenderSettings:
    """Return the sender that a body describes; raises `InvalidRequest`, and nothing else."""
    inspection = Inspection()
    members = inspection.members(body, "", field_names(MessagePipeSenderBody))
    email, name, enabled = members.get("senderEmail"), members.get("senderName"), members.get("enabled", True)
    address, display_name = _address(email, inspection), _display_name(name, inspection)
    if not isinstance(enabled, bool):
        inspection.report("/enabled", "wrong-type", "Give true or false.")
    inspection.finish()
    if address is None:
        msg = "an inspection without problems has read an address"
        raise AssertionError(msg)
    return SenderSettings(address, display_name, enabled is True)


def _observe_sender(changed: SenderChanged) -> Observation:
    fields: dict[str, object] = {
        "version_id": changed.version_id,
        "from_domain": changed.sender.address.domain,
        "enabled": changed.sender.enabled,
    }
    return Observation("sender changed", fields)


def _address(value: object, inspection: Inspection) -> Address | None:
    if not isinstance(value, str):
        code = "required" if value is None else "wrong-type"
        inspection.report("/senderEmail", code, "Give the address that the project sends from.")
        return None
    try:
        return parse_address(value)
    except InvalidAddress as invalid:
        inspection.report("/senderEmail", invalid.code, invalid.detail)
        return None


def _display_name(value: object, inspection: Inspection) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        inspection.report("/senderName", "wrong-type", "Give a string.")
        return None
    try:
        return parse_display_name(value)
    except InvalidAddress as invalid:
        inspection.report("/senderName", invalid.code, invalid.detail)
        return None


def _sender_answer(sender: SenderSettings, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    name = FORBIDDEN.sub("?", sender.name) if sender.name is not None else None
    shown = MessagePipeSender(sender_email=str(sender.address), sender_name=name, enabled=sender.enabled)
    return answer(shown, status)


def _shown(provider: Mapping[str, object]) -> ShownProvider:
    return provider_view(ShownProvider, {name: value for name, value in provider.items() if value is not None})
