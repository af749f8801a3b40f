"""The report of the demo: prints requests, answers and checked claims, and counts the claims."""

import json
import textwrap
import threading
import time
from collections.abc import Callable, Mapping

from local.client import Answer, Caller, Json, find, read_inbox
from local.cloud import make_client
from local.state import Stack

RELAY, SES = "project-smtp", "server-ses"
_POLL_SECONDS = 0.05


class Demo:
    """A running demo: makes requests to its stack, prints them, and counts true and untrue claims."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.true = 0
        self.untrue = 0
        self._sections = 0
        self._secrets = make_client("secretsmanager", stack.aws_endpoint_url)
        self._events = make_client("events", stack.aws_endpoint_url)

    def section(self, title: str, text: str) -> None:
        """Print the heading and the introduction of a section."""
        self._sections += 1
        heading = f"{self._sections}. {title}"
        echo(f"\n{heading}\n{'-' * len(heading)}\n{textwrap.fill(text, 100)}\n")

    def post(
        self,
        project_id: str,
        path: str,
        body: Json | None,
        *,
        show: tuple[str, ...],
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST with the project's token; print the request and the named members of the answer."""
        answer = self._caller(project_id).post(path, body, headers=headers)
        echo(f"   POST /v1/projects/{project_id}/{path}  {json.dumps(body) if body else ''}".rstrip())
        for name, value in (headers or {}).items():
            echo(f"   {name}: {value}")
        self._show_answer(answer, show)
        return answer

    def get(self, project_id: str, path: str, *, show: tuple[str, ...]) -> Answer:
        """GET with the project's token; print the request and the named members of the answer."""
        answer = self.read(project_id, path)
        echo(f"   GET /v1/projects/{project_id}/{path}")
        self._show_answer(answer, show)
        return answer

    def read(self, project_id: str, path: str) -> Answer:
        """GET with the project's token; print nothing."""
        return self._caller(project_id).get(path)

    def put_events(self, detail_type: str, *details: Json) -> None:
        """Put lifecycle events on the bus, as an identity service does."""
        entries = [
            {
                "EventBusName": self.stack.event_bus,
                "Source": "identity",
                "DetailType": detail_type,
                "Detail": json.dumps(detail),
            }
            for detail in details
        ]
        self._events.put_events(Entries=entries)
        for detail in details:
            echo(textwrap.indent(f"event {detail_type} {json.dumps(detail, indent=2)}", "   "))

    def seconds_until(self, is_true: Callable[[], bool], *, at_most: float) -> float | None:
        """Wait until the condition is true, and return the seconds; None if the time is over first."""
        began = time.monotonic()
        while not is_true():
            if time.monotonic() - began > at_most:
                return None
            threading.Event().wait(_POLL_SECONDS)
        return time.monotonic() - began

    def check(self, claim: str, *, is_true: bool) -> None:
        """Print a claim and count whether it is true."""
        self.true += is_true
        self.untrue += not is_true
        echo(f"   {'ok ' if is_true else 'NOT TRUE'} {claim}")

    def write_secret(self, project_id: str, entries: Mapping[str, str]) -> None:
        """Write a project's secret, as its admin does in the AWS console."""
        name = f"{self.stack.project_secret_prefix}{project_id}"
        self._secrets.put_secret_value(SecretId=name, SecretString=json.dumps(entries))
        shown = {
            key: "..." if key in ("smtpPassword", "smtpCaCertificate") else value for key, value in entries.items()
        }
        echo(textwrap.indent(f"secret {name} = {json.dumps(shown, indent=2)}", "   "))

    def corrected_entries(self) -> dict[str, str]:
        """Return correct entries for the secret of `broken`: the relay's port with implicit TLS."""
        relay = self.stack.relay
        return relay.entries(port=relay.tls_port, from_address="Repaired <hello@broken.example>")

    def finish(self, elapsed_seconds: float) -> int:
        """Print the count of claims and return the exit status: 0 if all were true."""
        if self.untrue:
            echo(f"\n{self.untrue} of {self.true + self.untrue} claims were NOT TRUE ({elapsed_seconds:.1f} s).")
            return 1
        echo(f"\nAll {self.true} claims were true ({elapsed_seconds:.1f} s).")
        return 0

    def counts(self) -> dict[str, int]:
        """Return the number of contacts of the relay and SES so far."""
        return read_inbox(self.stack)[0]

    def last_message(self) -> Json:
        """Return the message that arrived last."""
        messages = read_inbox(self.stack)[1]
        return messages[-1] if messages else {}

    def messages(self, **members: object) -> list[Json]:
        """Return the messages with these members, oldest first."""
        return [
            message
            for message in read_inbox(self.stack)[1]
            if all(message.get(name) == value for name, value in members.items())
        ]

    def _caller(self, project_id: str) -> Caller:
        return Caller(self.stack, project_id, self.stack.tokens[project_id])

    @staticmethod
    def _show_answer(answer: Answer, names: tuple[str, ...]) -> None:
        shown = {name: answer.body[name] for name in names if name in answer.body}
        echo(textwrap.indent(f"{answer.status} {json.dumps(shown, indent=2)}", "   "))


def email(subject: str, sender: str | None = None) -> dict[str, str]:
    """Return a request to send."""
    draft = {"to": "Ada <ada@example.com>", "subject": subject, "text": "Thank you!"}
    return draft if sender is None else {"from": sender, **draft}


def arrived_by(message: Json, answer: Answer, transport: str) -> bool:
    """Tell whether the message belongs to this answer and came by this transport."""
    return (
        answer.status == 200
        and message.get("transport") == transport
        and message.get("message_id") == answer.text("message_id")
        and find(message, "envelope", "recipients") == ["ada@example.com"]
    )


def is_refused(answer: Answer, status: int, code: str) -> bool:
    """Tell whether a request was refused with this status and code."""
    return answer.status == status and answer.text("code") == code


def items(value: object) -> list[object]:
    """Return a JSON list; empty for any other value."""
    return value if isinstance(value, list) else []


def echo(text: str) -> None:
    """Print without buffering."""
    print(text, flush=True)
