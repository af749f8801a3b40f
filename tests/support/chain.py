"""A project with a chain of scripted providers, which count the copies that they have taken."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mailer.errors import LedgerUnavailable
from mailer.ledger.record import Record
from mailer.message.address import Address, parse_mailbox
from mailer.message.draft import Draft
from mailer.message.message import Message
from mailer.project import ProjectId
from mailer.relay.relay import Relay
from mailer.service.sending import accept_emails
from mailer.service.sending.repeated_request import Replayed, Resumed
from mailer.service.sending.send_outcome import SendReport
from mailer.smtp.outcome import (
    Accepted,
    Attempt,
    Cause,
    Deferred,
    Failure,
    Phase,
    Rejected,
    RelayError,
    RelayFault,
    Unknown,
    Verdict,
)
from mailer.smtp.reply import Reply

from tests import fakes
from tests.support import canaries
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

HOSTS = ("first.acme.example", "second.acme.example", "third.acme.example")
ADA, BOB = parse_mailbox("ada@example.net"), parse_mailbox("bob@example.net")
BOTH = Draft(to=(ADA, BOB), subject="Hello", text="Hi\n")

ACCEPTED = fakes.ACCEPTED
GREYLISTED = Deferred(Failure(Phase.RCPT, Cause.REPLY, Reply(450)))
LATER = Deferred(Failure(Phase.FINAL, Cause.REPLY, Reply(451)))
UNREACHABLE = Deferred(Failure(Phase.CONNECT, Cause.REFUSED))
REFUSED = Rejected(Failure(Phase.RCPT, Cause.REPLY, Reply(550)))
AUTH_REJECTED = RelayError(RelayFault.AUTH_REJECTED, Failure(Phase.AUTH, Cause.REPLY, Reply(535)))
TLS_FAILED = RelayError(RelayFault.TLS_FAILED, Failure(Phase.TLS, Cause.CERTIFICATE_EXPIRED))
LOST = Unknown(Failure(Phase.FINAL, Cause.CONNECTION_LOST))


class Killed(BaseException):
    """The worker's process has ended."""


@dataclass(frozen=True)
class Turn:
    """What a provider does with one message.

    `verdicts` are by the recipients' local parts, `otherwise` is for all others. After an unknown outcome `takes` tells
    whether the provider has taken the message. With `kills` the worker dies right after the message was taken.
    """

    otherwise: Verdict = ACCEPTED
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    takes: bool = True
    kills: bool = False

    def verdict(self, recipient: Address) -> Verdict:
        """Return the verdict on a recipient."""
        return self.verdicts.get(recipient.local_part, self.otherwise)


@dataclass
class ScriptedProviders(fakes.FakeRelayTransport):
    """Implements `RelayTransport`: each host performs its turns in order, and then `usual` for every message."""

    turns: dict[str, list[Turn]] = field(default_factory=dict)
    usual: dict[str, Turn] = field(default_factory=dict)
    copies: Counter[tuple[str, Address]] = field(default_factory=Counter)
    hosts: dict[tuple[str, Address], list[str]] = field(default_factory=dict)

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
        self.sends.append(fakes.RelaySend(message, relay, project_id, version_id))
        left = self.turns.get(relay.host, [])
        turn = left.pop(0) if left else self.usual.get(relay.host, Turn())
        attempt = Attempt({recipient: turn.verdict(recipient) for recipient in message.recipients})
        if not fakes.was_sent_completely(attempt):
            return attempt
        before_end()
        for recipient, verdict in attempt.verdicts.items():
            if isinstance(verdict, Accepted) or (isinstance(verdict, Unknown) and turn.takes):
                self.copies[message.message_id, recipient] += 1
                self.hosts.setdefault((message.message_id, recipient), []).append(relay.host)
        if turn.kills:
            raise Killed
        return attempt

    def copies_of(self, recipient: Address) -> int:
        """Return how many copies a recipient has, of all messages."""
        return sum(number for (_, each), number in self.copies.items() if each == recipient)

    def asked(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the hosts that were asked, each with the local parts of the recipients."""
        return [(each.relay.host, tuple(to.local_part for to in each.message.recipients)) for each in self.sends]


def chain_secret(hosts: tuple[str, ...]) -> str:
    """Return a project's secret with a relay at each of these hosts, in this order."""
    providers = [
        {
            "id": f"provider-{number}",
            "provider": "smtp",
            "name": f"Provider {number}",
            "enabled": True,
            "priority": number,
            "config": {"host": host, "port": 587, "auth": {"user": canaries.USERNAME, "pass": canaries.PASSWORD}},
        }
        for number, host in enumerate(hosts[1:], start=1)
    ]
    return entries(smtpHost=hosts[0], emailProviders=json.dumps(providers) if providers else None)


def chain_service(*turns: Turn) -> tuple[MemoryService, ScriptedProviders]:
    """Return a service whose project has a chain of providers; each begins with its turn."""
    hosts = HOSTS[: max(1, len(turns))]
    providers = ScriptedProviders(turns={host: [turn] for host, turn in zip(hosts, turns, strict=False)})
    secrets = fakes.FakeSecretStore(answers={ACME: fakes.secret(chain_secret(hosts))})
    return MemoryService(secrets=secrets, relay=providers), providers


def fail_ledger(
    service: MemoryService, at: str, error: type[BaseException], *, number: int = 1, times: int = 1
) -> None:
    """Raise the error when this failpoint is reached for the n-th time, and at the times after it."""
    passed = 0

    def raise_there(point: str) -> None:
        nonlocal passed
        passed += point == at
        if point == at and number <= passed < number + times:
            raise error

    service.ledger.failpoint = raise_there


def only_record(service: MemoryService) -> Record:
    """Return the only record."""
    (record,) = service.ledger.records
    return record


def verdicts_of(record: Record) -> tuple[Verdict | None, ...]:
    """Return the verdict of each recipient."""
    return tuple(each.verdict for each in record.recipients)


def serve_what_is_due(service: MemoryService, *, rounds: int = 4) -> None:
    """Let hours pass, and let workers deliver what is due."""
    for _ in range(rounds):
        service.advance(8000.0)
        service.sweep()
        for record in service.ledger.records:
            service.deliver(record)


def sent_report(answer: SendReport | accept_emails.Accepted | Replayed | Resumed) -> SendReport:
    """Return the report of a request that was not answered before."""
    assert isinstance(answer, SendReport)
    return answer


def give_out_after(service: MemoryService, at: str, *, number: int = 1) -> Callable[[str], None]:
    """Return a failpoint that makes the ledger unavailable for good, at the n-th time that the point is reached."""
    passed = 0

    def give_out(point: str) -> None:
        nonlocal passed
        passed += point == at
        if point == at and passed == number:
            service.ledger.failing = True
            raise LedgerUnavailable

    return give_out
