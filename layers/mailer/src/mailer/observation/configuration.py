"""Changes of projects' configurations and templates."""

from mailer.observation.record import Observation
from mailer.service.configuring.change_providers import ProviderRemoved, ProviderView
from mailer.service.configuring.choose_held import HeldChosen
from mailer.service.configuring.show_configuration import ConfigurationView
from mailer.template.template import TemplateSummary


def observe_change(view: ConfigurationView) -> Observation:
    """Return the audit line of a changed configuration, with its new version."""
    fields: dict[str, object] = {
        "version_id": view.version_id,
        "state": view.state.value,
        "entries": sorted(view.entries),
    }
    return Observation("configuration changed", fields)


def observe_held(chosen: HeldChosen) -> Observation:
    """Return the audit line of a choice about held messages."""
    return Observation("held messages decided", {"choice": chosen.choice.value, "held": chosen.held})


def observe_provider(view: ProviderView | ProviderRemoved) -> Observation:
    """Return the audit line of a changed or removed provider."""
    fields: dict[str, object] = {
        "provider": view.id if isinstance(view, ProviderRemoved) else view.provider.get("id"),
        "version_id": view.version_id,
        "state": view.state.value,
    }
    return Observation("provider removed" if isinstance(view, ProviderRemoved) else "provider stored", fields)


def observe_template(summary: TemplateSummary, *, is_removed: bool = False) -> Observation:
    """Return the audit line of a stored or removed template."""
    fields: dict[str, object] = {
        "template": summary.name,
        "etag": summary.etag,
    }
    return Observation("template removed" if is_removed else "template stored", fields)
