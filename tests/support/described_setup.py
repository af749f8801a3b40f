"""A project of the embedded stack with data for every route."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from local.client import Answer, call
from local.state import load_signing_key
from local.token import EVERY_SCOPE
from tests.support.described import operation
from tests.support.embedded import Running

TEMPLATE = "welcome"


@dataclass(frozen=True)
class Setup:
    """A project with a relay, a message, a template, and a provider with the same relay."""

    running: Running
    project_id: str
    token: str

    @property
    def entries(self) -> dict[str, object]:
        relay = self.running.stack.relay
        return dict(relay.entries(port=relay.starttls_port, from_address=f"Acme <{self.project_id}@acme.example>"))

    @property
    def provider(self) -> dict[str, object]:
        """A request to add the relay as a provider."""
        entries = self.entries
        config = {
            "host": entries["smtpHost"],
            "port": entries["smtpPort"],
            "auth": {"user": entries["smtpUsername"], "pass": entries["smtpPassword"]},
            "tls": {"ca": entries["smtpCaCertificate"]},
        }
        return {"provider": "smtp", "name": "Relay", "priority": 5, "config": config}

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of paths."""
        emails, config = "/v1/projects/{projectId}/emails", "/v1/projects/{projectId}/email-config"
        named = {"projectId": self.project_id, "name": TEMPLATE, "provider": "mailgun", "service": "email"}
        self._demand(self._ask(f"PUT {config}", named, {"entries": self.entries}))
        message = self._ask(f"POST {emails}", named, {"to": "ada@example.com", "subject": "Hi", "text": "It works."})
        self._demand(message)
        added = self._ask(f"POST {config}/providers", named, self.provider)
        self._demand(added)
        template = "/v1/projects/{projectId}/templates/{name}"
        self._demand(self._ask(f"PUT {template}", named, {"subject": "Hi {first_name}", "text": "Hello {first_name}."}))
        return {**named, "emailId": message.text("id"), "providerId": added.text("id")}

    def ask(self, key: str, body: object | None = None, *, token: str | None = None) -> Answer:
        """Send a request to a route about this project, or to one for the operator."""
        return self._ask(key, self.parameters, body, token=token or self.token_for(key))

    def token_for(self, key: str, scope: str = EVERY_SCOPE) -> str:
        """Return a token of this project, or of the operator for a route about the platform."""
        return issue(self.running, "*" if "/v1/platform/" in key else self.project_id, scope)

    def url(self, key: str, parameters: Mapping[str, str]) -> str:
        """Return the URL of a route."""
        path = key.partition(" ")[2].format(**{name: quote(value, safe="") for name, value in parameters.items()})
        return f"{self.running.stack.api_url}{path}"

    def _ask(self, key: str, parameters: Mapping[str, str], body: object | None, *, token: str | None = None) -> Answer:
        headers = headers_for(key, self.token if token is None else token)
        return call(key.partition(" ")[0], self.url(key, parameters), body=body, headers=headers)

    def _demand(self, answer: Answer) -> None:
        if answer.status >= 300:
            msg = f"the project could not be set up: {json.dumps(answer.body)}"
            raise AssertionError(msg)


def make_setup(running: Running) -> Setup:
    """Return a new project."""
    project_id = f"described-{uuid.uuid4().hex[:12]}"
    return Setup(running, project_id, issue(running, project_id, EVERY_SCOPE))


def issue(running: Running, project_id: str, scope: str) -> str:
    """Return a token."""
    return load_signing_key(running.directory).issue(project_id=project_id, scope=scope)


def headers_for(key: str, token: str) -> dict[str, str]:
    """Return the header of a route's token."""
    security = operation(key)["security"]
    assert isinstance(security, list)
    if any("dreamFactoryKey" in alternative for alternative in security):
        return {"X-DreamFactory-API-Key": token}
    return {"Authorization": f"Bearer {token}"}


def scopes(key: str) -> list[str]:
    """Return the scopes of a route. A token needs one of them; without scopes, any token is enough."""
    security = operation(key)["security"]
    assert isinstance(security, list)
    return sorted({scope for alternative in security for granted in alternative.values() for scope in granted})
