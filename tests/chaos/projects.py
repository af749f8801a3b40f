"""The projects, their secrets and relays, and what admins do to them."""

import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chaos.facts import Facts
from tests.chaos.schedule import Schedule
from tests.chaos.secretsmanager import FakeSecretsManager
from tests.chaos.transports import Network, Site, api_host

# How long mail may leave by the server after a project has chosen a relay: a reading may be 5 s old, then it is used.
CACHE_SECONDS = 20.0
# How long the effect of a change may last: caches, and workers that have read the old version.
_SETTLING_SECONDS = 180.0
DAILY_LIMIT = 40


@dataclass(frozen=True)
class Profile:
    """One project: its relays, whether it also has an HTTP API, and its part of the messages."""

    name: str
    relays: int = 1
    has_api: bool = False
    weight: int = 2

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of its chain, in order."""
        relays = tuple(f"{place}.{self.name}.example" for place in ("mail", "backup")[: self.relays])
        return (*relays, api_host(self.name)) if self.has_api else relays


# The first project has most of the messages. The last two never have a secret.
PROFILES = (
    Profile("busy", weight=5),
    Profile("plain"),
    Profile("other"),
    Profile("chain", relays=2),
    Profile("limited", relays=2),
    Profile("mixed", has_api=True),
    Profile("bare", relays=0, weight=1),
    Profile("empty", relays=0, weight=1),
)
PROJECTS = {profile.name: profile for profile in PROFILES}


@dataclass
class _Truth:
    """Whether a project's mail may leave by the server now, and until when an older state counts."""

    is_server: bool = True
    was_server_until: float = 0.0
    changes: list[tuple[float, bool]] = field(default_factory=list)


