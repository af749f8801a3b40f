"""The projects' secrets and their edits."""

import itertools
import json
import random
from collections.abc import Callable

from mailer.ledger.epoch import Epoch
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import (
    SecretAbsent,
    SecretAnswer,
    SecretPresent,
    SecretUnavailable,
    SecretUnusable,
    Unavailability,
)

from tests.chaos.schedule import Schedule
from tests.chaos.transports import Network, Site

CACHE_SECONDS = 60.0


class SimulatedSecrets:
    """Implements `SecretStore` and edits what it holds.

    Each execution environment has a cache, so an answer may be up to a minute old without a refresh. Secrets in
    `are_left` stay broken.
    """

    def __init__(self, schedule: Schedule, network: Network) -> None:
        self._schedule = schedule
        self._network = network
        self._answers: dict[ProjectId, SecretAnswer] = {}
        self._before: dict[ProjectId, tuple[float, SecretAnswer]] = {}
        self._versions = itertools.count(1)
        self.unavailable = False
        self.are_left: set[ProjectId] = set()

    def current(
        self, project_id: ProjectId, *, epoch: Epoch | None, deadline: float, refresh: bool = False
    ) -> SecretAnswer:
        """See `SecretStore`."""
        self._schedule.live()
        worker = self._schedule.worker
        answer = self._answers.get(project_id, SecretAbsent())
        changed_at, before = self._before.get(project_id, (0.0, answer))
        if self.unavailable:
            answer = SecretUnavailable(Unavailability.THROTTLED)
        elif not refresh and self._schedule.now - changed_at < CACHE_SECONDS and worker.random.random() < 0.5:
            answer = before
        worker.answers[project_id] = answer
        return answer

    def may_use_server(self, project_id: str) -> bool:
        """Whether the worker read that the project has no relay, or works for the platform itself."""
        if project_id == "server":
            return True
        match self._schedule.worker.answers.get(ProjectId(project_id)):
            case SecretAbsent():
                return True
            case SecretPresent(text):
                return "smtpHost" not in text.reveal()
            case _:
                return False

    def truth(self, project_id: ProjectId) -> SecretAnswer:
        """Return the current secret."""
        return self._answers.get(project_id, SecretAbsent())

    def choose_relay(self, project_id: ProjectId, *, sender: str = "hello") -> None:
        """Write a valid secret with the relay's password."""
        site = self._network.sites.setdefault(f"mail.{project_id}.example", Site("p0"))
        entries = {
            "smtpHost": f"mail.{project_id}.example",
            "smtpPort": "587",
            "smtpUsername": "user",
            "smtpPassword": site.password,
            "smtpFromAddress": f"{project_id} <{sender}@{project_id}.example>",
        }
        self._write(project_id, SecretPresent(SecretStr(json.dumps(entries)), f"v{next(self._versions)}"))

    def edit(self, project_id: ProjectId, random: random.Random) -> None:
        """Make a random edit of the secret or of the relay's password."""
        site = self._network.sites[f"mail.{project_id}.example"]
        edits: list[Callable[[], None]] = [
            lambda: self.break_it(project_id, random),
            lambda: self.choose_relay(project_id),
            lambda: self.choose_relay(project_id),
            lambda: self.choose_relay(project_id, sender="news"),
            lambda: self._write(project_id, SecretAbsent()),
            lambda: setattr(site, "password", f"p{next(self._versions)}"),
        ]
        random.choice(edits)()

    def break_it(self, project_id: ProjectId, random: random.Random) -> None:
        """Write a secret without a valid relay."""
        version = f"v{next(self._versions)}"
        broken: list[SecretAnswer] = [
            SecretPresent(SecretStr("{"), version),
            SecretPresent(SecretStr('{"smtpHost": ""}'), version),
            SecretPresent(SecretStr(f'{{"smtpHost": "mail.{project_id}.example", "smtpPort": "no"}}'), version),
            SecretUnusable(Problem("secret-deleted", "Restore it.")),
        ]
        self._write(project_id, random.choice(broken))

    def _write(self, project_id: ProjectId, answer: SecretAnswer) -> None:
        self._before[project_id] = (self._schedule.now, self.truth(project_id))
        self._answers[project_id] = answer
