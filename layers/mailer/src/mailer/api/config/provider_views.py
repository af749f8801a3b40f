"""A project's providers, and the schemas of their configurations, as HTTP callers see them."""

from http import HTTPStatus

from mailer.api.exchange import Answer, answer
from mailer.errors import NotFound
from mailer.project import ProjectId
from mailer.secret.provider.schema import PROVIDER_SCHEMAS
from mailer.service.configuring.change_providers import ProviderRemoved, ProvidersView, ProviderView


def answer_providers(view: ProvidersView) -> Answer:
    """Answer with a project's providers in the order of its list."""
    listed = {"version_id": view.version_id, "providers": list(view.providers)}
    return answer(listed).with_headers(ETag=_etag(view.version_id))


def answer_provider(view: ProviderView) -> Answer:
    """Answer with one provider."""
    return answer(view.provider).with_headers(ETag=_etag(view.version_id))


def answer_added(view: ProviderView, *, project_id: ProjectId) -> Answer:
    """Answer with a provider that is new, and where it is."""
    location = f"/v1/projects/{project_id}/email-config/providers/{view.provider['id']}"
    return answer(view.provider, HTTPStatus.CREATED).with_headers(ETag=_etag(view.version_id), Location=location)


def answer_removed_provider(removed: ProviderRemoved) -> Answer:
    """Answer that a provider is gone, and where the project's mail goes now."""
    view = {"id": removed.id, "removed": True, "state": removed.state.value, "version_id": removed.version_id}
    return answer(view).with_headers(ETag=_etag(removed.version_id))


def schemas_view() -> dict[str, object]:
    """Show the schema of each kind of provider."""
    return {"schemas": dict(PROVIDER_SCHEMAS)}


def schema_view(kind: str) -> dict[str, object]:
    """Show one schema; raises `NotFound`."""
    schema = PROVIDER_SCHEMAS.get(kind)
    if schema is None:
        raise NotFound
    return schema


def _etag(version_id: str | None) -> str | None:
    return f'"{version_id}"' if version_id is not None else None
