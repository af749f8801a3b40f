"""Relays that fail in every way and record accepted messages, and the server transport, which counts.

Faults come from the message's own random generator, so they do not depend on the order of messages.
"""

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mailer.message.address import Address
from mailer.message.message import Message
from mailer.project import ProjectId
from mailer.relay.relay import PasswordAuth, Relay
from mailer.smtp.outcome import (
    Accepted,
    Attempt,
    Cause,
    Deferred,
    Failure,
    Phase,
    ProbePassed,
    Rejected,
    RelayError,
    RelayFault,
    Unknown,
    Verdict,
)
from mailer.smtp.reply import make_reply

from tests.chaos.facts import Copy, Facts
from tests.chaos.schedule import Schedule

OK = make_reply(250, "2.0.0 Ok")
_EARLY = (Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.AUTH)


def event_of(recipient: Address) -> int:
    """Return the number of a recipient's event: 12 for `e12.0@acme.example`."""
    return int(recipient.local_part[1:].partition(".")[0])


def owner_of(recipient: Address) -> str:
    """Return the project that a recipient belongs to."""
    return recipient.domain.partition(".")[0]


def failed(phase: Phase, cause: Cause = Cause.REPLY, code: int | None = None) -> Failure:
    """Return a failure, with a reply if it has a code."""
    return Failure(phase, cause, None if code is None else make_reply(code, "No"))


@dataclass
class Site:
    """One project's relay: its current password, and whether it works."""

    password: str
    is_down: bool = False
    is_slow: bool = False


@dataclass
class Network:
    """All relays by host."""

    sites: dict[str, Site] = field(default_factory=dict)
    is_healthy: bool = False


class SimulatedRelays:
    """Implements `RelayTransport` and `RelayProbe`."""

    def __init__(
        self, schedule: Schedule, network: Network, facts: Facts, random_of: Callable[[int], random.Random]
    ) -> None:
        self._schedule = schedule
        self._network = network
        self._facts = facts
        self._random_of = random_of

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
        """See `RelayTransport`."""
        self._schedule.live()
        event = event_of(message.recipients[0])
        random = self._random_of(event)
        recipients = message.recipients
        verdict = self._come_to_the_transaction(relay, random)
        if verdict is not None:
            return Attempt.uniform(recipients, verdict)
        if random.random() < 0.3:
            # Too large for one write: the envelope's replies come before the mark.
            refused = self._envelope(recipients, random)
            if len(refused) == len(recipients):
                return Attempt(refused)
            self._schedule.wait(random.uniform(0.1, 3.0))
            if self._breaks(random, 0.02):
                return Attempt.uniform(recipients, Deferred(failed(Phase.CONTENT, Cause.CONNECTION_LOST)))
            before_end()
        else:
            before_end()
            self._schedule.live()
            if self._breaks(random, 0.01):
                # The warm session was dead: `before_end` is called again on a new connection.
                self._schedule.wait(random.uniform(0.1, 2.0))
                before_end()
            if self._breaks(random, 0.01):
                reauthenticate = RelayError(RelayFault.AUTH_REJECTED, failed(Phase.MAIL, code=530))
                return Attempt.uniform(recipients, reauthenticate)
            refused = self._envelope(recipients, random)
            if len(refused) == len(recipients):
                return Attempt(refused)
        self._schedule.live()
        return self._end(message, relay, version_id, refused, random, deadline)

    def close_idle(self) -> None:
        """See `RelayTransport`."""

    def probe(self, relay: Relay, *, envelope_sender: str, recipient: str, deadline: float) -> Failure | ProbePassed:
        """See `RelayProbe`."""
        verdict = self._come_to_the_transaction(relay, self._schedule.worker.random)
        match verdict:
            case None | Accepted():
                return ProbePassed(is_protected=True)
            case Rejected(failure) | Deferred(failure) | Unknown(failure) | RelayError(_, failure):
                return failure

    def _come_to_the_transaction(self, relay: Relay, random: random.Random) -> Verdict | None:
        site = self._network.sites.get(relay.host)
        self._schedule.wait(random.uniform(0.05, 0.5))
        if site is None:
            return Deferred(failed(Phase.RESOLVE, Cause.NAME_NOT_FOUND))
        if site.is_slow:
            self._schedule.wait(random.uniform(5.0, 20.0))
        if site.is_down:
            return Deferred(failed(Phase.CONNECT, random.choice([Cause.REFUSED, Cause.TIMEOUT])))
        if isinstance(relay.auth, PasswordAuth) and relay.auth.password.reveal() != site.password:
            return RelayError(RelayFault.AUTH_REJECTED, failed(Phase.AUTH, code=535))
        if self._breaks(random, 0.04):
            phase = random.choice(_EARLY)
            if phase in (Phase.RESOLVE, Phase.CONNECT):
                return Deferred(failed(phase, Cause.REFUSED))
            return Deferred(failed(phase, code=421) if random.random() < 0.5 else failed(phase, Cause.CONNECTION_LOST))
        if self._breaks(random, 0.005):
            return RelayError(RelayFault.TLS_FAILED, failed(Phase.TLS, Cause.CERTIFICATE_EXPIRED))
        return None

    def _envelope(self, recipients: tuple[Address, ...], random: random.Random) -> dict[Address, Verdict]:
        unique = dict.fromkeys(recipients)
        if self._breaks(random, 0.01):
            return dict.fromkeys(unique, Rejected(failed(Phase.MAIL, code=550)))
        if self._breaks(random, 0.02):
            return dict.fromkeys(unique, Deferred(failed(Phase.MAIL, code=random.choice([421, 451]))))
        refused: dict[Address, Verdict] = {}
        for recipient in unique:
            if random.random() < 0.02:
                refused[recipient] = Rejected(failed(Phase.RCPT, code=550))
            elif self._breaks(random, 0.03):
                refused[recipient] = Deferred(failed(Phase.RCPT, code=450))
        return refused

    def _end(
        self,
        message: Message,
        relay: Relay,
        version_id: str,
        refused: Mapping[Address, Verdict],
        random: random.Random,
        deadline: float,
    ) -> Attempt:
        taken = tuple(recipient for recipient in message.recipients if recipient not in refused)
        transit = random.random() if not self._network.is_healthy else 1.0
        verdict: Verdict
        if transit < 0.01:
            verdict = Rejected(failed(Phase.FINAL, code=554))
        elif transit < 0.03:
            verdict = Deferred(failed(Phase.FINAL, code=random.choice([421, 451])))
        else:
            is_lost = transit < 0.06
            if not (is_lost and random.random() < 0.3):
                self._take(message, taken, relay.host, version_id)
            if is_lost:
                cause = random.choice([Cause.CONNECTION_LOST, Cause.TIMEOUT, Cause.PROTOCOL_VIOLATION])
                self._schedule.wait(min(random.uniform(0.1, 30.0), max(0.0, deadline - self._schedule.now)))
                verdict = Unknown(failed(Phase.FINAL, cause))
            else:
                verdict = Accepted(OK)
        self._schedule.wait(random.uniform(0.05, 0.5))
        return Attempt({**refused, **dict.fromkeys(taken, verdict)})

    def _take(self, message: Message, taken: tuple[Address, ...], host: str, version_id: str) -> None:
        digest = hashlib.sha256(message.as_bytes()).digest()
        for recipient in taken:
            copy = Copy(
                event_of(recipient), str(recipient), message.message_id, digest, host, version_id, self._schedule.now
            )
            self._facts.copies[copy.event].append(copy)
            if host != f"mail.{owner_of(recipient)}.example":
                self._facts.strayed.append(f"event {copy.event} of {owner_of(recipient)} went to {host}")

    def _breaks(self, random: random.Random, probability: float) -> bool:
        # Drawn in any case, so that repairing a relay does not change later draws.
        return random.random() < probability and not self._network.is_healthy


