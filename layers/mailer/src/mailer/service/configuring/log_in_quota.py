"""Limits on the log-ins that a project's API callers cause.

Without them, a caller could try passwords at a host of their choice. The log-ins with entries that a request gives, or
changes, have limits of their own, and a lower one if they are refused. So a program that validates the stored entries
all the time does not stop a change. Validations that the service starts itself do not count.
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
from mailer.service.sending.quota import QuotaCounter, Taken
from mailer.smtp.outcome import Failure, Phase, ProbePassed, RelayError, RelayFault
from mailer.smtp.verdict import judge_probe

_LOGGER = logging.getLogger(__name__)
# Validations of the stored entries, and test messages.
VALIDATIONS: Final = Counter("validations", Limit(60, Window.HOUR), unit="log-ins")
# Validations of given entries, and changes of the configuration.
CHANGES: Final = Counter("changes", Limit(60, Window.HOUR), unit="log-ins")
REFUSED_CHANGES: Final = Counter("refused changes", Limit(20, Window.HOUR), unit="log-ins")

type _Probed = Failure | ProbePassed
type _LogIn = Callable[[], _Probed]
type _Count = Callable[[_LogIn], _Probed]


def count_test_message(project_id: ProjectId, ports: LedgerPorts) -> None:
    """Count the log-in of a test message; raises `LimitReached` and `LedgerUnavailable`."""
    _take(QuotaCounter(project_id, ports), VALIDATIONS)


def counting_validations(project_id: ProjectId, ports: ConfigurationPorts) -> ConfigurationPorts:
    """Return the ports with probes for the stored entries; such a probe raises `LimitReached`.

    While the ledger does not answer, log-ins are not counted: an admin must see what is wrong.
    """

    def count(log_in: _LogIn) -> _Probed:
        try:
            _take(QuotaCounter(project_id, ports), VALIDATIONS)
        except LedgerUnavailable:
            _LOGGER.warning("log-in not counted", extra={"project_id": project_id})
        return log_in()

    return _with_probes(ports, count)


def counting_changes(project_id: ProjectId, ports: ConfigurationPorts) -> ConfigurationPorts:
    """Return the ports with probes for given entries; such a probe raises `LimitReached` and `LedgerUnavailable`.

    A log-in counts as refused before it begins, so that log-ins at the same time cannot exceed the limit.
    """

    def count(log_in: _LogIn) -> _Probed:
        counter = QuotaCounter(project_id, ports)
        taken = _take(counter, CHANGES, REFUSED_CHANGES)
        probed = log_in()
        if not (isinstance(probed, Failure) and _is_refused(probed)):
            counter.give_back(replace(taken, slots=taken.slots[-1:]), taken.amount)
        return probed

    return _with_probes(ports, count)


def _take(counter: QuotaCounter, *counters: Counter) -> Taken:
    taken = counter.take(counters, 1)
    if isinstance(taken, QuotaStatus):
        raise LimitReached(taken, asked_for=1)
    return taken


def _with_probes(ports: ConfigurationPorts, count: _Count) -> ConfigurationPorts:
    return replace(ports, probe=_CountingRelayProbe(count, ports.probe), api=_CountingApiProbe(count, ports.api))


class _CountingRelayProbe:
    """Implements `RelayProbe`."""

    def __init__(self, count: _Count, inner: RelayProbe) -> None:
        self._count = count
        self._inner = inner

    def probe(self, relay: Relay, *, envelope_sender: str, recipient: str, deadline: float) -> _Probed:
        """Count and probe."""
        return self._count(
            lambda: self._inner.probe(relay, envelope_sender=envelope_sender, recipient=recipient, deadline=deadline)
        )


class _CountingApiProbe:
    """Implements `ApiProbe`."""

    def __init__(self, count: _Count, inner: ApiProbe) -> None:
        self._count = count
        self._inner = inner

    def probe(self, account: ApiAccount, *, deadline: float) -> _Probed:
        """Count and probe."""
        return self._count(lambda: self._inner.probe(account, deadline=deadline))


def _is_refused(failure: Failure) -> bool:
    match judge_probe(failure):
        case RelayError(RelayFault.AUTH_REJECTED):
            return True
        case _:
            return failure.phase is Phase.AUTH
