"""MessagePipe's configuration routes, for a project's sender and its providers; their paths name no project.

Our own routes show and change the same data. Only names and shapes differ, and answers do not contain `config`.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Literal

from msgspec import Meta

from mailer.api.access import demand_json
from mailer.api.body import Body, field_names
from mailer.api.config import provider_routes
from mailer.api.config.ports import ConfigPorts
from mailer.api.config.provider_requests import NewProviderBody, ProviderChangeBody
from mailer.api.config.provider_views import JsonSchema, ProviderSchemas, ShownProvider, provider_view
from mailer.api.config.routes import answer_change
from mailer.api.dialects import messagepipe
from mailer.api.exchange import Answer, answer
from mailer.api.fields.mailbox import DisplayName
from mailer.api.route import IF_MATCH, PROJECT_PARAMETER, Request, Route, RouteGroup
from mailer.api.route_errors import CHANGE_CONFIGURATION, READ_CONFIGURATION
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.message.address import FORBIDDEN, parse_address, parse_display_name
from mailer.observation.configuration import observe_provider
from mailer.observation.record import Observation
from mailer.service.configuring.change_configuration import Refused
from mailer.service.configuring.change_providers import ProviderView, list_providers
from mailer.service.configuring.change_sender import (
    SenderChange,
    SenderChanged,
    SenderSettings,
    find_sender,
    store_sender,
)


class MessagePipeSenderBody(Body, frozen=True, kw_only=True, rename="camel"):
    """The project's sender."""

    sender_email: Annotated[str, Meta(examples=["hello@acme.example"])]
    sender_name: Annotated[DisplayName | None, Meta(examples=["Acme"])] = None
    enabled: Annotated[
        bool | None,
        Meta(
            description="If it is false, no message is sent. If it is left out, it stays as it is; at first it is true."
        ),
    ] = None


class MessagePipeSender(Body, frozen=True, kw_only=True, rename="camel"):
    """The project's sender. If `enabled` is false, no transport sends a message."""

    sender_email: str
    sender_name: str | None
    enabled: bool


class MessagePipeRemoved(Body, frozen=True, kw_only=True):
    """A provider that was removed."""

    message: Literal["Email provider deleted"] = "Email provider deleted"
    id: str


_SHAPE = messagepipe.DIALECT.errors


def _group(path: str) -> RouteGroup:
    return RouteGroup("MessagePipe", path, READ_CONFIGURATION, CHANGE_CONFIGURATION, (PROJECT_PARAMETER,), _SHAPE)


_SENDER = _group("/email-config")
_PROVIDERS = _group("/email-config/providers")
_SCHEMAS = _group("/email-config/provider-schemas")


@_SENDER.route("GET", answers={200: MessagePipeSender})
def show_sender(request: Request, ports: ConfigPorts) -> Answer:
    """Show the sender."""
    return _sender_answer(find_sender(request.project, ports=ports.changing, deadline=request.deadline))


@_SENDER.route("POST", request=MessagePipeSenderBody, answers={201: MessagePipeSender})
def add_sender(request: Request, ports: ConfigPorts) -> Answer:
    """Add the sender."""
    return _store_sender(request, ports, must_exist=False)


@_SENDER.route("PUT", request=MessagePipeSenderBody, answers={200: MessagePipeSender})
def change_sender(request: Request, ports: ConfigPorts) -> Answer:
    """Change the sender."""
    return _store_sender(request, ports, must_exist=True)


@_PROVIDERS.route("GET", answers={200: tuple[ShownProvider, ...]})
def list_of_providers(request: Request, ports: ConfigPorts) -> Answer:
    """List the providers."""
    listed = list_providers(request.project, ports=ports.changing, deadline=request.deadline)
    return answer(tuple(_shown(provider) for provider in listed.providers))


@_PROVIDERS.route("POST", request=NewProviderBody, answers={201: ShownProvider}, headers=(IF_MATCH,))
def add_one_provider(request: Request, ports: ConfigPorts) -> Answer:
    """Add a provider."""
    demand_json(request.headers)
    # As in MessagePipe, the sender is configured first: a provider cannot send without a sender.
    find_sender(request.project, ports=ports.changing, deadline=request.deadline)
    return _answer_provider(request, provider_routes.add_from_request(request, ports), HTTPStatus.CREATED)


