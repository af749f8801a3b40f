"""In front of a project's providers: who may go to which of them now, and what a visit says about the road there."""

from collections.abc import Callable
from datetime import datetime
from typing import assert_never

from mailer.errors import LedgerUnavailable
from mailer.ledger import breaker
from mailer.ports import Ledger, Superseded
from mailer.project import ProjectId
from mailer.relay.provider import Provider
from mailer.smtp.outcome import Attempt, Deferred, Phase, RelayError, RelayFault, Verdict

_NO_CONVERSATION = frozenset(
    {Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.TLS, Phase.AUTH}
)


class Doorkeeper:
    """One worker's visits to the providers of one version of a project's secret."""

    def __init__(
        self,
        project_id: ProjectId,
        version_id: str,
        *,
        ledger: Ledger,
        now: Callable[[], datetime],
        token: str,
        lease_seconds: float,
    ) -> None:
        self._project_id = project_id
        self._version_id = version_id
        self._ledger = ledger
        self._now = now
        self._token = token
        self._lease_seconds = lease_seconds
        self._inside: dict[str, Attempt | None] = {}

    def enter(self, provider: Provider) -> breaker.Paused | None:
        """Go in, or learn until when not; whoever is inside already stays. Raises `LedgerUnavailable`."""
        if provider.id in self._inside:
            return None
        while True:
            now = self._now().timestamp()
            known = self._ledger.breaker(self._project_id, provider.id)
            admission = breaker.admit(
                known, version_id=self._version_id, token=self._token, now=now, until=now + self._lease_seconds
            )
            match admission:
                case breaker.Paused() as paused:
                    return paused
                case breaker.Admitted(entered):
                    try:
                        self._ledger.save_breaker(self._project_id, provider.id, entered)
                    except Superseded:
                        continue
                    self._inside[provider.id] = None
                    return None
                case unreachable:
                    assert_never(unreachable)

    def note(self, provider_id: str, attempt: Attempt) -> None:
        """Note what a visit came to; it is told when the worker leaves, after the message's own outcome is safe."""
        if provider_id in self._inside:
            self._inside[provider_id] = attempt

    def leave(self, provider_id: str) -> None:
        """Come back; an attempt that never came to a conversation, or whose credentials were refused, counts."""
        if provider_id not in self._inside:
            return
        attempt = self._inside.pop(provider_id)
        has_failed = None
        if attempt is not None:
            has_failed = bool(attempt.verdicts) and all(map(_speaks_of_the_road, attempt.verdicts.values()))
        while True:
            try:
                known = self._ledger.breaker(self._project_id, provider_id)
                left = breaker.leave(
                    known,
                    version_id=self._version_id,
                    token=self._token,
                    now=self._now().timestamp(),
                    has_failed=has_failed,
                )
                self._ledger.save_breaker(self._project_id, provider_id, left)
            except Superseded:
                continue
            except LedgerUnavailable:
                # The visit ends by itself when its time is over.
                return
            return

    def leave_all(self) -> None:
        """Come back from wherever the worker still is."""
        for provider_id in tuple(self._inside):
            self.leave(provider_id)


def _speaks_of_the_road(verdict: Verdict) -> bool:
    match verdict:
        case RelayError(fault):
            return fault is not RelayFault.SERVER_SUSPENDED
        case Deferred(failure):
            return failure.phase in _NO_CONVERSATION
        case _:
            return False