class Projects:
    """Edits the projects' secrets, and knows which transport each project has chosen."""

    def __init__(self, schedule: Schedule, network: Network, facts: Facts, secrets: FakeSecretsManager) -> None:
        self._schedule = schedule
        self._network = network
        self._facts = facts
        self._secrets = secrets
        self._numbers = itertools.count(1)
        self._truth = {name: _Truth() for name in PROJECTS}
        self.are_left: set[str] = set()

    def set_up(self) -> None:
        """Create the relays, and choose them."""
        for profile in PROFILES:
            for host in profile.hosts:
                self._network.sites[host] = Site(profile.name, "p0")
            if profile.hosts:
                self.choose_relay(profile.name)

    def entries(self, project: str, *, sender: str = "hello") -> dict[str, str]:
        """Return the entries of a valid secret with the relays' current passwords."""
        profile = PROJECTS[project]
        primary, *others = profile.hosts
        entries = {
            "smtpHost": primary,
            "smtpPort": "587",
            "smtpUsername": "user",
            "smtpPassword": self._network.sites[primary].password,
            "smtpFromAddress": f"{project} <{sender}@{project}.example>",
        }
        if project == "limited":
            entries["smtpDailyLimit"] = str(DAILY_LIMIT)
        if others:
            entries["emailProviders"] = json.dumps([self._provider(project, host) for host in others])
        return entries

    def _provider(self, project: str, host: str) -> dict[str, object]:
        if host == api_host(project):
            return _provider("api", "sendgrid", 9, {"apiKey": "SG.chaos-key"})
        auth = {"user": "user", "pass": self._network.sites[host].password}
        return _provider("backup", "smtp", 5, {"host": host, "port": 587, "auth": auth})

    def choose_relay(self, project: str, *, sender: str = "hello") -> None:
        """Write a valid secret in the console."""
        self._secrets.write(f"project-smtp/{project}", json.dumps(self.entries(project, sender=sender)))

    def edit(self, project: str, random: random.Random) -> None:
        """Make a random edit of the secret or of a relay's password."""
        edits: list[Callable[[], None]] = [
            lambda: self.break_it(project, random),
            lambda: self.choose_relay(project),
            lambda: self.choose_relay(project, sender="news"),
            lambda: self._secrets.write(f"project-smtp/{project}", None),
            lambda: self._write(project, self._without_host(project)),
            lambda: self._rotate(project, random),
        ]
        random.choice(edits)()

    def break_it(self, project: str, random: random.Random) -> None:
        """Write a secret without a usable relay."""
        name = f"project-smtp/{project}"
        entries = self.entries(project)
        broken: list[Callable[[], None]] = [
            lambda: self._secrets.write(name, "{"),
            lambda: self._write(project, {**entries, "smtpHost": ""}),
            lambda: self._write(project, {**entries, "smtpPort": "no"}),
            lambda: self._write(project, {**entries, "emailEnabled": "false"}),
            lambda: self._secrets.schedule_deletion(name) if name in self._secrets.secrets else None,
        ]
        random.choice(broken)()

    def repair_relays(self) -> None:
        """End all faults of the relays, but not of the secrets."""
        for site in self._network.sites.values():
            site.is_down = site.is_slow = False
            for kind in (f"{site.owner} down", f"{site.owner} slow"):
                self._facts.relieve(site.owner, kind, self._schedule.now)

    def note_change(self, project: str) -> None:
        """Note what a changed secret means for the project's transport."""
        now = self._schedule.now
        truth = self._truth[project]
        if truth.is_server:
            truth.was_server_until = now + CACHE_SECONDS
        name = f"project-smtp/{project}"
        truth.is_server = name not in self._secrets.secrets or _asks_for_nothing(self._secrets.current(name))
        truth.changes.append((now, truth.is_server))
        if truth.is_server:
            self._facts.trouble(project, "relay removed", now)
        else:
            self._facts.relieve(project, "relay removed", now)
        self._facts.trouble(project, "secret changed", now, until=now + _SETTLING_SECONDS)
        if self._is_usable(project):
            self._facts.relieve(project, "secret broken", now)
        else:
            self._facts.trouble(project, "secret broken", now)

    def had_relay(self, project: str, at: float) -> bool:
        """Whether the project had its own transport at that time, and for a while before."""
        earlier = [each for each in self._truth[project].changes if each[0] <= at]
        return bool(earlier) and not earlier[-1][1] and at - earlier[-1][0] > CACHE_SECONDS

    def may_use_server(self, project: str) -> bool:
        """Whether the project has no relay now, or an execution environment may still have read so."""
        truth = self._truth[project]
        return truth.is_server or self._schedule.now <= truth.was_server_until

    def _write(self, project: str, entries: dict[str, str]) -> None:
        self._secrets.write(f"project-smtp/{project}", json.dumps(entries))

    def _without_host(self, project: str) -> dict[str, str]:
        return {
            name: text for name, text in self.entries(project).items() if name not in ("smtpHost", "emailProviders")
        }

    def _rotate(self, project: str, random: random.Random) -> None:
        site = self._network.sites[random.choice([each for each in PROJECTS[project].hosts if "api" not in each])]
        site.password = f"p{next(self._numbers)}"
        self._facts.trouble(project, "secret broken", self._schedule.now)

    def _is_usable(self, project: str) -> bool:
        """Whether mail can be sent with the secret: by the relays with their passwords, or by the server."""
        if self._truth[project].is_server:
            return True
        text = self._secrets.current(f"project-smtp/{project}")
        try:
            entries = json.loads(text or "")
        except ValueError:
            return False
        expected = self.entries(project)
        names = ("smtpHost", "smtpPort", "smtpPassword", "emailProviders", "emailEnabled")
        return all(entries.get(name) == expected.get(name) for name in names)


def _asks_for_nothing(text: str | None) -> bool:
    """Tell whether a secret has no transport of its own and does not switch mail off."""
    try:
        entries = json.loads(text or "")
    except ValueError:
        return False
    return not entries.keys() & {"smtpHost", "emailProviders"} and entries.get("emailEnabled") != "false"


def _provider(id: str, kind: str, priority: int, config: dict[str, object]) -> dict[str, object]:
    return {"id": id, "provider": kind, "name": id, "enabled": True, "priority": priority, "config": config}
