"""MessagePipe's way to configure: a project's sender first, then its providers, without a project in the path.

Both are what our own routes show and change; only names and shapes differ, and answers carry no configuration.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus

import msgspec

from mailer.api.access import demand_json
from mailer.api.config.provider_requests import parse_if_match, parse_new_provider, parse_provider_change
from mailer.api.config.provider_views import schema_view, schemas_view
from mailer.api.dialects.messagepipe import refuse
from mailer.api.emails.query import demand_no_body
from mailer.api.exchange import Answer, HttpApiEvent, answer
from mailer.input.inspection import Inspection
from mailer.input.json_body import decode_body
from mailer.message.address import FORBIDDEN, Address, InvalidAddress, parse_address, parse_display_name
from mailer.observation.configuration import observe_provider
from mailer.observation.observation import Observation
from mailer.ports import ConfigurationPorts
from mailer.project import ProjectId
from mailer.service.configuring.change_configuration import Refused
from mailer.service.configuring.change_providers import (
    ProviderRemoved,
    ProviderView,
    add_provider,
    list_providers,
    remove_provider,
    replace_provider,
)
from mailer.service.configuring.change_sender import SenderChanged, SenderSettings, find_sender, store_sender

SENDER_FIELDS = ("senderEmail", "senderName", "enabled")
SHOWN = ("id", "provider", "name", "enabled", "priority", "createdAt", "updatedAt")


class RequestContext(msgspec.Struct, frozen=True):
    """What a request is done with."""

    ports: ConfigurationPorts
    deadline: float
    new_id: Callable[[], str]


class RouteResult(msgspec.Struct, frozen=True):
    """What goes back to the caller, and what is noted of it."""

    answer: Answer
    changed: SenderChanged | ProviderView | ProviderRemoved | Refused | None = None


class ConfigRoute(msgspec.Struct, frozen=True):
    """One route: what it needs of the token, and how it is served."""

    scope: str
    serve: Callable[[HttpApiEvent, ProjectId, RequestContext], RouteResult]


def _show_sender(_event: HttpApiEvent, project: ProjectId, context: RequestContext) -> RouteResult:
    return RouteResult(_sender_answer(find_sender(project, ports=context.ports, deadline=context.deadline)))


def _create_sender(event: HttpApiEvent, project: ProjectId, context: RequestContext) -> RouteResult:
    return _store_sender(event, project, context, must_exist=False)


def _change_sender(event: HttpApiEvent, project: ProjectId, context: RequestContext) -> RouteResult:
    return _store_sender(event, project, context, must_exist=True)


def _store_sender(event: HttpApiEvent, project: ProjectId, context: RequestContext, *, must_exist: bool) -> RouteResult:
    demand_json(event.headers)
    sender = read_sender_settings(decode_body(event.octets()))
    changed = store_sender(project, sender, must_exist=must_exist, ports=context.ports, deadline=context.deadline)
    if isinstance(changed, Refused):
        return RouteResult(refuse(changed.error), changed)
    status = HTTPStatus.OK if must_exist else HTTPStatus.CREATED
    return RouteResult(_sender_answer(changed.sender, status), changed)


def _list_providers(_event: HttpApiEvent, project: ProjectId, context: RequestContext) -> RouteResult:
    listed = list_providers(project, ports=context.ports, deadline=context.deadline)
    shown = [_shown(provider) for provider in listed.providers]
    return RouteResult(Answer(HTTPStatus.OK, msgspec.json.encode(shown).decode()))


def _add_provider(event: HttpApiEvent, project: ProjectId, context: RequestContext) -> RouteResult:
    demand_json(event.headers)
    # The configuration comes first there, and a provider without a sender is of no use here.
    find_sender(project, ports=context.ports, deadline=context.deadline)
    changed = add_provider(
        project,
        parse_new_provider(event.octets()),
        new_id=context.new_id,
        only_if=parse_if_match(event.headers),
        ports=context.ports,
        deadline=context.deadline,
    )
    return _provider(changed, HTTPStatus.CREATED)


def _change_provider(event: HttpApiEvent, project: ProjectId, context: RequestContext) -> RouteResult:
    demand_json(event.headers)
    changed = replace_provider(
        project,
        event.path_parameters.get("providerId", ""),
        parse_provider_change(event.octets()),
        only_if=parse_if_match(event.headers),
        ports=context.ports,
        deadline=context.deadline,
    )
    return _provider(changed, HTTPStatus.OK)


def _remove_provider(event: HttpApiEvent, project: ProjectId, context: RequestContext) -> RouteResult:
    demand_no_body(event.octets())
    removed = remove_provider(
        project,
        event.path_parameters.get("providerId", ""),
        only_if=parse_if_match(event.headers),
        ports=context.ports,
        deadline=context.deadline,
    )
    if isinstance(removed, Refused):
        return RouteResult(refuse(removed.error), removed)
    return RouteResult(answer({"message": "Email provider deleted", "id": removed.id}), removed)


def _show_schemas(_event: HttpApiEvent, _project: ProjectId, _context: RequestContext) -> RouteResult:
    return RouteResult(answer(schemas_view()))


def _show_schema(event: HttpApiEvent, _project: ProjectId, _context: RequestContext) -> RouteResult:
    return RouteResult(answer(schema_view(event.path_parameters.get("provider", ""))))


_READ, _WRITE = "email-config:read", "email-config:write"
ROUTES: Mapping[str, ConfigRoute] = {
    "GET /email-config": ConfigRoute(_READ, _show_sender),
    "POST /email-config": ConfigRoute(_WRITE, _create_sender),
    "PUT /email-config": ConfigRoute(_WRITE, _change_sender),
    "GET /email-config/providers": ConfigRoute(_READ, _list_providers),
    "POST /email-config/providers": ConfigRoute(_WRITE, _add_provider),
    "PUT /email-config/providers/{providerId}": ConfigRoute(_WRITE, _change_provider),
    "DELETE /email-config/providers/{providerId}": ConfigRoute(_WRITE, _remove_provider),
    "GET /email-config/provider-schemas": ConfigRoute(_READ, _show_schemas),
    "GET /email-config/provider-schemas/{provider}": ConfigRoute(_READ, _show_schema),
}


def read_sender_settings(body: object) -> SenderSettings:
    """Return the sender that a body describes; raises `InvalidRequest`, and nothing else."""
    inspection = Inspection()
    members = inspection.members(body, "", SENDER_FIELDS)
    email, name, enabled = members.get("senderEmail"), members.get("senderName"), members.get("enabled", True)
    address, display_name = _address(email, inspection), _display_name(name, inspection)
    if not isinstance(enabled, bool):
        inspection.report("/enabled", "wrong-type", "Give true or false.")
    inspection.finish()
    if address is None:
        msg = "an inspection without problems has read an address"
        raise AssertionError(msg)
    return SenderSettings(address, display_name, enabled is True)


def observe_result(result: RouteResult, *, project_id: str, subject: str) -> tuple[Observation, ...]:
    """Say who changed what: the audit lines."""
    match result.changed:
        case ProviderView() | ProviderRemoved() as changed:
            return (observe_provider(changed, project_id=project_id, subject=subject),)
        case SenderChanged(sender, version_id):
            fields: dict[str, object] = {
                "project_id": project_id,
                "subject": subject,
                "version_id": version_id,
                "from_domain": sender.address.domain,
                "enabled": sender.enabled,
            }
            return (Observation("sender changed", fields),)
        case _:
            return ()


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
    shown = {"senderEmail": str(sender.address), "senderName": name, "enabled": sender.enabled}
    return answer(shown, status)


def _provider(changed: ProviderView | Refused, status: HTTPStatus) -> RouteResult:
    if isinstance(changed, Refused):
        return RouteResult(refuse(changed.error), changed)
    return RouteResult(answer(_shown(changed.provider), status), changed)


def _shown(provider: Mapping[str, object]) -> dict[str, object]:
    return {name: provider[name] for name in SHOWN if provider.get(name) is not None}
