"""In-memory ports: tests set the answers and assert on the recorded requests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mailer.ledger.epoch import Epoch
from mailer.message.message import Message
from mailer.ports import ApiMessage
from mailer.project import ProjectId
from mailer.relay.provider import ApiAccount
from mailer.relay.relay import Relay
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import SecretAbsent, SecretAnswer, SecretPresent
from mailer.smtp.outcome import Accepted, Attempt, Failure, Phase, ProbePassed, Verdict
from mailer.smtp.reply import Reply
from mailer.token import Principal, Refusal, TokenRefused

ACCEPTED = Accepted(Reply(250, "2.0.0 Ok", "2.0.0"))


def secret(text: str, version_id: str = "version-1") -> SecretPresent:
    """Return a secret with this text as its current version."""
    return SecretPresent(SecretStr(text), version_id)


@dataclass(frozen=True)
class SecretRead:
    """One read of the secret store."""

    project_id: ProjectId
    refresh: bool


@dataclass
class FakeSecretStore:
    """Implements `SecretStore`: `answers` by project; any other project has no secret.

    A read with `refresh` finds the answer in `refreshed`, if there is one for the project.
    """

    answers: dict[ProjectId, SecretAnswer] = field(default_factory=dict)
    refreshed: dict[ProjectId, SecretAnswer] = field(default_factory=dict)
    reads: list[SecretRead] = field(default_factory=list)

    def current(
        self, project_id: ProjectId, *, epoch: Epoch | None, deadline: float, refresh: bool = False
    ) -> SecretAnswer:
        self.reads.append(SecretRead(project_id, refresh))
        if refresh and project_id in self.refreshed:
            self.answers[project_id] = self.refreshed[project_id]
        return self.answers.get(project_id, SecretAbsent())


@dataclass(frozen=True)
class RelaySend:
    """One message handed to a project's relay."""

    message: Message
    relay: Relay
    project_id: ProjectId
    version_id: str


def was_sent_completely(attempt: Attempt) -> bool:
    """Tell whether the whole message was sent before the verdicts came."""
    return any(
        isinstance(verdict, Accepted) or verdict.failure.phase is Phase.FINAL for verdict in attempt.verdicts.values()
    )


@dataclass
class FakeRelayTransport:
    """Implements `RelayTransport`: returns `attempts` in order, then the same verdict for every recipient.

    `has_idle` tells whether a connection was kept after the last message.
    """

    verdict: Verdict = ACCEPTED
    attempts: list[Attempt] = field(default_factory=list)
    sends: list[RelaySend] = field(default_factory=list)
    has_idle: bool = False

    def send(
        self,
        message: Message,
        relay: Relay,
        *,
        project_id: ProjectId,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None],
    ) -> Attempt:
        attempt = self.attempts.pop(0) if self.attempts else Attempt.uniform(message.recipients, self.verdict)
        if was_sent_completely(attempt):
            before_end()
        self.sends.append(RelaySend(message, relay, project_id, version_id))
        self.has_idle = True
        return attempt

    def close_idle(self) -> None:
        self.has_idle = False


@dataclass(frozen=True)
class ApiSend:
    """One message handed to a provider's API."""

    api_message: ApiMessage
    account: ApiAccount
    project_id: ProjectId
    version_id: str


@dataclass
class FakeApiTransport:
    """Implements `ApiTransport`: returns `attempts` in order, then the same verdict for every recipient."""

    verdict: Verdict = ACCEPTED
    attempts: list[Attempt] = field(default_factory=list)
    sends: list[ApiSend] = field(default_factory=list)
    failure: Failure | None = None
    probes: list[ApiAccount] = field(default_factory=list)

    def send(
        self,
        api_message: ApiMessage,
        account: ApiAccount,
        *,
        project_id: ProjectId,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None],
    ) -> Attempt:
        attempt = (
            self.attempts.pop(0) if self.attempts else Attempt.uniform(api_message.message.recipients, self.verdict)
        )
        if was_sent_completely(attempt):
            before_end()
        self.sends.append(ApiSend(api_message, account, project_id, version_id))
        return attempt

    def probe(self, account: ApiAccount, *, deadline: float) -> Failure | ProbePassed:
        self.probes.append(account)
        return self.failure or ProbePassed(is_protected=True)


@dataclass
class CountingServerTransport:
    """Implements `ServerTransport`; `requests` must stay empty if a project chose its own relay."""

    verdict: Verdict = ACCEPTED
    reference: str | None = "reference-1"
    requests: list[Message] = field(default_factory=list)

    def send(self, message: Message, *, deadline: float, before_end: Callable[[], None]) -> Attempt:
        before_end()
        self.requests.append(message)
        reference = self.reference if isinstance(self.verdict, Accepted) else None
        return Attempt(dict.fromkeys(message.recipients, self.verdict), reference)


@dataclass(frozen=True)
class Probe:
    """One probe of a relay."""

    relay: Relay
    envelope_sender: str
    recipient: str


@dataclass
class FakeProbe:
    """Implements `RelayProbe`: every probe ends with `failure`; without a failure it passes."""

    failure: Failure | None = None
    is_protected: bool = True
    probes: list[Probe] = field(default_factory=list)

    def probe(self, relay: Relay, *, envelope_sender: str, recipient: str, deadline: float) -> Failure | ProbePassed:
        self.probes.append(Probe(relay, envelope_sender, recipient))
        return self.failure or ProbePassed(is_protected=self.is_protected)


@dataclass
class FakeTokenVerifier:
    """Implements `TokenVerifier`: accepts only the tokens that a test gave it."""

    principals: Mapping[str, Principal] = field(default_factory=dict)
    refusal: Refusal = Refusal.SIGNATURE

    def verify(self, token: str) -> Principal:
        if token not in self.principals:
            raise TokenRefused(self.refusal)
        return self.principals[token]


@dataclass
class FakeClock:
    """A clock that a test advances."""

    seconds: float = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
