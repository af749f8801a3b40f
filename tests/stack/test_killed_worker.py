"""SIGKILL at every step of a delivery, with real processes: one copy, or the outcome `unknown` (DU3)."""

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import pytest
from mailer.adapters.aws.draft_store import S3DraftStore
from mailer.adapters.aws.ledger import DynamoDbLedger
from mailer.adapters.aws.queues import SqsDeliveryQueue
from mailer.adapters.aws.session import AwsSession
from mailer.ledger.record import Record, State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Attachment, Draft
from mailer.project import ProjectId
from mailer.service.sending.queue_email import queue_email

from local.option import ROOT
from tests.support.certificates import authority
from tests.support.delivery_worker import Place, serve
from tests.support.hostile_relay import HostileRelay
from tests.support.ledger_setup import Transit, create_table, serial_moto
from tests.support.ports import accept_ports
from tests.support.steps import Await, Expect, ReadMessage, Send, Signal, StartTls, Step

PATIENCE = 60.0
# After the lease of a worker that had a minute left.
AHEAD_SECONDS = 300.0
SMALL = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")
LARGE = msgspec.structs.replace(SMALL, attachments=(Attachment("large.bin", bytes(6_000_000), "application/zip"),))

TAKEN = Send(b"250 taken\r\n")

# A worker's writes to the ledger, in order.
ENTER, CLAIM, MARK, SETTLE = 1, 2, 3, 4


@dataclass
class Gate:
    """Stops one of the worker's writes until the worker is dead."""

    write: int = 0
    transit: Transit = Transit.SERVED
    reached: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)
    is_done: threading.Event = field(default_factory=threading.Event)
    writes: int = 0

    def transit_of(self, operation: str) -> Transit:
        if operation != "PutItem" or not self.write:
            return Transit.SERVED
        self.writes += 1
        if self.writes != self.write or self.is_over.is_set():
            return Transit.SERVED
        self.reached.set()
        self.is_over.wait(PATIENCE)
        return self.transit


@dataclass
class Setup:
    """moto with a gate in front of the ledger, and the message to deliver."""

    session: AwsSession
    place: Place
    gate: Gate

    def accept(self, draft: Draft, relay: HostileRelay) -> None:
        """Set the project's relay, and queue a message."""
        entries = {
            "smtpHost": relay.host,
            "smtpPort": str(relay.port),
            "smtpUsername": "user",
            "smtpPassword": "password",
            "smtpFromAddress": "hello@acme.example",
            "smtpCaCertificate": authority().pem,
        }
        name = f"project-smtp/{self.place.project_id}"
        self.session.secrets_manager().create_secret(Name=name, SecretString=json.dumps(entries))
        ports = accept_ports(
            ledger=self.ledger,
            drafts=S3DraftStore(self.session.s3, bucket=self.place.bucket),
            queue=SqsDeliveryQueue(self.session.sqs, url=self.place.queue_url),
            now=lambda: datetime.now(UTC),
        )
        queue_email(draft, ProjectId(self.place.project_id), ports=ports, id=self.place.id)

    @property
    def ledger(self) -> DynamoDbLedger:
        return DynamoDbLedger(self.session.dynamodb, once_factory=self.session.dynamodb_once, table=self.place.table)

    def record(self) -> Record:
        """The message's record in the ledger."""
        found = self.ledger.find(ProjectId(self.place.project_id), self.place.id)
        assert found is not None
        return found

    def kill_a_worker(self, reached: threading.Event) -> None:
        """Start a worker and kill it at this point."""
        command = [sys.executable, "-m", "tests.support.delivery_worker", msgspec.json.encode(self.place).decode()]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as worker:  # noqa: S603 -- this interpreter, on this repository's own module
            has_come = reached.wait(PATIENCE)
            worker.kill()
            printed = worker.communicate()[0]
        assert has_come, printed.decode()
        self.gate.is_over.set()
        if self.gate.transit is Transit.ANSWER_LOST:
            # The write is in the ledger before other requests are served.
            assert self.gate.is_done.wait(PATIENCE)

    def serve_later(self) -> None:
        """Let other workers serve the message after the first one's lease."""
        for ahead_seconds in (AHEAD_SECONDS, 2 * AHEAD_SECONDS):
            answer = serve(msgspec.structs.replace(self.place, ahead_seconds=ahead_seconds))
            assert answer == {"batchItemFailures": []}


@pytest.fixture(scope="module")
def gates() -> list[Gate]:
    """The current gate."""
    return [Gate()]


def _gated_moto(gates: list[Gate]) -> AbstractContextManager[str]:
    return serial_moto(lambda name: gates[-1].transit_of(name), lambda: gates[-1].is_done.set())


@pytest.fixture(scope="module")
def session(gates: list[Gate]) -> Iterator[AwsSession]:
    with pytest.MonkeyPatch.context() as environment, _gated_moto(gates) as url:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        yield AwsSession(endpoint_url=url)


@pytest.fixture
def setup(session: AwsSession, gates: list[Gate]) -> Setup:
    gates.append(Gate())
    unique = uuid.uuid4().hex
    bucket = f"content-{unique}"
    session.s3().create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    queue_url = session.sqs().create_queue(QueueName=f"delivery-{unique}")["QueueUrl"]
    place = Place(
        endpoint_url=session.dynamodb().meta.endpoint_url,
        table=create_table(session.dynamodb()),
        bucket=bucket,
        queue_url=queue_url,
        project_id=f"project-{unique}",
        id=unique,
    )
    return Setup(session, place, gates[-1])


