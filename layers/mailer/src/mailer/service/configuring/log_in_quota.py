"""Limits on the log-ins that a project's API callers cause.

Without them, a caller could try passwords at a host of their choice. Each log-in of a validation, a change or a test
message counts. A log-in that was refused counts for a lower limit as well. Validations that the service starts itself
do not count.
"""

import logging
from collections.abc import Callable
from copy import replace
from typing import Final

from mailer.errors import LedgerUnavailable, LimitReached
from mailer.ledger.limits import Counter, Limit, QuotaStatus, Window
from mailer.ports import ApiProbe, ConfigurationPorts, LedgerPorts, RelayProbe
from mailer.project import ProjectId
from mailer.relay.provider import ApiAccount
from mailer.relay.relay import Relay
from mailer.service.sending.quota import NOTHING_TAKEN, QuotaCounter, Taken
from mailer.smtp.outcome import Failure, Phase, ProbePassed, RelayError, RelayFault
from mailer.smtp.verdict import judge_probe

_LOGGER = logging.getLogger(__name__)
LOG_INS: Final = Counter("validations", Limit(60, Window.HOUR), unit="log-ins")
REFUSED_LOG_INS: Final = Counter("refused validations", Limit(20, Window.HOUR), unit="log-ins")

type _Probed = Failure | ProbePassed


class LogInQuota:
    """Counts one project's log-ins in the ledger.

    With `needs_ledger=False`, log-ins are made but not counted while the ledger does not answer.
    """

    def __init__(self, project_id: ProjectId, ports: LedgerPorts, *, needs_ledger: bool = True) -> None:
        self._counter = QuotaCounter(project_id, ports)
        self._needs_ledger = needs_ledger

    def take(self, *counters: Counter) -> Taken:
        """Count a log-in; raises `LimitReached` and `LedgerUnavailable`."""
        try:
            taken = self._counter.take(counters, 1)
        except LedgerUnavailable:
            if self._needs_ledger:
                raise
            _LOGGER.warning("log-in not counted")
            return NOTHING_TAKEN
        if isinstance(taken, QuotaStatus):
            raise LimitReached(taken, asked_for=1)
        return taken

    def ask(self, log_in: Callable[[], _Probed]) -> _Probed:
        """Count a log-in, make it, and return its result; raises the errors of `take`.

        It counts as refused before it begins, so that log-ins at the same time cannot exceed the limit.
        """
        taken = self.take(LOG_INS, REFUSED_LOG_INS)
        probed = log_in()
        if not (isinstance(probed, Failure) and _is_refused(probed)):
            self._counter.give_back(replace(taken, slots=taken.slots[-1:]), taken.amount)
        return probed


def with_limited_log_ins(
    project_id: ProjectId, ports: ConfigurationPorts, *, needs_ledger: bool = True
) -> ConfigurationPorts:
    """Return the ports with probes that count; such a probe raises the errors of `LogInQuota.take`."""
    quota = LogInQuota(project_id, ports, needs_ledger=needs_ledger)
    return replace(ports, probe=_LimitedRelayProbe(quota, ports.probe), api=_LimitedApiProbe(quota, ports.api))


class _LimitedRelayProbe:
    """Implements `RelayProbe`."""

    def __init__(self, quota: LogInQuota, inner: RelayProbe) -> None:
        self._quota = quota
        self._inner = inner

    def probe(self, relay: Relay, *, envelope_sender: str, recipient: str, deadline: float) -> _Probed:
        """Count and probe."""
        return self._quota.ask(
            lambda: self._inner.probe(relay, envelope_sender=envelope_sender, recipient=recipient, deadline=deadline)
        )


class _LimitedApiProbe:
    """Implements `ApiProbe`."""

    def __init__(self, quota: LogInQuota, inner: ApiProbe) -> None:
        self._quota = quota
        self._inner = inner

    def probe(self, account: ApiAccount, *, deadline: float) -> _Probed:
        """Count and probe."""
        return self._quota.ask(lambda: self._inner.probe(account, deadline=deadline))


def _is_refused(failure: Failure) -> bool:
    match judge_probe(failure):
        case RelayError(RelayFault.AUTH_REJECTED):
            return True
        case _:
            return failure.phase is Phase.AUTH
