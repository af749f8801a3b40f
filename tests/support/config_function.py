"""The function `project_config` on fakes."""

import json
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools import Logger
from mailer.ports import SecretChanged
from mailer.project import ProjectId
from mailer.relay.secret_str import SecretStr
from mailer.smtp.outcome import Cause, Failure, Phase
from mailer.smtp.reply import make_reply

from functions.project_config.app import create_handler
from tests import fakes
from tests.functions.conftest import Context, load_event
from tests.ledger_fakes import MemorySecretWriter, MemoryValidationQueue
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

AUTH_REJECTED = Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 Username and Password not accepted"))


class OvertakenWriter(MemorySecretWriter):
    """A secret writer for which another writer always stores a version first."""

    def promote(self, project_id: ProjectId, text: SecretStr, *, replaces: str | None, forgets: bool = False) -> str:
        raise SecretChanged


@dataclass
class Function:
    """The handler on fakes."""

    log: Logger
    service: MemoryService = field(default_factory=MemoryService)
    probe: fakes.FakeProbe = field(default_factory=fakes.FakeProbe)
    validations: MemoryValidationQueue = field(default_factory=MemoryValidationQueue)
    counts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.secrets = self.service.secrets
        self.secrets.answers[ACME] = fakes.secret(entries())
        self.writer = MemorySecretWriter(self.secrets)

    def call(self, event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        status, body, _ = self.exchange(event)
        return status, body

    def exchange(self, event: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Call with an event, and return the answer's status, body and headers."""
        handler = create_handler(
            ports=self.service.send_ports,
            configuration=self.service.configuration_ports(self.probe, self.writer, self.validations),
            log=self.log,
            count=lambda name, _value, _transport: self.counts.append(name),
            new_provider_id=lambda: "new-provider",
        )
        answer = handler(event, Context())  # type: ignore[arg-type]  # the parts of a LambdaContext that are used
        headers = answer.get("headers") or {}
        return answer["statusCode"], json.loads(answer["body"]), headers

    def put(self, given: dict[str, object]) -> tuple[int, dict[str, Any]]:
        event = load_event("project_config.put")
        event["body"] = json.dumps({"entries": given})
        return self.call(event)

    def get(self) -> dict[str, Any]:
        status, body = self.call(load_event("project_config.get"))
        assert status == 200
        return body
