"""A project's providers, and the schemas of their configurations, as API callers see them."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from mailer.api.body import Always, Body, Time, field_names, fill, one_of
from mailer.api.exchange import Answer, answer
from mailer.project import ProjectId
from mailer.relay.provider import ProviderKind
from mailer.service.configuring.change_providers import ProviderRemoved, ProvidersView, ProviderView
from mailer.service.configuring.show_configuration import ConfigurationState

type JsonSchema = Annotated[Mapping[str, object], Meta(description="JSON Schema (2020-12) of a provider's `config`.")]


class ShownProvider(Body, frozen=True, kw_only=True, rename="camel"):
    """A provider of the project; a member that is not in the secret is left out."""

    id: str | UnsetType = UNSET
    provider: Annotated[str, one_of(ProviderKind)] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    created_at: Time | UnsetType = UNSET
    updated_at: Time | UnsetType = UNSET


class ShownProviderWithConfig(ShownProvider, frozen=True, kw_only=True):
    """A provider of the project and its configuration, without secrets."""

    config: Annotated[Mapping[str, object], Meta(description='{"set": true} stands for a secret.')] | UnsetType = UNSET


class ListedProviders(Body, frozen=True, kw_only=True):
    """The project's providers, in the order of the secret."""

    version_id: str | None
    providers: tuple[ShownProviderWithConfig, ...]


class RemovedProvider(Body, frozen=True, kw_only=True):
    """A provider that was removed, and the project's state without it."""

    id: str
    removed: Always = True
    state: ConfigurationState
    version_id: str | None


class ProviderSchemas(Body, frozen=True, kw_only=True):
    """The schema of each kind of provider's `config`."""

    schemas: Mapping[str, JsonSchema]


def answer_providers(view: ProvidersView) -> Answer:
    """Answer with a project's providers."""
    providers = tuple(provider_view(ShownProviderWithConfig, provider) for provider in view.providers)
    return answer(ListedProviders(version_id=view.version_id, providers=providers)).with_headers(
        ETag=_etag(view.version_id)
    )


def answer_provider(view: ProviderView, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    """Answer with one provider."""
    return answer(provider_view(ShownProviderWithConfig, view.provider), status).with_headers(
        ETag=_etag(view.version_id)
    )


def answer_added(view: ProviderView, *, project_id: ProjectId) -> Answer:
    """Answer with a new provider and its location."""
    location = f"/v1/projects/{project_id}/email-config/providers/{view.provider['id']}"
    return answer_provider(view, HTTPStatus.CREATED).with_headers(Location=location)


def answer_removed_provider(removed: ProviderRemoved) -> Answer:
    """Answer that a provider was removed."""
    return answer(fill(RemovedProvider, removed)).with_headers(ETag=_etag(removed.version_id))


def provider_view[P: ShownProvider](kind: type[P], provider: Mapping[str, object]) -> P:
    """Show a stored provider as this type; members that the type does not have are left out."""
    make: Callable[..., P] = kind
    shown = zip(kind.__struct_fields__, field_names(kind), strict=True)
    return make(**{field: provider[name] for field, name in shown if name in provider})


def _etag(version_id: str | None) -> str | None:
    return f'"{version_id}"' if version_id is not None else None
