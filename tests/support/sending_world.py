"""A world for random tests of sending: scripted providers, faults of the ledger, lost workers, and a plain oracle.

The oracle knows what the providers have really taken and what the answers have said. It does not use the lifecycle.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from mailer.api.emails.responses import result_view
from mailer.errors import AcceptanceUnknown, KeyInFlight, LedgerUnavailable, MailerError
from mailer.ledger.idempotency import KeyUse
from mailer.ledger.record import OnUnknown, Record, State
from mailer.message.address import Address
from mailer.message.message import Message
from mailer.project import ProjectId
from mailer.relay.relay import Relay
from mailer.service.sending.accept_emails import Accepted, EmailRequest, accept_email
from mailer.service.sending.repeated_request import Replayed, Resumed
from mailer.service.sending.send_outcome import SendReport
from mailer.smtp import outcome
from mailer.smtp.outcome import Attempt

from tests import fakes
from tests.ledger_fakes import MemoryLedger
from tests.support.chain import ADA, BOB, BOTH, HOSTS, Killed, Turn, chain_secret
from tests.support.memory_service import MemoryService, render
from tests.support.projects import ACME, counting_ids
from tests.support.shown import shown

RECIPIENTS = (ADA.address, BOB.address)
# Each host's turn in one action; a host without a turn accepts everything.
type Plan = Mapping[str, Turn]


@dataclass(frozen=True)
class Fault:
    """What happens when a point is reached for the n-th time in an action.

    The worker is lost, or the ledger fails once; with `goes_out` it does not answer until the action ends.
    """

    point: str
    number: int
    kills: bool
    goes_out: bool


@dataclass(eq=False)
class Request:
    """One request of a caller: with its key it is the same request, however often it is made.

    `granted` counts the retries by hand that may have duplicated a copy. `refused` is set by an error that says that
    nothing was accepted. `free` has the recipients that the caller may serve again, because an answer said so, and
    `promised` those that an answer said would be served.
    """

    on_unknown: OnUnknown
    key: KeyUse | None
    is_async: bool
    ids: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    granted: int = 0
    refused: bool = False
    free: set[Address] = field(default_factory=set)
    promised: set[tuple[str, Address]] = field(default_factory=set)


@dataclass
class Providers(fakes.FakeRelayTransport):
    """Performs the plan of an action, and notes what each host has taken and what it has left unknown."""

    plan: Plan = field(default_factory=dict)
    copies: Counter[tuple[str, Address]] = field(default_factory=Counter)
    unknown_at: dict[tuple[str, Address], str] = field(default_factory=dict)
    repeated: set[tuple[str, Address]] = field(default_factory=set)
    strayed: list[str] = field(default_factory=list)

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
        turn = self.plan.get(relay.host, Turn())
        identity = message.message_id[1:].partition("@")[0]
        for recipient in message.recipients:
            if (identity, recipient) in self.unknown_at:
                self.repeated.add((identity, recipient))
            if self.unknown_at.get((identity, recipient), relay.host) != relay.host:
                self.strayed.append(f"{recipient.local_part} may have a copy, and {relay.host} was asked")
        attempt = Attempt({recipient: turn.verdict(recipient) for recipient in message.recipients})
        if not fakes.was_sent_completely(attempt):
            return attempt
        before_end()
        for recipient, verdict in attempt.verdicts.items():
            is_unknown = isinstance(verdict, outcome.Unknown)
            if isinstance(verdict, outcome.Accepted) or (is_unknown and turn.takes):
                self.copies[identity, recipient] += 1
            if is_unknown or turn.kills:
                self.unknown_at[identity, recipient] = relay.host
        if turn.kills:
            raise Killed
        return attempt


class World:
    """The service, its callers and the oracle."""

    def __init__(self, hosts: tuple[str, ...] = HOSTS) -> None:
        self.providers = Providers()
        self.service = MemoryService(relay=self.providers, ledger=MemoryLedger(failpoint=self._failpoint))
        self.service.new_id = self._new_id
        self.requests: list[Request] = []
        self.lost_workers: set[str] = set()
        self._ids = counting_ids()
        self._keys = itertools.count(1)
        self._versions = itertools.count(1)
        self._current: Request | None = None
        self._fault: Fault | None = None
        self._passed = 0
        self.choose(hosts)

    def choose(self, hosts: tuple[str, ...]) -> None:
        """Let the project have a relay at each of these hosts."""
        version = f"version-{next(self._versions)}"
        self.service.secrets.answers[ACME] = fakes.secret(chain_secret(hosts), version)

    def new_request(self, on_unknown: OnUnknown, *, has_key: bool, is_async: bool) -> Request:
        """Return a request that was not made yet."""
        key = None
        if has_key:
            key = KeyUse(f"digest-{next(self._keys)}", "fingerprint", self.service.seconds + 24 * 3600.0)
        request = Request(on_unknown, key, is_async)
        self.requests.append(request)
        return request

    def make(self, request: Request, plan: Plan, fault: Fault | None) -> None:
        """Make the request once, and compare its answer with what the providers have taken."""
        request.refused, request.free = False, set()
        before = self._all_copies(request)
        with self._acting(plan, fault, request):
            try:
                answer = self._queue(request) if request.is_async else self._send(request)
            except (KeyInFlight, AcceptanceUnknown):
                return
            except MailerError as error:
                # Without the ledger a repeated key is not recognised: the error is about this repetition alone.
                is_unrecognised = request.key is not None and isinstance(error, LedgerUnavailable)
                self._check_error(request, error, before if is_unrecognised else [0, 0])
                return
            self._check_answer(request, answer)

    def act(self, action: Callable[[], object], plan: Plan, fault: Fault | None) -> None:
        """Let a worker, the sweep or an admin act; a lost worker and a failure of the ledger end the action."""
        with self._acting(plan, fault, None):
            action()

    def request_of(self, record: Record) -> Request:
        """Return the request that has led to the record."""
        return next(request for request in self.requests if record.id in request.ids)

    def copies(self, request: Request, recipient: Address) -> int:
        """Return how many copies of a request's messages the recipient has."""
        return sum(self.providers.copies[identity, recipient] for identity in request.ids)

    def may_have_copy(self, record: Record) -> bool:
        """Whether a transport has taken a copy of the record's message, or may have taken one."""
        pairs = [(record.id, recipient) for recipient in RECIPIENTS]
        return any(self.providers.copies[pair] or pair in self.providers.unknown_at for pair in pairs)

    def _send(self, request: Request) -> SendReport | Accepted | Replayed | Resumed:
        return self.service.send(BOTH, key=request.key, on_unknown=request.on_unknown)

    def _queue(self, request: Request) -> SendReport | Accepted | Replayed | Resumed:
        return accept_email(
            EmailRequest(BOTH, request.on_unknown),
            ACME,
            ports=self.service.send_ports,
            deadline=self.service.clock() + 24.0,
            key=request.key,
            render=render,
        )

    def _all_copies(self, request: Request) -> list[int]:
        return [self.copies(request, recipient) for recipient in RECIPIENTS]

    def _check_error(self, request: Request, error: MailerError, expected: list[int]) -> None:
        copies = self._all_copies(request)
        assert copies == expected, f"{error.code} says that nothing was accepted, and there are {copies} copies"
        # With a key the caller repeats the request, so the message may be served later.
        request.refused = request.key is None

    def _check_answer(self, request: Request, answer: SendReport | Accepted | Replayed | Resumed) -> None:
        if isinstance(answer, Accepted):
            request.promised.update((answer.id, recipient) for recipient in RECIPIENTS)
        if not isinstance(answer, SendReport | Resumed):
            return
        body = shown(result_view(answer))
        request.named.add(str(body["id"]))
        for recipient in RECIPIENTS:
            copies, address = self.copies(request, recipient), str(recipient)
            listed = {
                name: [each["recipient"] for each in body.get(name, ())] for name in ("rejected", "deferred", "unknown")
            }
            if address in body["accepted"]:
                assert copies > 0, "the answer says accepted, and there is no copy"
            elif address in (*listed["rejected"], *listed["deferred"]):
                assert copies == 0, "the answer says not accepted, and there is a copy"
                if address in listed["deferred"] and body["next_attempt_at"] is None:
                    request.free.add(recipient)
                elif address in listed["deferred"]:
                    request.promised.add((str(body["id"]), recipient))
            else:
                assert address in listed["unknown"] or copies == 0, "the answer does not mention a copy"

    @contextmanager
    def _acting(self, plan: Plan, fault: Fault | None, request: Request | None) -> Iterator[None]:
        self.providers.plan, self._fault, self._passed, self._current = plan, fault, 0, request
        try:
            yield
        except Killed:
            pass
        except LedgerUnavailable:
            if request is not None:
                raise
        finally:
            self._note_lost_workers()
            self.providers.plan, self._fault, self._current = {}, None, None
            self.service.ledger.failing = False

    def _note_lost_workers(self) -> None:
        """Remember messages that are claimed or marked after an action: no worker has recorded their outcome."""
        for record in self.service.ledger.records:
            if record.state in {State.CLAIMED, State.SENDING}:
                self.lost_workers.add(record.id)

    def _new_id(self) -> str:
        identity = self._ids()
        if self._current is not None:
            self._current.ids.add(identity)
        return identity

    def _failpoint(self, point: str) -> None:
        fault = self._fault
        if fault is None or point != fault.point:
            return
        self._passed += 1
        if self._passed != fault.number:
            return
        if fault.kills:
            raise Killed
        self.service.ledger.failing = fault.goes_out
        raise LedgerUnavailable
