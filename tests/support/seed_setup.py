"""The functions on in-memory ports, called in the way in which another system's client calls the API."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from typing import Any

from aws_lambda_powertools import Logger
from mailer.adapters.templates import JinjaTemplates
from mailer.ledger.record import Record
from mailer.message.message import Message
from mailer.template.template import Precondition, Template, TemplateName

from functions.project_config.app import create_handler as create_config
from functions.send.app import create_handler as create_send
from functions.system_email.app import create_handler as create_system_email
from tests import fakes
from tests.functions.conftest import Context, load_event
from tests.ledger_fakes import MemoryFailureQueue, MemorySecretWriter, MemoryValidationQueue
from tests.support.lifecycle import APP_BASE_URL, batch, event_body
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries, settings


@dataclass(frozen=True)
class Answered:
    """The client's answer."""

    status: int
    body: Any
    headers: Mapping[str, str]


def mime(message: Message) -> EmailMessage:
    """Return the parsed message."""
    parsed = BytesParser(EmailMessage, policy=SMTP).parsebytes(message.as_bytes())
    assert isinstance(parsed, EmailMessage)
    return parsed


@dataclass
class SeedSetup:
    """The project `acme` has these entries, or no secret. Functions and workers share their ports."""

    log: Logger
    entries: str | None = field(default_factory=entries)
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.service = MemoryService(settings(**self.environment))
        self.probe = fakes.FakeProbe()
        self.writer = MemorySecretWriter(self.service.secrets)
        self.validations = MemoryValidationQueue()
        self._numbers = itertools.count(1)
        self.keep(self.entries)

    def keep(self, text: str | None, version_id: str = "version-1") -> None:
        """Set the project's secret."""
        self.service.secrets.answers.pop(ACME, None)
        if text is not None:
            self.service.secrets.answers[ACME] = fakes.secret(text, version_id)

    def keep_template(self, name: str, template: Template) -> None:
        """Store a template of the project."""
        self.service.templates.put(ACME, TemplateName(name), template, now=0.0, only_if=Precondition())

    def send(self, case: str, body: object = None, **changes: object) -> Answered:
        """Call the function `send`."""
        handler = create_send(ports=self.service.send_ports, log=self.log, count=lambda *_counted: None)
        return _answered(handler(_event(case, body, changes), Context()))  # type: ignore[arg-type]

    def configure(self, case: str, body: object = None, **changes: object) -> Answered:
        """Call the function `project_config`."""
        handler = create_config(
            ports=self.service.send_ports,
            configuration=self.service.configuration_ports(self.probe, self.writer, self.validations),
            log=self.log,
            count=lambda *_counted: None,
            new_provider_id=lambda: f"provider-{next(self._numbers)}",
        )
        return _answered(handler(_event(f"project_config.{case}", body, changes), Context()))  # type: ignore[arg-type]

    def announce(self, type_: str, **changes: object) -> Record:
        """Handle a lifecycle event, and let a worker deliver its message."""
        handler = create_system_email(
            ports=self.service.send_ports,
            templates=JinjaTemplates(),
            app_base_url=APP_BASE_URL,
            failures=MemoryFailureQueue(),
            has_secret=lambda _project_id: True,
            log=self.log,
            count=lambda *_counted: None,
        )
        known = {record.id for record in self.service.ledger.records}
        assert handler(dict(batch(event_body(type_, **changes))), Context()) == {"batchItemFailures": []}  # type: ignore[arg-type]
        [record] = [record for record in self.service.ledger.records if record.id not in known]
        self.service.deliver(record)
        return self.service.known(record)

    @property
    def relayed(self) -> list[fakes.RelaySend]:
        """The messages that a project's relay got; asserts that no other transport got a message."""
        assert (self.service.server.requests, self.service.api.sends) == ([], [])
        return self.service.relay.sends

    @property
    def received(self) -> EmailMessage:
        """The message that a project's relay got; asserts that there is exactly one."""
        [sent] = self.relayed
        return mime(sent.message)

    @property
    def is_untouched(self) -> bool:
        """Whether no transport got a message."""
        return not (self.service.relay.sends or self.service.server.requests or self.service.api.sends)


def _event(case: str, body: object, changes: Mapping[str, object]) -> dict[str, Any]:
    loaded = load_event(case)
    if body is not None:
        loaded["body"] = body if isinstance(body, str) else json.dumps(body)
    query, headers, claims = (changes.get(name) for name in ("query", "headers", "claims"))
    if isinstance(query, dict):
        loaded["queryStringParameters"] = query
    if isinstance(headers, dict):
        loaded["headers"] |= headers
    if isinstance(claims, dict):
        loaded["requestContext"]["authorizer"]["lambda"] |= claims
    for name, value in loaded.get("pathParameters", {}).items():
        given = changes.get(name)
        if isinstance(given, str):
            path = loaded["rawPath"].replace(f"/{value}", f"/{given}")
            loaded["rawPath"] = loaded["requestContext"]["http"]["path"] = path
            loaded["pathParameters"][name] = given
    return loaded


def _answered(answer: Any) -> Answered:
    return Answered(answer["statusCode"], json.loads(answer["body"]), answer["headers"])
