"""The delivery worker: partial batches, malformed records and the time left."""

import itertools
import json
from copy import replace
from dataclasses import dataclass, field
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.errors import LedgerUnavailable
from mailer.ledger.record import MAX_AGE_SECONDS, Record, State
from mailer.message.address import parse_mailbox
from mailer.message.draft import Draft
from mailer.ports import Delivery
from mailer.project import ProjectId
from mailer.smtp.outcome import Cause, Failure, Phase, RelayError, RelayFault

from functions.deliver.app import create_handler
from tests import fakes
from tests.functions.conftest import Context, Lines, load_event
from tests.ledger_fakes import MemoryFailureQueue, MemoryLedger
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

DRAFT = Draft(to=(parse_mailbox("ada@example.net"),), subject="Hello", text="Hi\n")


class PartlySilentLedger(MemoryLedger):
    """Unavailable for some messages."""

    def __init__(self) -> None:
        super().__init__()
        self.silent_about: set[str] = set()

    def find(self, project_id: ProjectId | None, id: str) -> Record | None:
        if id in self.silent_about:
            raise LedgerUnavailable
        return super().find(project_id, id)


@dataclass
class Worker:
    """The handler on ports in memory."""

    log: Logger
    ledger: PartlySilentLedger = field(default_factory=PartlySilentLedger)
    failures: MemoryFailureQueue = field(default_factory=MemoryFailureQueue)
    counts: list[tuple[str, int, str | None]] = field(default_factory=list)
    remaining_seconds: float = 180.0

    def __post_init__(self) -> None:
        secrets = fakes.FakeSecretStore(answers={ACME: fakes.secret(entries())})
        self.service = MemoryService(secrets=secrets, ledger=self.ledger)

    def call(self, event: dict[str, Any]) -> list[str]:
        handler = create_handler(
            ports=self.service.send_ports,
            refuse=self.failures.send,
            log=self.log,
            count=lambda name, value, transport: self.counts.append((name, value, transport)),
        )
        answer = handler(event, Context(self.remaining_seconds))  # type: ignore[arg-type]  # what is used of it
        return [str(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]

    def accept(self, count: int = 1) -> list[Record]:
        return [self.service.accept(DRAFT) for _ in range(count)]


def batch(*bodies: object) -> dict[str, Any]:
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {"Records": [{"messageId": f"m{number}", "body": text} for number, text in enumerate(texts)]}


def calls(records: list[Record]) -> dict[str, Any]:
    return batch(*({"project_id": record.project_id, "id": record.id} for record in records))


@pytest.fixture
def worker(log: Logger) -> Worker:
    return Worker(log)


def test_a_queued_message_is_delivered_counted_and_logged(worker: Worker, lines: Lines) -> None:
    (record,) = worker.accept()

    assert worker.call(calls([record])) == []
    assert worker.service.known(record).state is State.SENT
    assert worker.counts == [("MessagesAccepted", 1, "project-smtp")]
    (line,) = lines.read()
    assert (line["id"], line["status"], line["recipient_domains"]) == (record.id, "sent", ["example.net"])


def test_no_connection_to_a_relay_is_kept_after_a_batch(worker: Worker) -> None:
    records = worker.accept(3)

    assert worker.call(calls(records)) == []
    assert len(worker.service.relay.sends) == 3
    assert not worker.service.relay.has_idle


def test_no_connection_to_a_relay_is_kept_after_a_batch_that_partly_fails(worker: Worker) -> None:
    records = worker.accept(2)
    worker.ledger.silent_about = {records[1].id}

    assert worker.call(calls(records)) == ["m1"]
    assert len(worker.service.relay.sends) == 1
    assert not worker.service.relay.has_idle


def test_SH14_no_address_is_logged(worker: Worker, lines: Lines) -> None:
    (record,) = worker.accept()
    named = worker.ledger.replace(replace(record, origin="MfaReset", request_id="ada@example.net asked"))
    worker.call(calls([named]))

    assert "ada@" not in lines.stream.getvalue()


def test_QD1_exactly_the_records_that_failed_come_back(worker: Worker) -> None:
    for failing in itertools.chain.from_iterable(itertools.combinations(range(5), size) for size in range(6)):
        records = worker.accept(5)
        worker.ledger.silent_about = {records[number].id for number in failing}

        assert worker.call(calls(records)) == [f"m{number}" for number in failing]
        worker.ledger.silent_about = set()
        assert [worker.service.known(record).state is State.SENT for record in records] == [
            number not in failing for number in range(5)
        ]


def test_DU19_the_same_message_twice_in_one_batch_is_sent_once(worker: Worker) -> None:
    (record,) = worker.accept()

    assert worker.call(calls([record, record])) == []
    assert len(worker.service.relay.sends) == 1


@pytest.mark.parametrize("body", ["", "not json", "[]", "{}", '{"id": 7}', '{"id": "x", "more": 1}', '{"tick": false}'])
def test_QD4_a_malformed_record_goes_to_the_failure_queue_at_once(worker: Worker, body: str) -> None:
    (record,) = worker.accept()

    assert worker.call(batch(body, {"project_id": "acme", "id": record.id})) == []
    assert [kept["reason"] for kept in worker.failures.sends] == ["body-malformed"]
    assert worker.service.known(record).state is State.SENT


def test_a_malformed_record_comes_back_if_the_failure_queue_refuses_it(worker: Worker) -> None:
    worker.failures.failing = True

    assert worker.call(batch("not json")) == ["m0"]


def test_TI11_a_bug_with_one_message_does_not_touch_the_others(worker: Worker, lines: Lines) -> None:
    records = worker.accept(3)

    class Meeting(fakes.FakeRelayTransport):
        def send(self, *args: object, **named: object) -> object:  # type: ignore[override]
            if len(worker.service.relay.sends) == 1 and not self.has_met:
                self.has_met = True
                raise ZeroDivisionError
            return super().send(*args, **named)  # type: ignore[arg-type]

        has_met = False

    worker.service.relay = Meeting()

    assert worker.call(calls(records)) == ["m1"]
    assert [worker.service.known(record).state for record in records] == [State.SENT, State.CLAIMED, State.SENT]
    assert any(line["message"] == "internal error" for line in lines.read())


def test_AV11_a_message_with_too_little_time_goes_to_another_worker_at_once(worker: Worker) -> None:
    worker.remaining_seconds = 29.0
    records = worker.accept(2)
    worker.service.queue.sends.clear()

    assert worker.call(calls(records)) == []
    assert worker.service.queue.sends == [Delivery(ACME, record.id) for record in records]
    assert worker.service.relay.sends == []


@pytest.mark.parametrize(("seconds", "is_failing"), [(29.0, True), (4.0, False)])
def test_DU5_a_message_that_cannot_be_passed_on_comes_back(worker: Worker, seconds: float, is_failing: bool) -> None:
    worker.remaining_seconds = seconds
    records = worker.accept(2)
    worker.service.queue.failing = is_failing

    assert worker.call(calls(records)) == ["m0", "m1"]
    assert worker.service.relay.sends == []


def test_a_tick_settles_overdue_messages_and_counts_them(worker: Worker) -> None:
    (record,) = worker.accept()
    worker.service.advance(MAX_AGE_SECONDS)

    assert worker.call(load_event("deliver.tick")) == []
    assert worker.service.known(record).state is State.EXPIRED
    assert ("MessagesExpired", 1, "none") in worker.counts


def test_the_function_understands_the_queue_s_event(worker: Worker, lines: Lines) -> None:
    assert worker.call(load_event("deliver.queued")) == []
    assert worker.failures.sends == []
    assert [line["result"] for line in lines.read()] == ["not-found"]


def test_an_operator_s_tick_releases_what_waits_for_the_server_transport(worker: Worker, lines: Lines) -> None:
    fault = RelayError(RelayFault.SERVER_TRANSPORT_FAILED, Failure(Phase.AUTH, Cause.REPLY))
    worker.service.server.verdict = fault
    record = worker.service.accept(DRAFT, None)
    worker.service.deliver(record)
    worker.service.queue.sends.clear()

    assert worker.call(batch({"tick": True, "server_works": True})) == []

    assert worker.service.queue.sends == [Delivery(None, record.id)]
    assert worker.service.known(record).state is State.QUEUED
    assert lines.read()[-1]["released"] == 1
