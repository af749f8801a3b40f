"""Two functions with separate caches: a change made by one counts for the next message of the other."""

import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.adapters.net.elapsed import Clocks
from mailer.adapters.secret_cache import CachedSecretStore
from mailer.errors import LedgerUnavailable
from mailer.secret.resolution import SecretAbsent, SecretAnswer, resolve

from functions.deliver.app import create_handler as create_deliver
from functions.project_config.app import create_handler as create_config
from functions.send.app import create_handler as create_send
from functions.validate_secrets.app import create_handler as create_validate
from tests import fakes
from tests.functions.conftest import Context, load_event
from tests.ledger_fakes import MemoryFailureQueue, MemorySecretWriter, MemoryValidationQueue
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, VALID_ENTRIES, entries


class System:
    """The functions on one ledger and one secret store; each function has a cache of its own."""

    def __init__(self, log: Logger) -> None:
        self.log = log
        self.stored = fakes.FakeSecretStore()
        self.clock = fakes.FakeClock()
        self.fetches = 0
        self.sending = MemoryService()
        self.writer = MemorySecretWriter(self.stored)
        self.validations = MemoryValidationQueue()
        self.caches = {name: self._cache() for name in ("send", "deliver", "config", "validate")}

    def _cache(self) -> CachedSecretStore:
        def fetch(project_id: Any) -> SecretAnswer:
            self.fetches += 1
            return self.stored.answers.get(project_id, SecretAbsent())

        def meaning(answer: SecretAnswer) -> Any:
            return resolve(allow_project_smtp=True, answer=answer, policy=self.sending.settings.relay_policy)

        return CachedSecretStore(fetch, resolve=meaning, clocks=Clocks(self.clock, self.clock), pause=lambda _: None)

    def _service(self, function: str) -> Any:
        """Return the ports of one function."""
        shared = self.sending
        service = MemoryService(
            shared.settings, relay=shared.relay, server=shared.server, ledger=shared.ledger, drafts=shared.drafts
        )
        service.secrets = self.caches[function]  # type: ignore[assignment]  # a cache in place of the fake
        service.queue, service.seconds, service.new_id = shared.queue, self.clock.seconds, shared.new_id
        service.monotonic = self.clock
        return service

    def _send_handler(self) -> Any:
        ports = self._service("send").send_ports
        return create_send(ports=ports, log=self.log, count=lambda *_: None, clock=self.clock)

    def send(self) -> str:
        answer = self._send_handler()(load_event("send.project_relay"), Context())
        body = json.loads(answer["body"])
        return str(body["transport"] if answer["statusCode"] == 200 else body["code"])

    def queue(self) -> str:
        event = load_event("send.async")
        del event["headers"]["idempotency-key"]
        answer = self._send_handler()(event, Context())
        return str(json.loads(answer["body"])["id"])

    def config(self, event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        service = self._service("config")
        handler = create_config(
            ports=service.send_ports,
            configuration=service.configuration_ports(writer=self.writer, validations=self.validations),
            log=self.log,
            count=lambda *_: None,
            clock=self.clock,
        )
        answer = handler(event, Context())  # type: ignore[arg-type]  # what is used of it
        return answer["statusCode"], json.loads(answer["body"])

    def put(self, given: dict[str, str]) -> int:
        event = load_event("project_config.put")
        event["body"] = json.dumps({"entries": given})
        return self.config(event)[0]

    def edit_in_the_console(self, text: str, version: str) -> None:
        self.stored.answers[ACME] = fakes.secret(text, version)

    def handle_cloudtrail(self) -> None:
        service = self._service("validate")
        handler = create_validate(
            ports=service.configuration_ports(writer=self.writer, validations=self.validations),
            failures=MemoryFailureQueue(),
            log=self.log,
            count=lambda *_: None,
            clock=self.clock,
        )
        answered = handler(load_event("validate_secrets.put_secret_value"), Context(90.0))  # type: ignore[arg-type]  # as above
        assert answered == {"batchItemFailures": []}

    def deliver(self, id: str) -> None:
        handler = create_deliver(
            ports=self._service("deliver").send_ports,
            refuse=lambda _: None,
            log=self.log,
            count=lambda *_: None,
            clock=self.clock,
        )
        event = {"Records": [{"messageId": "m1", "body": json.dumps({"project_id": ACME, "id": id})}]}
        handler(event, Context(90.0))  # type: ignore[arg-type]  # as above


@pytest.fixture
def system(log: Logger) -> System:
    return System(log)


def test_the_first_relay_is_used_by_the_next_message(system: System) -> None:
    assert system.send() == "server-ses"

    assert system.put(VALID_ENTRIES) == 200

    assert system.send() == "project-smtp"
    assert len(system.sending.server.requests) == 1


def test_a_new_relay_is_used_by_the_next_message(system: System) -> None:
    system.put(VALID_ENTRIES)
    system.send()

    system.put({**VALID_ENTRIES, "smtpHost": "new.acme.example"})
    system.send()

    assert [send.relay.host for send in system.sending.relay.sends] == ["mail.acme.example", "new.acme.example"]


def test_a_removed_relay_gets_no_further_message(system: System) -> None:
    system.put(VALID_ENTRIES)
    system.send()

    system.config(load_event("project_config.delete"))

    assert system.send() == "server-ses"
    assert len(system.sending.relay.sends) == 1


def test_a_worker_uses_the_new_relay_for_a_queued_message(system: System) -> None:
    system.put(VALID_ENTRIES)
    ids = [system.queue(), system.queue()]
    system.deliver(ids[0])

    system.put({**VALID_ENTRIES, "smtpHost": "new.acme.example"})
    system.deliver(ids[1])

    assert [send.relay.host for send in system.sending.relay.sends] == ["mail.acme.example", "new.acme.example"]


def test_mail_switched_off_in_the_console_stops_when_the_news_is_handled(system: System) -> None:
    system.put(VALID_ENTRIES)
    system.send()

    system.edit_in_the_console(entries(emailEnabled="false"), "console-1")
    system.handle_cloudtrail()

    assert system.send() == "project-smtp-invalid"
    assert len(system.sending.relay.sends) == 1


def test_mail_switched_off_in_the_console_stops_when_the_stored_secret_is_validated(system: System) -> None:
    system.put(VALID_ENTRIES)
    system.send()

    system.edit_in_the_console(entries(emailEnabled="false"), "console-1")
    system.config(load_event("project_config.validate_stored"))

    assert system.send() == "project-smtp-invalid"


def test_an_edit_without_news_counts_after_five_seconds(system: System) -> None:
    assert system.send() == "server-ses"
    system.edit_in_the_console(entries(), "console-1")

    system.clock.advance(5.0)

    assert system.send() == "project-smtp"


def test_without_a_change_messages_do_not_read_the_store_again(system: System) -> None:
    for _ in range(10):
        system.send()

    assert system.fetches == 1


def test_nothing_is_sent_while_the_epoch_cannot_be_read(system: System) -> None:
    system.put(VALID_ENTRIES)
    system.send()
    system.sending.ledger.failing = True

    assert system.send() == "ledger-unavailable"
    assert len(system.sending.relay.sends) == 1


def test_a_change_that_cannot_be_announced_is_not_made(system: System) -> None:
    system.sending.ledger.failing = True

    assert system.put(VALID_ENTRIES) == 503
    assert system.writer.promoted == []


def test_a_change_counts_at_once_even_if_its_report_fails(system: System) -> None:
    assert system.send() == "server-ses"
    writes: list[str] = []

    def fail(point: str) -> None:
        writes.append(point)
        if point == "before ledger.save_epoch" and writes.count(point) >= 2:
            raise LedgerUnavailable

    system.sending.ledger.failpoint = fail

    assert system.put(VALID_ENTRIES) == 200
    assert system.send() == "project-smtp"