@_PROVIDERS.route("PUT /{providerId}", request=ProviderChangeBody, answers={200: ShownProvider}, headers=(IF_MATCH,))
def change_one_provider(request: Request, ports: ConfigPorts) -> Answer:
    """Change a provider."""
    return _answer_provider(request, provider_routes.replace_from_request(request, ports), HTTPStatus.OK)


@_PROVIDERS.route("DELETE /{providerId}", answers={200: MessagePipeRemoved}, headers=(IF_MATCH,))
def remove_one_provider(request: Request, ports: ConfigPorts) -> Answer:
    """Remove a provider."""
    removed = provider_routes.remove_from_request(request, ports)
    return answer_change(request, removed, observe_provider, lambda it: answer(MessagePipeRemoved(id=it.id)), _refuse)


@_SCHEMAS.route("GET", answers={200: ProviderSchemas})
def list_of_provider_schemas(request: Request, ports: ConfigPorts) -> Answer:
    """List the schemas of provider configurations."""
    return provider_routes.list_provider_schemas.serve(request, ports)


@_SCHEMAS.route("GET /{provider}", answers={200: JsonSchema})
def show_one_provider_schema(request: Request, ports: ConfigPorts) -> Answer:
    """Show the schema of one kind of provider."""
    return provider_routes.show_provider_schema.serve(request, ports)


ROUTES: tuple[Route[ConfigPorts], ...] = (
    show_sender,
    add_sender,
    change_sender,
    list_of_providers,
    add_one_provider,
    change_one_provider,
    remove_one_provider,
    list_of_provider_schemas,
    show_one_provider_schema,
)


def _store_sender(request: Request, ports: ConfigPorts, *, must_exist: bool) -> Answer:
    sender = read_sender_change(decode_body(request.json_body()))
    changed = store_sender(
        request.project, sender, must_exist=must_exist, ports=ports.changing, deadline=request.deadline
    )
    status = HTTPStatus.OK if must_exist else HTTPStatus.CREATED
    return answer_change(request, changed, _observe_sender, lambda it: _sender_answer(it.sender, status), _refuse)


def _answer_provider(request: Request, changed: ProviderView | Refused, status: HTTPStatus) -> Answer:
    return answer_change(request, changed, observe_provider, lambda it: answer(_shown(it.provider), status), _refuse)


def _refuse(refused: Refused, instance: str) -> Answer:
    return _SHAPE.refuse(refused.error, instance)


def read_sender_change(body: object) -> SenderChange:
    """Return the sender of a decoded body; raises only `InvalidRequest`."""
    inspection = Inspection()
    members = inspection.members(body, "", field_names(MessagePipeSenderBody))
    remedy = "Give the address that the project sends from."
    address = inspection.parsed(
        members.get("senderEmail"), "/senderEmail", parse_address, required=remedy, wrong_type=remedy
    )
    name = inspection.parsed(members.get("senderName"), "/senderName", parse_display_name)
    enabled = members.get("enabled")
    if not isinstance(enabled, bool | None):
        inspection.report("/enabled", "wrong-type", "Give true or false.")
        enabled = None
    return SenderChange(inspection.finish_with(address), name, enabled, keeps_name="senderName" not in members)


def _observe_sender(changed: SenderChanged) -> Observation:
    fields: dict[str, object] = {
        "version_id": changed.version_id,
        "from_domain": changed.sender.address.domain,
        "enabled": changed.sender.enabled,
    }
    return Observation("sender changed", fields)


def _sender_answer(sender: SenderSettings, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    name = FORBIDDEN.sub("?", sender.name) if sender.name is not None else None
    shown = MessagePipeSender(sender_email=str(sender.address), sender_name=name, enabled=sender.enabled)
    return answer(shown, status)


def _shown(provider: Mapping[str, object]) -> ShownProvider:
    return provider_view(ShownProvider, {name: value for name, value in provider.items() if value is not None})
