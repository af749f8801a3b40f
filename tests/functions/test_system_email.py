"""Batches of lifecycle events: served, returned and refused records, and the log."""

import itertools
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from mailer.adapters.templates import JinjaTemplates
from mailer.ledger.record import State
from mailer.observation.metrics import Metric
from mailer.observation.record import counter
from mailer.project import ProjectId
from mailer.system_email.event import EventType

from functions.system_email.app import create_handler
from tests.conftest import ENVIRONMENT
from tests.functions.conftest import EVENTS, Context, Lines, load_event
from tests.ledger_fakes import (
    MemoryDeliveryQueue,
    MemoryDraftStore,
    MemoryFailureQueue,
    MemoryLedger,
    RecordingPublisher,
)
from tests.support import canaries
from tests.support.lifecycle import APP_BASE_URL, CODE, LINK, batch, envelope, event_body, event_detail
from tests.support.ports import accept_ports
from tests.support.projects import ACME, settings

TEMPLATES = JinjaTemplates()
FUNCTIONS = EVENTS.parent / "functions"
FIXTURES = sorted(path.stem for path in EVENTS.glob("system_email.*.json"))


class Ledger(MemoryLedger):
    """A ledger with a bug for one project."""

    def insert(self, record: Any, *, key: Any = None) -> Any:
        if record.project_id == "cursed":
            msg = f"a bug that quotes {LINK}"
            raise RuntimeError(msg)
        return super().insert(record, key=key)


