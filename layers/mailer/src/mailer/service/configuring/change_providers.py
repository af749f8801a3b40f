"""List, add, change and remove a project's providers; each change writes the whole secret.

A list becomes current only if the whole list is valid and the changed provider has accepted its credentials. The other
providers are validated after the change.
"""

from collections.abc import Callable, Mapping
from copy import replace
from datetime import datetime

import msgspec

from mailer.errors import ConfigurationChanged, NotFound, ProjectSmtpInvalid
from mailer.ledger.held import HeldChoice
from mailer.ports import ConfigurationPorts
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.secret import names
from mailer.secret.document import decode
from mailer.secret.edit import EditedItem, edit_provider, encode_like, with_entries
from mailer.secret.parser import Activates, Malformed, ParsedSecret, parse_switched_on
from mailer.secret.provider.provider_list import decode_providers
from mailer.secret.provider.registry import place
from mailer.secret.resolution import SecretPresent
from mailer.secret.view import describe_provider
from mailer.service.configuring.change_configuration import (
    NO_PROBE,
    Refused,
    follow_up,
    promote,
    read_stored,
    settle,
    verify,
)
from mailer.service.configuring.show_configuration import ConfigurationState
from mailer.service.configuring.validate_project import assess_health

type Item = Mapping[str, object]
# The value of `If-Match: *`, which any current version matches.
ANY_VERSION = "*"


class ProvidersView(msgspec.Struct, frozen=True):
    """A project's providers without secrets, and the version of the secret that lists them."""

    version_id: str | None
    providers: tuple[Item, ...]


class ProviderView(msgspec.Struct, frozen=True):
    """One provider without secrets. After a change, `state` is the state of the project's configuration."""

    version_id: str | None
    provider: Item
    state: ConfigurationState = ConfigurationState.UNVERIFIED


class ProviderRemoved(msgspec.Struct, frozen=True):
    """A removed provider, and the state of the project's configuration after the removal."""

    id: str
    version_id: str
    state: ConfigurationState


class _Listed(msgspec.Struct, frozen=True):
    """The secret and its list of providers; `written` is the value of the list's entry, as text or as JSON."""

    secret: SecretPresent | None
    items: list[object]
    written: object

    @property
    def version_id(self) -> str | None:
        """The version of the secret; None if there is no secret."""
        return self.secret.version_id if self.secret is not None else None

    def find(self, id: str) -> Item:
        """Return the provider with this id; raises `NotFound`."""
        for item in self.items:
            if isinstance(item, dict) and isinstance(own := item.get("id"), str) and own.strip() == id:
                return item
        raise NotFound


def list_providers(project_id: ProjectId, *, ports: ConfigurationPorts, deadline: float) -> ProvidersView:
    """Read the providers without the cache.

    Raises `ProjectSmtpDisabled`, `ProjectSmtpInvalid` and `SecretsUnavailable`.
    """
    listed = _read(project_id, ports, deadline)
    shown = tuple(describe_provider(item) for item in listed.items if isinstance(item, dict))
    return ProvidersView(listed.version_id, shown)


def find_provider(project_id: ProjectId, id: str, *, ports: ConfigurationPorts, deadline: float) -> ProviderView:
    """Read one provider without the cache; raises `NotFound` and the errors of `list_providers`."""
    listed = _read(project_id, ports, deadline)
    return ProviderView(listed.version_id, describe_provider(listed.find(id)))


def add_provider(
    project_id: ProjectId,
    given: Item,
    *,
    new_id: Callable[[], str],
    only_if: str | None = None,
    ports: ConfigurationPorts,
    deadline: float,
) -> ProviderView | Refused:
    """Add a provider under a new id; raises `ConfigurationChanged` and the errors of `list_providers`.

    `only_if` is the version of the secret that the caller has seen.
    """
    listed = _read(project_id, ports, deadline, only_if)
    id = new_id()
    item = {"id": id, **given, "createdAt": _time(ports.now())}
    edited = edit_provider(None, item, place(id), ports.settings.relay_policy)
    return _store(project_id, listed, [*listed.items, edited.item], edited, id, ports, deadline)


