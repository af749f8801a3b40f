"""/v1/projects/{projectId}/email-config/providers, and the schemas of what each kind is configured by."""

from mailer.api import scopes
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
    ListedProviders,
    ProviderSchemas,
    RemovedProvider,
    ShownProviderWithConfig,
    answer_added,
    answer_provider,
    answer_providers,
    answer_removed_provider,
    schema_view,
    schemas_view,
)
from mailer.api.config.routes import answer_refused_change
from mailer.api.emails.query import demand_no_body
from mailer.api.exchange import Answer, answer
from mailer.api.route import IF_MATCH, Request, Route
from mailer.api.route_errors import CHANGE_CONFIGURATION_ERRORS, READ_CONFIGURATION_ERRORS
from mailer.observation.configuration import observe_provider
from mailer.service.configuring.change_configuration import Refused
from mailer.service.configuring.change_providers import (
    add_provider,
    find_provider,
    list_providers,
    remove_provider,
    replace_provider,
)

_PROVIDERS = "/v1/projects/{projectId}/email-config/providers"
_SCHEMAS = "/v1/provider-schemas"
_TAG = "Providers"


def _list(request: Request, ports: ConfigPorts) -> Answer:
    return answer_providers(list_providers(request.project, ports=ports.changing, deadline=request.deadline))


def _show(request: Request, ports: ConfigPorts) -> Answer:
    provider_id = request.path("providerId")
    return answer_provider(find_provider(request.project, provider_id, ports=ports.changing, deadline=request.deadline))


def _add(request: Request, ports: ConfigPorts) -> Answer:
    changed = add_provider(
        request.project,
        parse_new_provider(request.json_body()),
        new_id=ports.new_provider_id,
        only_if=parse_if_match(request.headers),
        ports=ports.changing,
        deadline=request.deadline,
    )
    if isinstance(changed, Refused):
        return answer_refused_change(changed, request)
    request.observe(observe_provider(changed))
    return answer_added(changed, project_id=request.project)


def _replace(request: Request, ports: ConfigPorts) -> Answer:
    changed = replace_provider(
        request.project,
        request.path("providerId"),
        parse_provider_change(request.json_body()),
        only_if=parse_if_match(request.headers),
        ports=ports.changing,
        deadline=request.deadline,
    )
    if isinstance(changed, Refused):
        return answer_refused_change(changed, request)
    request.observe(observe_provider(changed))
    return answer_provider(changed)


def _remove(request: Request, ports: ConfigPorts) -> Answer:
    demand_no_body(request.body())
    removed = remove_provider(
        request.project,
        request.path("providerId"),
        only_if=parse_if_match(request.headers),
        ports=ports.changing,
        deadline=request.deadline,
    )
    if isinstance(removed, Refused):
        return answer_refused_change(removed, request)
    request.observe(observe_provider(removed))
    return answer_removed_provider(removed)


def _list_schemas(_request: Request, _ports: ConfigPorts) -> Answer:
    return answer(schemas_view())


def _show_schema(request: Request, _ports: ConfigPorts) -> Answer:
    return answer(schema_view(request.path("provider")))


ROUTES: tuple[Route[ConfigPorts], ...] = (
    Route(
        key=f"GET {_PROVIDERS}",
        scopes=(scopes.READ_CONFIGURATION,),
        serve=_list,
        name="listProviders",
        tag=_TAG,
        summary="List a project's providers",
        answers={200: ListedProviders},
        answer_headers=("ETag",),
        errors=READ_CONFIGURATION_ERRORS,
    ),
    Route(
        key=f"POST {_PROVIDERS}",
        scopes=(scopes.WRITE_CONFIGURATION,),
        serve=_add,
        name="addProvider",
        tag=_TAG,
        summary="Add a provider that accepts its credentials",
        request=NewProviderBody,
        answers={201: ShownProviderWithConfig},
        headers=(IF_MATCH,),
        answer_headers=("ETag", "Location"),
        errors=CHANGE_CONFIGURATION_ERRORS,
    ),
    Route(
        key=f"GET {_PROVIDERS}/{{providerId}}",
        scopes=(scopes.READ_CONFIGURATION,),
        serve=_show,
        name="showProvider",
        tag=_TAG,
        summary="Show one provider",
        answers={200: ShownProviderWithConfig},
        answer_headers=("ETag",),
        errors=READ_CONFIGURATION_ERRORS,
    ),
    Route(
        key=f"PUT {_PROVIDERS}/{{providerId}}",
        scopes=(scopes.WRITE_CONFIGURATION,),
        serve=_replace,
        name="replaceProvider",
        tag=_TAG,
        summary="Replace members of a provider",
        request=ProviderChangeBody,
        answers={200: ShownProviderWithConfig},
        headers=(IF_MATCH,),
        answer_headers=("ETag",),
        errors=CHANGE_CONFIGURATION_ERRORS,
    ),
    Route(
        key=f"DELETE {_PROVIDERS}/{{providerId}}",
        scopes=(scopes.WRITE_CONFIGURATION,),
        serve=_remove,
        name="removeProvider",
        tag=_TAG,
        summary="Remove a provider and its credentials",
        answers={200: RemovedProvider},
        headers=(IF_MATCH,),
        answer_headers=("ETag",),
        errors=CHANGE_CONFIGURATION_ERRORS,
    ),
    Route(
        key=f"GET {_SCHEMAS}",
        scopes=(),
        serve=_list_schemas,
        name="listProviderSchemas",
        tag=_TAG,
        summary="List the schemas of provider configurations",
        answers={200: ProviderSchemas},
    ),
    Route(
        key=f"GET {_SCHEMAS}/{{provider}}",
        scopes=(),
        serve=_show_schema,
        name="showProviderSchema",
        tag=_TAG,
        summary="Show the schema of one kind of provider",
        answers={200: JsonSchema},
    ),
)