@dataclass
class Function:
    """The handler on fakes."""

    log: Logger
    ledger: MemoryLedger = field(default_factory=Ledger)
    drafts: MemoryDraftStore = field(default_factory=MemoryDraftStore)
    queue: MemoryDeliveryQueue = field(default_factory=MemoryDeliveryQueue)
    events: RecordingPublisher = field(default_factory=RecordingPublisher)
    failures: MemoryFailureQueue = field(default_factory=MemoryFailureQueue)
    counted: list[str] = field(default_factory=list)
    context: Context = field(default_factory=Context)
    has_secret: Callable[[ProjectId], bool] = lambda _project_id: False
    known_projects: str = ""

    def __post_init__(self) -> None:
        chosen = settings(KNOWN_PROJECTS=self.known_projects)
        ports = accept_ports(
            chosen=chosen, ledger=self.ledger, drafts=self.drafts, queue=self.queue, events=self.events
        )
        self.handler = create_handler(
            ports=ports,
            templates=TEMPLATES,
            app_base_url=APP_BASE_URL,
            failures=self.failures,
            has_secret=self.has_secret,
            log=self.log,
            count=lambda name, _value, _transport: self.counted.append(name),
        )

    def refused(self) -> list[tuple[object, object]]:
        """Return the project and the reason of each refused event."""
        return [(record.get("projectId"), record["reason"]) for record in self.failures.sends]

    def take(self, *bodies: str) -> list[str]:
        """Call the handler with one batch, and return the ids of the records that come back."""
        return self.call(batch(*bodies))

    def call(self, event: Mapping[str, Any]) -> list[str]:
        answer = self.handler(dict(event), self.context)  # type: ignore[arg-type]  # the parts that are used
        assert list(answer) == ["batchItemFailures"]
        return [str(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]


@pytest.fixture
def function(log: Logger) -> Function:
    return Function(log)


@pytest.mark.parametrize("type_", EventType)
@pytest.mark.parametrize("locale", ["en", "de"])
def test_each_event_becomes_a_message(function: Function, type_: EventType, locale: str) -> None:
    body = event_body(type_, user={"email": "ada@example.net", "locale": locale})

    assert function.take(body) == []
    assert [delivery.project_id for delivery in function.queue.sends] == [ACME]
    assert function.counted == ["SystemEmailsQueued"]


@pytest.mark.parametrize("name", FIXTURES)
def test_each_example_event_is_queued_at_once(function: Function, name: str) -> None:
    assert function.call(load_event(name)) == []
    is_poison = name not in [f"system_email.{type_}" for type_ in EventType]
    assert function.counted == ["SystemEmailsPoison" if is_poison else "SystemEmailsQueued"]


def test_there_is_an_example_of_each_event() -> None:
    assert {f"system_email.{type_}" for type_ in EventType} < set(FIXTURES)


def test_QD4_an_invalid_event_goes_to_the_failure_queue_at_once_with_its_reason(function: Function) -> None:
    bodies = ("{", json.dumps(envelope(event_detail(), "UserDeleted")), event_body(requestId=None), "x" * 1024 * 1024)

    assert function.take(*bodies) == []
    assert [record["reason"] for record in function.failures.sends] == [
        "invalid-json", "unknown-event-type", "required", "body-too-large",
    ]  # fmt: skip
    assert function.counted == ["SystemEmailsPoison"] * 4
    assert (function.queue.sends, function.ledger.records) == ([], ())


def test_IN23_an_event_with_a_foreign_link_goes_to_the_failure_queue(function: Function, lines: Lines) -> None:
    function.take(event_body(link=f"https://evil.example/{canaries.TOKEN}"))

    (record,) = function.failures.sends
    assert (record["reason"], record["requestId"], record["projectId"]) == ("link-not-allowed", "request-1", "acme")
    assert lines.read()[-1]["reason"] == "link-not-allowed"


def test_an_invalid_event_comes_back_if_the_failure_queue_refuses_it(function: Function) -> None:
    function.failures.failing = True

    assert function.take("{", event_body()) == ["message-1"]
    assert function.counted == ["SystemEmailsQueued"]


@pytest.mark.parametrize("failing", ["ledger", "drafts"])
def test_an_event_that_cannot_be_stored_comes_back(function: Function, failing: str, lines: Lines) -> None:
    {"ledger": function.ledger, "drafts": function.drafts}[failing].failing = True  # type: ignore[attr-defined]  # both have it

    assert function.take(event_body()) == ["message-1"]
    assert function.failures.sends == []
    assert lines.read()[-1]["error_code"] in ("ledger-unavailable", "content-unavailable")
    assert function.counted in (["LedgerUnavailable"], ["ContentUnavailable"])


def test_TI11_a_failure_of_one_event_does_not_touch_the_others(function: Function) -> None:
    bodies = [event_body(projectId="cursed"), event_body(requestId="2"), "{", event_body(requestId="4")]

    for order in itertools.permutations(range(4)):
        batch_ = [bodies[index] for index in order]
        assert function.take(*batch_) == [f"message-{order.index(0) + 1}"]
    assert len(function.ledger.records) == 2


def test_DU19_the_same_event_twice_in_a_batch_is_one_message(function: Function) -> None:
    assert function.take(event_body(), event_body()) == []
    assert len(function.queue.sends) == 1
    assert function.counted == ["SystemEmailsQueued", "SystemEmailsRepeated"]


def test_DU9_a_new_event_id_for_the_same_request_is_the_same_message(function: Function) -> None:
    function.take(json.dumps(envelope(event_detail(), id="1")), json.dumps(envelope(event_detail(), id="2")))

    assert len(function.queue.sends) == 1


def test_an_event_of_an_unknown_type_has_that_reason_whatever_its_fields_are(function: Function) -> None:
    event = load_event("system_email.link_not_allowed")
    (record,) = event["Records"]
    record["body"] = json.dumps({**json.loads(record["body"]), "detail-type": "PasswordResetRequest"})

    assert function.call(dict(event)) == []
    (refused,) = function.failures.sends
    assert (refused["reason"], refused["detailType"]) == ("unknown-event-type", "PasswordResetRequest")


def test_a_request_id_used_twice_is_a_warning(function: Function, lines: Lines) -> None:
    function.take(event_body(), event_body(user={"email": "eve@example.org"}))

    assert [line["level"] for line in lines.read()] == ["INFO", "WARNING"]


def test_QD8_an_expired_event_is_reported_and_not_queued(function: Function) -> None:
    assert function.take(event_body(expiresAt="2026-01-02T03:04:04Z")) == []
    assert function.counted == ["SystemEmailsExpired"]
    assert function.events.names == ["EmailExpired"]
    assert [record.state for record in function.ledger.records] == [State.EXPIRED]
    assert function.queue.sends == []


def test_M3_an_event_without_a_project_is_of_the_platform(function: Function) -> None:
    function.take(event_body(projectId=None, requestId="1"), event_body(projectId="a b", requestId="2"))

    assert [delivery.project_id for delivery in function.queue.sends] == [None]
    assert [record["reason"] for record in function.failures.sends] == ["project-id-malformed"]


def test_an_event_with_too_little_time_left_comes_back(function: Function) -> None:
    function.context.remaining_seconds = 5

    assert function.take(event_body(), event_body(requestId="2")) == ["message-1", "message-2"]
    assert function.ledger.records == ()


def test_AU10_the_answer_does_not_depend_on_the_recipient(function: Function) -> None:
    handed_over = [
        event_body(requestId="1"),
        event_body(requestId="2", user={"email": "other@unknown.example"}),
        event_body(requestId="3", projectId="no-such-project"),
        event_body(requestId="4", expiresAt=0),
        "poison",
    ]

    assert all(function.take(body) == [] for body in handed_over)


def test_the_log_line_names_the_event(function: Function, lines: Lines) -> None:
    function.take(event_body())

    (line,) = lines.read()
    assert {
        name: line[name] for name in ("message", "project_id", "request_id", "type", "disposition", "recipient_domain")
    } == {
        "message": "system e-mail",
        "project_id": "acme",
        "request_id": "request-1",
        "type": "PasswordResetRequested",
        "disposition": "queued",
        "recipient_domain": "example.net",
    }


def test_SH14_addresses_links_and_codes_are_only_in_the_content(function: Function, lines: Lines) -> None:
    function.take(
        event_body(requestId="1"),
        event_body(requestId="1"),
        event_body(requestId="2", expiresAt=0),
        event_body(requestId="3", projectId="cursed"),
        event_body(requestId="4", code="x"),
        event_body(requestId="5", link=f"https://evil.example/{canaries.TOKEN}"),
        event_body(requestId="6", extra=LINK),
        event_body(requestId="ada@example.net asked"),
    )
    function.ledger.failing = True
    function.take(event_body(requestId="7"))

    told = json.dumps([function.failures.sends, [event.detail for event in function.events.events]])
    for text in (lines.stream.getvalue(), told, "".join(function.counted)):
        for secret in (canaries.TOKEN, CODE, "ada@", "Lovelace", "Hopper"):
            assert secret not in text


def test_the_content_is_stored_under_its_project(function: Function) -> None:
    function.take(event_body(projectId="globex"))

    ((project_id, _),) = function.drafts.contents
    assert project_id == ProjectId("globex")


def test_powertools_does_not_log_an_event_at_debug(function: Function, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    assert function.take(event_body(projectId="cursed")) == ["message-1"]
    assert "Record processing exception" in caplog.text
    assert canaries.TOKEN not in caplog.text


def test_a_metric_has_no_dimension_but_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    counter(partial(single_metric, unit=MetricUnit.Count))(Metric.SYSTEM_EMAILS_QUEUED, 1, None)

    metric = json.loads(capsys.readouterr().out)
    assert metric["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert metric["SystemEmailsQueued"] == [1.0]


def test_no_other_function_loads_jinja2() -> None:
    others = sorted(path.parent.name for path in FUNCTIONS.glob("*/app.py") if path.parent.name != "system_email")
    imports = "; ".join(f"import functions.{name}.app" for name in others)

    subprocess.run(  # noqa: S603 -- the test's own program
        [sys.executable, "-c", f"{imports}; import sys; sys.exit('jinja2' in sys.modules)"],
        cwd=FUNCTIONS.parent,
        env={**os.environ, **ENVIRONMENT},
        check=True,
    )