def replace_provider(
    project_id: ProjectId,
    id: str,
    given: Item,
    *,
    only_if: str | None = None,
    ports: ConfigurationPorts,
    deadline: float,
) -> ProviderView | Refused:
    """Change the given members of a provider. Raises the errors of `find_provider` and `add_provider`."""
    listed = _read(project_id, ports, deadline, only_if)
    before = listed.find(id)
    kept = {name: value for name, value in before.items() if name != "config"}
    item = {**kept, **given, "updatedAt": _time(ports.now())}
    edited = edit_provider(before, item, place(id), ports.settings.relay_policy)
    items = [edited.item if each is before else each for each in listed.items]
    return _store(project_id, listed, items, edited, id, ports, deadline)


def remove_provider(
    project_id: ProjectId,
    id: str,
    *,
    only_if: str | None = None,
    held: HeldChoice = HeldChoice.KEEP,
    ports: ConfigurationPorts,
    deadline: float,
) -> ProviderRemoved | Refused:
    """Remove a provider; its credentials do not stay in a previous version of the secret.

    `held` decides about waiting messages, as in `remove_configuration`. If a transport is left, it sends them, and
    `CANCEL` is about the messages that are held now.
    Without it, the project sends by the server transport only if the other entries ask for no transport and its mail is
    not switched off. Raises the errors of `replace_provider`.
    """
    listed = _read(project_id, ports, deadline, only_if)
    before = listed.find(id)
    remaining = [each for each in listed.items if each is not before]
    stored = _store(project_id, listed, remaining, EditedItem({}), NO_PROBE, ports, deadline, held)
    if isinstance(stored, Refused):
        return stored
    return ProviderRemoved(id, stored.version_id or "", stored.state)


def _read(project_id: ProjectId, ports: ConfigurationPorts, deadline: float, only_if: str | None = None) -> _Listed:
    secret = read_stored(project_id, ports, deadline)
    if only_if is not None and (secret is None or only_if not in (ANY_VERSION, secret.version_id)):
        raise ConfigurationChanged
    entries = decode(secret.text.reveal()) if secret is not None else {}
    if isinstance(entries, Problem):
        raise ProjectSmtpInvalid((entries,))
    if names.PROVIDERS not in entries:
        # The AWS console's editor shows every value as text, so a new list is written as text.
        return _Listed(secret, [], "")
    items = decode_providers(entries[names.PROVIDERS])
    if isinstance(items, Problem):
        raise ProjectSmtpInvalid((items,))
    return _Listed(secret, items, entries[names.PROVIDERS])


def _store(
    project_id: ProjectId,
    listed: _Listed,
    items: list[object],
    edited: EditedItem,
    id: str,
    ports: ConfigurationPorts,
    deadline: float,
    choice: HeldChoice | None = None,
) -> ProviderView | Refused:
    """Store the list if it is valid and the provider `id` passes the probe. With `NO_PROBE` there is no probe."""
    written = encode_like(listed.written, items) if items else None
    text = with_entries(listed.secret.text if listed.secret is not None else None, {names.PROVIDERS: written})
    if isinstance(text, Problem):
        raise ProjectSmtpInvalid((text,))
    parsed, is_switched_on = parse_switched_on(text.reveal(), ports.settings.relay_policy)
    if edited.problems:
        parsed = _with_problems(edited.problems, parsed)
    report = verify(project_id, parsed, ports, deadline, only=id)
    if isinstance(report, Refused):
        return report
    version_id = promote(project_id, text, listed.secret, ports, forgets=id == NO_PROBE, choice=choice)
    chain = parsed.configuration.chain if isinstance(parsed, Activates) else ()
    if not (is_switched_on and chain):
        state = settle(project_id, SecretPresent(text, version_id), ports).state
    elif [provider.id for provider in chain] == [id]:
        health = assess_health(replace(report, version_id=version_id), now=ports.timestamp())
        follow_up(project_id, health, ports)
        state = ConfigurationState.VERIFIED
    else:
        ports.validations.send([project_id])
        state = ConfigurationState.UNVERIFIED
    return ProviderView(version_id, describe_provider(edited.item), state)


def _with_problems(problems: tuple[Problem, ...], parsed: ParsedSecret) -> Malformed:
    """Add the problems of an edit. An entry with such a problem has no other problem."""
    named = {problem.entry for problem in problems}
    found = parsed.problems if isinstance(parsed, Malformed) else ()
    return Malformed((*problems, *(problem for problem in found if problem.entry not in named)))


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
