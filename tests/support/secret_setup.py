"""A secret store with a fake AWS endpoint, clocks that a test moves, and the endpoint's answers."""

import json

from mailer.adapters.aws.secrets_manager import SecretsManagerReader
from mailer.adapters.aws.session import AwsSession
from mailer.adapters.net.elapsed import Clocks
from mailer.adapters.secret_cache import CachedSecretStore
from mailer.ledger.epoch import Epoch
from mailer.project import ProjectId
from mailer.relay.policy import RelayPolicy
from mailer.secret.resolution import SecretAnswer, resolve

from tests.fakes import FakeClock
from tests.support.fake_aws import Answer, Behaviour, Request, refusal, success

PREFIX = "project-smtp/"
POLICY = RelayPolicy()
ACME = ProjectId("acme")
OTHER = ProjectId("other")
RELAY = json.dumps(
    {"smtpHost": "relay.example.com", "smtpPort": "587", "smtpAuth": "none", "smtpFromAddress": "a@acme.example"}
)


class Setup:
    """A store with this endpoint and clocks that a test moves."""

    def __init__(self, url: str, *, capacity: int = 1000) -> None:
        self.monotonic, self.wall = FakeClock(), FakeClock()
        self.pauses: list[float] = []
        reader = SecretsManagerReader(AwsSession(endpoint_url=url).secrets_manager, PREFIX)
        self.store = CachedSecretStore(
            reader.fetch,
            resolve=lambda answer: resolve(allow_project_smtp=True, answer=answer, policy=POLICY),
            clocks=Clocks(self.monotonic, self.wall),
            pause=self._pause,
            capacity=capacity,
        )

    def read(self, project_id: ProjectId = ACME, *, epoch: Epoch | None = None, refresh: bool = False) -> SecretAnswer:
        return self.store.current(project_id, epoch=epoch, deadline=self.monotonic() + 20, refresh=refresh)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.monotonic.advance(seconds)
        self.wall.advance(seconds)


def value(text: str = RELAY, *, name: str = PREFIX + ACME, version: str = "v1") -> Answer:
    return success(Name=name, SecretString=text, VersionId=version, VersionStages=["AWSCURRENT"])


NOT_FOUND = refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")


class Script:
    """A behaviour that gives the answers in order; the last answer is repeated."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.behaviours = list(behaviours)

    def __call__(self, request: Request) -> Behaviour:
        return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
