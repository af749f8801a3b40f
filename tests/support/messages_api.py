"""The function `send` on in-memory ports, with requests in the gateway's format."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools import Logger

from functions.send.app import create_handler
from tests import fakes
from tests.functions.conftest import Context
from tests.support.gateway import with_route
from tests.support.memory_service import MemoryService
from tests.support.projects import ACME, entries

MESSAGE: dict[str, object] = {"to": "ada@example.net", "subject": "Hello", "text": "Hello."}
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Answered:
    """The function's answer."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass
class MessagesApi:
    """The function. The project `acme` has a relay; other projects have no secret."""

    log: Logger
    service: MemoryService = field(
        default_factory=lambda: MemoryService(secrets=fakes.FakeSecretStore({ACME: fakes.secret(entries())}))
    )
    counted: list[tuple[str, int, str]] = field(default_factory=list)
    clock: float = 0.0
    seconds_per_reading: float = 0.0

    def send(
        self, *, key: str | None = None, prefer: str | None = None, project: str = "acme", **body: object
    ) -> Answered:
        """Post one message."""
        named = {"idempotency-key": key, "prefer": prefer}
        headers = {name: value for name, value in named.items() if value is not None}
        return self.ask("POST", "", {**MESSAGE, **body}, headers, project=project)

    def batch(self, messages: object, *, key: str | None = None) -> Answered:
        """Post several messages."""
        return self.ask("POST", "/batch", messages, {"idempotency-key": key} if key is not None else {})

    def get(self, path: str, *, project: str = "acme", **query: str) -> Answered:
        """Make a GET request."""
        return self.ask("GET", path, query=query, project=project)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        project: str = "acme",
        scope: str = "email:read email:send",
    ) -> Answered:
        """Make one request."""
        whole = f"/v1/projects/{project}/emails{path}"
        event: dict[str, Any] = {
            "version": "2.0",
            "rawPath": whole,
            "headers": {**JSON, **(headers or {})},
            "requestContext": {
                "http": {"method": method, "path": whole},
                "requestId": "request-1",
                "stage": "$default",
                "authorizer": {"lambda": {"project_id": project, "scope": scope, "subject": "tests"}},
            },
            "isBase64Encoded": False,
        }
        if body is not None:
            event["body"] = body if isinstance(body, str) else json.dumps(body)
        if query:
            event["queryStringParameters"] = dict(query)
        return self.call(event)

    def call(self, event: dict[str, Any]) -> Answered:
        """Call the function with an event, which needs no route key."""
        handler = create_handler(
            ports=self.service.send_ports,
            log=self.log,
            count=lambda *counted: self.counted.append(counted),
            clock=self._read_clock,
        )
        answer = handler(with_route(event), Context())  # type: ignore[arg-type]  # the parts of a LambdaContext that are used
        return Answered(answer["statusCode"], json.loads(answer["body"]), answer["headers"])

    def _read_clock(self) -> float:
        self.clock += self.seconds_per_reading
        return self.clock
