"""What a change of one provider leaves in the log: ids, and which version of the secret it became."""

from mailer.observation.observation import Observation
from mailer.service.configuring.change_providers import ProviderRemoved, ProviderView


def observe_provider(view: ProviderView | ProviderRemoved, *, project_id: str, subject: str) -> Observation:
    """Say who changed which provider; the audit line of the change."""
    fields: dict[str, object] = {
        "project_id": project_id,
        "subject": subject,
        "provider": view.id if isinstance(view, ProviderRemoved) else view.provider.get("id"),
        "version_id": view.version_id,
        "state": view.state.value,
    }
    return Observation("provider removed" if isinstance(view, ProviderRemoved) else "provider stored", fields)
