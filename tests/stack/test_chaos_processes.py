"""The chaos run with real processes: the embedded stack, whose execution environments are killed at random moments.

Leases last minutes, so a sweep with a clock in the future finds the messages of killed workers.
"""

import json
import os
import random
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from mailer.ledger.record import OnUnknown, Record, State
from mailer.project import ProjectId
from mailer.service.sending.sweep import sweep

from local.client import Answer, Caller, read_inbox
from local.cloud import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, make_client
from tests.support import embedded
from tests.support.delivery_worker import Place, ports_at, serve
from tests.support.embedded import Running

MESSAGES = 100
KILLED = 0.12
REPEATED = 0.1
PATIENCE = 40.0
# Longer than a living worker takes for a message, even on a busy machine.
QUIET = 3.0
# Past the lease of any worker, and of the queue's guard.
STEP_SECONDS = 400.0
_RETRYABLE = frozenset({409, 429, 500, 502, 503, 504})


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        variables.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        variables.setenv("AWS_DEFAULT_REGION", REGION)
        with embedded.running(tmp_path_factory.mktemp("chaos")) as running:
            yield running


class Chaos:
    """A project with a relay, its requests and the killed processes."""

    def __init__(self, stack: Running, seed: str) -> None:
        self.stack = stack
        self.random = random.Random(seed)
        self.project_id = f"project-{uuid.uuid4()}"
        self.accepted: dict[str, OnUnknown] = {}
        self.killed = 0
        self.unanswered = 0

    def write_secret(self) -> None:
        relay = self.stack.stack.relay
        entries = relay.entries(port=relay.starttls_port, from_address="hello@globex.example")
        secrets = make_client("secretsmanager", self.stack.stack.aws_endpoint_url)
        name = f"{self.stack.stack.project_secret_prefix}{self.project_id}"
        secrets.create_secret(Name=name, SecretString=json.dumps(entries))

    def submit(self, number: int) -> None:
        """Request a message, and repeat the request with the same key until there is an answer."""
        on_unknown = self.random.choice(list(OnUnknown))
        headers = {"Idempotency-Key": f"key-{number}"}
        if self.random.random() < 0.7:
            headers["Prefer"] = "respond-async"
        body = {"to": f"e{number}@example.com", "subject": "Hello", "text": "Hi", "on_unknown": on_unknown.value}
        answers = [self._post(body, headers)]
        while answers[-1].status in _RETRYABLE and len(answers) < 5:
            answers.append(self._post(body, headers))
        if self.random.random() < REPEATED:
            answers.append(self._post(body, headers))
        for answer in answers:
            if answer.status in {200, 202}:
                self.accepted[answer.text("id")] = on_unknown
        if answers[-1].status not in {200, 202}:
            self.unanswered += 1

    def _post(self, body: object, headers: dict[str, str]) -> Answer:
        caller = Caller(self.stack.stack, self.project_id, self.stack.stack.tokens["operator"])
        answer = caller.post("emails", body, headers=headers)
        if self.random.random() < KILLED:
            self.kill_an_environment()
        return answer

    def kill_an_environment(self) -> None:
        """Kill a random execution environment."""
        environments = environments_of(self.stack.process.pid)
        if environments:
            with suppress(ProcessLookupError):
                os.kill(self.random.choice(environments), signal.SIGKILL)
                self.killed += 1

    def come_to_rest(self) -> tuple[Record, ...]:
        """Sweep until every message is final; when none becomes final any more, sweep with a later time.

        The stack's own workers run at the present time, so other workers serve what a future sweep finds.
        """
        ahead, ended, changed = 0.0, 0, time.monotonic()
        while True:
            place = self._place(ahead)
            with ports_at(place) as ports:
                sweep(ports=ports, has_time=lambda: True)
                page = ports.ledger.page(ProjectId(self.project_id), state=None, cursor=None, limit=2 * MESSAGES)
            unfinished = [record for record in page.records if not record.is_final]
            if not unfinished:
                return page.records
            if ended != len(page.records) - len(unfinished):
                ended, changed = len(page.records) - len(unfinished), time.monotonic()
            quiet_seconds = time.monotonic() - changed
            assert quiet_seconds < PATIENCE, Counter(record.state.value for record in unfinished)
            if ahead:
                for record in unfinished:
                    serve(msgspec.structs.replace(place, id=record.id))
            # Only after the stack's workers have finished.
            threading.Event().wait(0.5)
            if quiet_seconds > QUIET:
                ahead += STEP_SECONDS

    def _place(self, ahead_seconds: float) -> Place:
        url = self.stack.stack.aws_endpoint_url
        tables = make_client("dynamodb", url).list_tables()["TableNames"]
        buckets = make_client("s3", url).list_buckets()["Buckets"]
        queues = make_client("sqs", url).list_queues()["QueueUrls"]
        (queue_url,) = (each for each in queues if "Delivery" in each and "Failure" not in each)
        return Place(url, tables[0], buckets[0]["Name"], queue_url, self.project_id, "", ahead_seconds)


def environments_of(stack: int) -> list[int]:
    """The processes in which functions run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            is_child = f"PPid:\t{stack}\n" in (process / "status").read_text()
            if is_child and b"local.runtime" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return sorted(found)


@pytest.fixture
def seed() -> str:
    chosen = os.environ.get("CHAOS_SEED", uuid.uuid4().hex)
    print(f"CHAOS_SEED={chosen}")
    return chosen


def test_DU20_the_accounting_is_exact_when_environments_are_killed(stack: Running, seed: str) -> None:
    chaos = Chaos(stack, seed)
    chaos.write_secret()
    for number in range(MESSAGES):
        chaos.submit(number)

    records = {record.id: record for record in chaos.come_to_rest()}

    print(f"{chaos.killed} killed, {dict(Counter(record.state.value for record in records.values()))}")
    assert chaos.killed > 0
    assert chaos.accepted.keys() <= records.keys()
    messages = read_inbox(stack.stack)[1]
    assert {message["transport"] for message in messages} == {"project-smtp"}
    copies = Counter(str(message["message_id"])[1:].partition("@")[0] for message in messages)
    assert copies.keys() <= records.keys()
    for id, record in records.items():
        match record.state:
            case State.SENT:
                # A repetition after an unknown outcome may be the second copy.
                assert 1 <= copies[id] <= len(record.attempts)
            case State.UNKNOWN:
                assert copies[id] <= (2 if record.on_unknown is OnUnknown.RETRY else 1)
            case _:
                # Its caller never got an answer.
                assert (copies[id], id in chaos.accepted) == (0, False)
        if record.on_unknown is OnUnknown.HOLD:
            assert copies[id] <= 1
