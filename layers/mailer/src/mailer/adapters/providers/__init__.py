"""Providers over their HTTP APIs."""

from collections.abc import Callable

from mailer.outcome import Attempt, Cause, Deferred, Failure, Phase, Walked
from mailer.ports import Letter
from mailer.project import ProjectId
from mailer.provider import ApiAccount
from mailer.relay_policy import RelayPolicy


class ProviderApis:
    """Implements `ApiTransport`."""

    def __init__(self, *, policy: RelayPolicy) -> None:
        self._policy = policy

    def send(
        self,
        letter: Letter,
        account: ApiAccount,
        *,
        project_id: ProjectId,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None],
    ) -> Attempt:
        """Make one attempt: see `mailer.ports.ApiTransport`."""
        return Attempt.uniform(letter.message.recipients, Deferred(Failure(Phase.CONNECT, Cause.SERVICE_ERROR)))

    def probe(self, account: ApiAccount, *, deadline: float) -> Failure | Walked:
        """Ask whether the credentials are taken."""
        return Failure(Phase.CONNECT, Cause.SERVICE_ERROR)