def conversation() -> list[Step]:
    """The steps of a relay that accepts everything, one command at a time."""
    context = authority().valid("127.0.0.1")
    return [
        Send(b"220 relay\r\n"),
        Expect(b"EHLO"),
        Send(b"250-relay\r\n250 STARTTLS\r\n"),
        Expect(b"STARTTLS"),
        Send(b"220 go\r\n"),
        StartTls(context),
        Expect(b"EHLO"),
        Send(b"250-relay\r\n250 AUTH PLAIN\r\n"),
        Expect(b"AUTH"),
        Send(b"235 welcome\r\n"),
        Expect(b"MAIL"),
        Send(b"250 ok\r\n"),
        Expect(b"RCPT"),
        Send(b"250 ok\r\n"),
        Expect(b"DATA"),
        Send(b"354 go\r\n"),
        ReadMessage(),
        TAKEN,
        Expect(b"QUIT"),
    ]


@contextmanager
def relay_that_stops(stop: Callable[[Step], bool], reached: threading.Event) -> Iterator[HostileRelay]:
    """A relay that hangs at a step, on its first connection only."""
    is_over = threading.Event()

    def script(number: int) -> Sequence[Step]:
        steps = conversation()
        if number:
            return steps
        place = next((index for index, step in enumerate(steps) if stop(step)), len(steps))
        return [*steps[:place], Signal(reached), Await(is_over)]

    with HostileRelay(script, receive_buffer=16 * 1024) as relay:
        yield relay
        is_over.set()


PHASES: dict[str, Callable[[Step], bool]] = {
    "after it has connected": lambda step: step == Send(b"220 relay\r\n"),
    "after EHLO": lambda step: step == Send(b"250-relay\r\n250 STARTTLS\r\n"),
    "after STARTTLS": lambda step: step == Send(b"220 go\r\n"),
    "in the TLS handshake": lambda step: isinstance(step, StartTls),
    "after AUTH": lambda step: step == Send(b"235 welcome\r\n"),
    "before MAIL": lambda step: step == Expect(b"MAIL"),
    "before RCPT": lambda step: step == Expect(b"RCPT"),
    "before DATA": lambda step: step == Expect(b"DATA"),
    "after DATA": lambda step: step == Send(b"354 go\r\n"),
}


@pytest.mark.parametrize("phase", PHASES)
def test_DU3_a_worker_killed_before_the_content_leaves_one_copy(setup: Setup, phase: str) -> None:
    reached = threading.Event()
    with relay_that_stops(PHASES[phase], reached) as relay:
        setup.accept(SMALL, relay)
        setup.kill_a_worker(reached)
        setup.serve_later()

        assert (len(relay.messages), setup.record().state) == (1, State.SENT)
        assert len(relay.connections) == 2


def test_DU3_a_worker_killed_in_the_content_leaves_one_copy(setup: Setup) -> None:
    reached = threading.Event()
    with relay_that_stops(lambda step: isinstance(step, ReadMessage), reached) as relay:
        setup.accept(LARGE, relay)
        setup.kill_a_worker(reached)
        setup.serve_later()

        assert (len(relay.messages), setup.record().state) == (1, State.SENT)


@pytest.mark.parametrize(
    ("write", "transit"), [(CLAIM, Transit.LOST), (CLAIM, Transit.ANSWER_LOST), (MARK, Transit.LOST)]
)
def test_DU3_a_worker_killed_before_its_mark_leaves_one_copy(setup: Setup, write: int, transit: Transit) -> None:
    with HostileRelay(lambda _: conversation()) as relay:
        setup.accept(SMALL, relay)
        setup.gate.transit, setup.gate.write = transit, write
        setup.kill_a_worker(setup.gate.reached)
        setup.serve_later()

        assert (len(relay.messages), setup.record().state) == (1, State.SENT)


def test_DU3_a_worker_killed_before_the_end_leaves_unknown_and_no_copy(setup: Setup) -> None:
    with HostileRelay(lambda _: conversation()) as relay:
        setup.accept(SMALL, relay)
        setup.gate.transit, setup.gate.write = Transit.ANSWER_LOST, MARK
        setup.kill_a_worker(setup.gate.reached)
        setup.serve_later()

        assert (len(relay.messages), setup.record().state) == (0, State.UNKNOWN)


def test_DU3_a_worker_killed_before_the_reply_leaves_unknown_and_one_copy(setup: Setup) -> None:
    reached = threading.Event()
    with relay_that_stops(lambda step: step == TAKEN, reached) as relay:
        setup.accept(SMALL, relay)
        setup.kill_a_worker(reached)
        setup.serve_later()

        assert (len(relay.messages), setup.record().state) == (1, State.UNKNOWN)


def test_DU3_DU4_a_worker_killed_before_recording_the_reply_leaves_unknown(setup: Setup) -> None:
    with HostileRelay(lambda _: conversation()) as relay:
        setup.accept(SMALL, relay)
        setup.gate.transit, setup.gate.write = Transit.LOST, SETTLE
        setup.kill_a_worker(setup.gate.reached)
        setup.serve_later()

        assert (len(relay.messages), setup.record().state) == (1, State.UNKNOWN)


def test_DU3_a_worker_killed_after_recording_the_reply_leaves_one_copy(setup: Setup) -> None:
    with HostileRelay(lambda _: conversation()) as relay:
        setup.accept(SMALL, relay)
        setup.gate.transit, setup.gate.write = Transit.ANSWER_LOST, SETTLE
        setup.kill_a_worker(setup.gate.reached)
        setup.serve_later()

        assert (len(relay.messages), setup.record().state) == (1, State.SENT)