class CountingServer:
    """Implements `ServerTransport`; a request for a project with its own relay is recorded as strayed."""

    def __init__(
        self,
        schedule: Schedule,
        network: Network,
        facts: Facts,
        random_of: Callable[[int], random.Random],
        may_use_server: Callable[[str], bool],
    ) -> None:
        self._schedule = schedule
        self._network = network
        self._facts = facts
        self._random_of = random_of
        self._may_use_server = may_use_server

    def send(self, message: Message, *, deadline: float, before_end: Callable[[], None]) -> Attempt:
        """See `ServerTransport`."""
        self._schedule.live()
        random = self._random_of(event_of(message.recipients[0]))
        owner = owner_of(message.recipients[0])
        before_end()
        self._schedule.live()
        if not self._may_use_server(owner):
            self._facts.strayed.append(f"the server was asked for a message of {owner}, which chose a relay")
        transit = random.random() if not self._network.is_healthy else 1.0
        verdict: Verdict
        if transit < 0.03:
            verdict = Deferred(failed(Phase.FINAL, Cause.THROTTLED))
        elif transit < 0.04:
            verdict = Rejected(failed(Phase.FINAL, Cause.SERVICE_ERROR))
        else:
            is_lost = transit < 0.06
            if not (is_lost and random.random() < 0.3):
                digest = hashlib.sha256(message.as_bytes()).digest()
                for recipient in message.recipients:
                    copy = Copy(
                        event_of(recipient), str(recipient), message.message_id, digest, None, None, self._schedule.now
                    )
                    self._facts.copies[copy.event].append(copy)
            verdict = Unknown(failed(Phase.FINAL, Cause.TIMEOUT)) if is_lost else Accepted(OK)
        self._schedule.wait(random.uniform(0.02, 0.3))
        return Attempt.uniform(message.recipients, verdict)
