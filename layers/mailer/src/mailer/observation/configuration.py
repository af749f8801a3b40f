"""Changes of projects' configurations."""

from mailer.observation.observation import Observation
from mailer.service.configuring.change_providers import ProviderRemoved, ProviderView
from mailer.service.configuring.show_configuration import ConfigurationView


def observe_change(view: ConfigurationView, *, project_id: str, subject: str) -> Observation:
    """Audit who changed a configuration, and to which version."""
    fields: dict[str, object] = {
        "project_id": project_id,
        "subject": subject,
        "version_id": view.version_id,
        "state": view.state.value,
        "entries": sorted(view.entries),
    }
    return Observation("configuration changed", fields)


def observe_provider(view: ProviderView | ProviderRemoved, *, project_id: str, subject: str) -> Observation:
    """Audit who changed or removed which provider."""
    fields: dict[str, object] = {
        "project_id": project_id,
        "subject": subject,
        "provider": view.id if isinstance(view, ProviderRemoved) else view.provider.get("id"),
        "version_id": view.version_id,
        "state": view.state.value,
    }
    return Observation("provider removed" if isinstance(view, ProviderRemoved) else "provider stored", fields)
