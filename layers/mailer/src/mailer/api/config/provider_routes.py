"""/v1/projects/{projectId}/email-config/providers, and the schema of each kind's configuration."""

from functools import partial

from mailer.api.config.ports import ConfigPorts
from mailer.api.config.provider_requests import (
    NewProviderBody,
    ProviderChangeBody,
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
)
from mailer.api.config.requests import HELD, parse_held_query
from mailer.api.config.routes import answer_change
from mailer.api.emails.query import demand_no_body
from mailer.api.exchange import Answer, answer
from mailer.api.request_headers import if_match
from mailer.api.route import IF_MATCH, Need, Request, Route, RouteGroup
from mailer.api.route_errors import CHANGE_CONFIGURATION, READ_CONFIGURATION
from mailer.errors import NotFound
from mailer.ledger.held import HeldChoice
from mailer.observation.configuration import observe_provider
from mailer.secret.provider.schema import PROVIDER_SCHEMAS
from mailer.service.configuring import change_providers as changing
from mailer.service.configuring.change_configuration import Refused
from mailer.service.configuring.change_providers import ProviderRemoved, ProviderView

_PROVIDERS = RouteGroup(
    "Providers", "/v1/projects/{projectId}/email-config/providers", READ_CONFIGURATION, CHANGE_CONFIGURATION
)
_SCHEMAS = RouteGroup("Providers", "/v1/provider-schemas", Need(), Need())


@_PROVIDERS.route("GET", answers={200: ListedProviders}, answer_headers=("ETag",))
def list_providers(request: Request, ports: ConfigPorts) -> Answer:
    """List a project's providers."""
    return answer_providers(changing.list_providers(request.project, ports=ports.changing, deadline=request.deadline))


@_PROVIDERS.route(
    "POST",
    request=NewProviderBody,
    answers={201: ShownProviderWithConfig},
    headers=(IF_MATCH,),
    answer_headers=("ETag", "Location"),
)
def add_provider(request: Request, ports: ConfigPorts) -> Answer:
    """Check a provider's credentials, and add the provider if it accepts them."""
    show = partial(answer_added, project_id=request.project)
    return answer_change(request, add_from_request(request, ports), observe_provider, show)


@_PROVIDERS.route("GET /{providerId}", answers={200: ShownProviderWithConfig}, answer_headers=("ETag",))
def show_provider(request: Request, ports: ConfigPorts) -> Answer:
    """Show one provider."""
    provider_id = request.path("providerId")
    view = changing.find_provider(request.project, provider_id, ports=ports.changing, deadline=request.deadline)
    return answer_provider(view)


@_PROVIDERS.route(
    "PUT /{providerId}",
    request=ProviderChangeBody,
    answers={200: ShownProviderWithConfig},
    headers=(IF_MATCH,),
    answer_headers=("ETag",),
)
def replace_provider(request: Request, ports: ConfigPorts) -> Answer:
    """Replace members of a provider."""
    return answer_change(request, replace_from_request(request, ports), observe_provider, answer_provider)


@_PROVIDERS.route(
    "DELETE /{providerId}",
    answers={200: RemovedProvider},
    query=(HELD,),
    headers=(IF_MATCH,),
    answer_headers=("ETag",),
)
def remove_provider(request: Request, ports: ConfigPorts) -> Answer:
    """Remove a provider and its credentials."""
    removed = remove_from_request(request, ports, held=parse_held_query(request.query))
    return answer_change(request, removed, observe_provider, answer_removed_provider)


@_SCHEMAS.route("GET", answers={200: ProviderSchemas})
def list_provider_schemas(_request: Request, _ports: ConfigPorts) -> Answer:
    """List the schemas of provider configurations."""
    return answer(ProviderSchemas(schemas=PROVIDER_SCHEMAS))


@_SCHEMAS.route("GET /{provider}", answers={200: JsonSchema})
def show_provider_schema(request: Request, _ports: ConfigPorts) -> Answer:
    """Show the schema of one kind of provider."""
    schema = PROVIDER_SCHEMAS.get(request.path("provider"))
    if schema is None:
        raise NotFound
    return answer(schema)


def add_from_request(request: Request, ports: ConfigPorts) -> ProviderView | Refused:
    """Add the provider of a request."""
    return changing.add_provider(
        request.project,
        parse_new_provider(request.json_body()),
        new_id=ports.new_provider_id,
        only_if=if_match(request.headers),
        ports=ports.changing,
        deadline=request.deadline,
    )


def replace_from_request(request: Request, ports: ConfigPorts) -> ProviderView | Refused:
    """Replace the members of a provider that are given in the request."""
    return changing.replace_provider(
        request.project,
        request.path("providerId"),
        parse_provider_change(request.json_body()),
        only_if=if_match(request.headers),
        ports=ports.changing,
        deadline=request.deadline,
    )


def remove_from_request(
    request: Request, ports: ConfigPorts, *, held: HeldChoice = HeldChoice.KEEP
) -> ProviderRemoved | Refused:
    """Remove the provider of a request."""
    demand_no_body(request.body())
    return changing.remove_provider(
        request.project,
        request.path("providerId"),
        only_if=if_match(request.headers),
        held=held,
        ports=ports.changing,
        deadline=request.deadline,
    )


ROUTES: tuple[Route[ConfigPorts], ...] = (
    list_providers,
    add_provider,
    show_provider,
    replace_provider,
    remove_provider,
    list_provider_schemas,
    show_provider_schema,
)
