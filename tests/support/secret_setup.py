"""A secret store with a fake AWS endpoint, clocks that a test moves, and the endpoint's answers."""

from mailer.adapters.aws.secrets_manager import SecretsManagerStore
from mailer.adapters.aws.session import AwsSession
from mailer.adapters.net.elapsed import Clocks
from mailer.project import ProjectId
from mailer.secret.resolution import SecretAnswer

from tests.fakes import FakeClock
from tests.support.fake_aws import Answer, Behaviour, Request, refusal, success

PREFIX = "project-smtp/"
ACME = ProjectId("acme")
OTHER = ProjectId("other")
RELAY = '{"smtpHost": "relay.example.com"}'


class Setup:
    """A store with this endpoint and clocks that a test moves."""

    def __init__(self, url: str, *, capacity: int = 1000) -> None:
        self.monotonic, self.wall = FakeClock(), FakeClock()
        self.store = SecretsManagerStore(
            AwsSession(endpoint_url=url).secrets_manager,
            prefix=PREFIX,
            chooses_relay=lambda text: "smtpHost" in text.reveal(),
            clocks=Clocks(self.monotonic, self.wall),
            capacity=capacity,
        )

    def read(self, project_id: ProjectId = ACME, *, refresh: bool = False) -> SecretAnswer:
        return self.store.current(project_id, deadline=self.monotonic() + 20, refresh=refresh)

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
