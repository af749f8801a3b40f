"""The story of the service, told on a stack of its own: every claim is checked, and the last line counts them.

Each chapter makes requests as any caller would and looks at what the relay and SES really received.
"""

import json
import tempfile
import textwrap
import time
from collections.abc import Callable, Mapping

from local.client import Answer, Caller, Json, find, read_inbox
from local.cloud import make_client
from local.option import read_options
from local.stack import running_stack
from local.state import Stack

_RELAY, _SES = "project-smtp", "server-ses"


class Story:
    """What is told, and how much of it was true."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.true = 0
        self.untrue = 0
        self._chapters = 0
        self._secrets = make_client("secretsmanager", stack.aws_endpoint_url)

    def chapter(self, title: str, text: str) -> None:
        """Begin a chapter."""
        self._chapters += 1
        heading = f"{self._chapters}. {title}"
        _say(f"\n{heading}\n{'-' * len(heading)}\n{textwrap.fill(text, 100)}\n")

    def post(self, project_id: str, path: str, body: Json | None, *, show: tuple[str, ...]) -> Answer:
        """Make a request with the project's own token; show it, and the named members of its answer."""
        answer = Caller(self.stack, project_id, self.stack.tokens[project_id]).post(path, body)
        _say(f"   POST /v1/projects/{project_id}/{path}  {json.dumps(body) if body else ''}".rstrip())
        shown = {key: answer.body[key] for key in show if key in answer.body}
        _say(textwrap.indent(f"{answer.status} {json.dumps(shown, indent=2)}", "   "))
        return answer

    def fact(self, claim: str, *, is_true: bool) -> None:
        """State something that has been looked at."""
        self.true += is_true
        self.untrue += not is_true
        _say(f"   {'ok ' if is_true else 'NOT TRUE'} {claim}")

    def write_secret(self, project_id: str, entries: Mapping[str, str]) -> None:
        """Change a project's secret, as its admin does in the AWS console."""
        name = f"{self.stack.project_secret_prefix}{project_id}"
        self._secrets.put_secret_value(SecretId=name, SecretString=json.dumps(entries))
        shown = {
            key: "..." if key in ("smtpPassword", "smtpCaCertificate") else value for key, value in entries.items()
        }
        _say(textwrap.indent(f"secret {name} = {json.dumps(shown, indent=2)}", "   "))

    def end(self, elapsed_seconds: float) -> int:
        """Say how much was true, and return the exit status: 0 where all of it was."""
        if self.untrue:
            _say(f"\n{self.untrue} of {self.true + self.untrue} claims were NOT TRUE ({elapsed_seconds:.1f} s).")
            return 1
        _say(f"\nAll {self.true} claims were true ({elapsed_seconds:.1f} s).")
        return 0

    def counts(self) -> dict[str, int]:
        """Return how often the relay and SES were touched so far."""
        return read_inbox(self.stack)[0]

    def last_message(self) -> Json:
        """Return what arrived last."""
        messages = read_inbox(self.stack)[1]
        return messages[-1] if messages else {}


def tell_story(environment: Mapping[str, str]) -> int:
    """Start a stack on free ports, tell the story, stop the stack; 0 only if every claim was true."""
    began = time.monotonic()
    _say("A project's mail leaves by the transport its project chose, or it does not leave.")
    with tempfile.TemporaryDirectory() as directory:
        # The operator's settings are left at their defaults: with others, another story would be true.
        ports = {name: environment.get(name, "0") for name in ("API_PORT", "AWS_PORT")}
        options = read_options({**ports, "LOCAL_DIR": directory})
        with running_stack(options) as stack:
            seconds = time.monotonic() - began
            _say(f"The embedded stack is up after {seconds:.1f} s; nothing leaves this machine.")
            story = Story(stack)
            for chapter in _CHAPTERS:
                chapter(story)
            _say(_ENDING)
    return story.end(time.monotonic() - began)


def _server_transport(story: Story) -> None:
    story.chapter(
        "A project without a relay",
        "The project `plain` has no secret, so its mail leaves by the platform's own Amazon SES, from the platform's "
        "address.",
    )
    answer = story.post(
        "plain", "emails", _email("Your receipt"), show=("status", "transport", "from", "accepted", "message_id")
    )
    arrived = story.last_message()
    story.fact("the answer says that SES took it", is_true=answer.text("transport") == _SES)
    story.fact("SES received it, and the envelope names the recipient", is_true=_arrived(arrived, answer, _SES))
    story.fact("the relay was not touched", is_true=story.counts()["relay_connections"] == 0)


def _project_relay(story: Story) -> None:
    story.chapter(
        "A project with a relay of its own",
        "The project `acme` has a secret that names its relay. The same request now leaves by that relay: STARTTLS, "
        "the certificate checked against the project's private CA, then AUTH, then the message.",
    )
    before = story.counts()
    answer = story.post("acme", "emails", _email("Your receipt"), show=("status", "transport", "from", "message_id"))
    arrived = story.last_message()
    story.fact("the relay received it", is_true=_arrived(arrived, answer, _RELAY))
    story.fact(
        f"over {find(arrived, 'tls', 'version')} ({find(arrived, 'tls', 'mode')})",
        is_true=str(find(arrived, "tls", "version")).startswith("TLSv1."),
    )
    story.fact(
        f"authenticated as {arrived.get('authenticated_user')}",
        is_true=arrived.get("authenticated_user") == story.stack.relay.username,
    )
    story.fact(
        f"with the envelope sender {find(arrived, 'envelope', 'sender')}",
        is_true=find(arrived, "envelope", "sender") == "hello@acme.example",
    )
    story.fact("SES was not asked", is_true=story.counts()["ses_requests"] == before["ses_requests"])


def _substitution(story: Story) -> None:
    story.chapter(
        "Who a message is from",
        "A project sends as its default address or as one that it has approved. Another From is replaced by the "
        "default, and the answer says so.",
    )
    approved = story.post("acme", "emails", _email("Invoice 7", "Acme Billing <billing@acme.example>"), show=("from",))
    story.fact("an approved From is used", is_true=approved.text("from", "reason") == "approved")
    foreign = story.post("acme", "emails", _email("Hello", "ceo@elsewhere.example"), show=("from",))
    story.fact("a From that is not approved is replaced", is_true=foreign.text("from", "reason") == "not-approved")
    sender = str(find(story.last_message(), "from"))
    story.fact(f"the relay saw From: {sender}", is_true="hello@acme.example" in sender)


def _broken_secret(story: Story) -> None:
    story.chapter(
        "A broken secret sends nothing",
        "The admin of the project `broken` made mistakes. The project wants a relay and cannot name one, so nothing is "
        "sent: not by the relay, and never quietly by the platform's SES.",
    )
    before = story.counts()
    answer = story.post("broken", "emails", _email("Your receipt"), show=("code", "detail", "problems"))
    story.fact(
        "the request is refused as project-smtp-invalid", is_true=_is_refused(answer, 400, "project-smtp-invalid")
    )
    entries = {str(find(problem, "entry")) for problem in _items(answer.body.get("problems"))}
    named = {"smtpPort", "smtpUser", "smtpUsername", "smtpPassword", "smtpFromAddress"}
    story.fact("every entry at fault is named", is_true=entries == named)
    story.fact("no entry's value is shown", is_true="587o" not in json.dumps(answer.body))
    story.fact("no connection to the relay, no request to SES", is_true=story.counts() == before)


def _explained(story: Story) -> None:
    story.chapter(
        "What would happen, without sending",
        "`explain` runs the same decision as sending and stops before the transport.",
    )
    before = story.counts()
    relay = story.post(
        "acme", "emails/explain", _email("Hello", "ceo@elsewhere.example"), show=("would_send", "transport", "from")
    )
    broken = story.post("broken", "emails/explain", _email("Hello"), show=("would_send", "status"))
    story.fact("acme would send by its relay", is_true=relay.text("transport") == _RELAY)
    story.fact("broken would send nothing", is_true=broken.body.get("would_send") is False)
    story.fact("nothing was sent", is_true=story.counts() == before)


def _validated(story: Story) -> None:
    story.chapter(
        "The doctor",
        "The admin of `broken` mends every entry (and takes the relay's other port, with implicit TLS from the first "
        "octet), but types last year's password. `validate` walks the road of a message up to MAIL and names the check "
        "that fails; a message would not leave either.",
    )
    before = story.counts()
    story.write_secret("broken", _mended_entries(story) | {"smtpPassword": "last-years-password"})
    answer = story.post("broken", "email-config/validate", None, show=("valid",))
    checks = {str(find(check, "name")): check for check in _items(answer.body.get("checks"))}
    for name, check in checks.items():
        _say(f"   {name:16} {find(check, 'status')}")
    failed = checks.get("authenticates")
    _say(textwrap.indent(json.dumps(failed, indent=2), "   "))
    story.fact("it fails at AUTH, not before", is_true=find(failed, "status") == "failed")
    story.fact("the relay's own reply is shown", is_true=find(failed, "smtp", "code") == 535)
    refused = story.post("broken", "emails", _email("Your receipt"), show=("code", "detail"))
    story.fact("sending is refused as relay-auth-rejected", is_true=_is_refused(refused, 424, "relay-auth-rejected"))
    messages = (story.counts()["relay_messages"], story.counts()["ses_requests"])
    story.fact("nothing was sent", is_true=messages == (before["relay_messages"], before["ses_requests"]))


def _mended(story: Story) -> None:
    story.chapter(
        "Mended, it sends at once",
        "The admin enters the right password. What was read of a secret is kept for up to a minute, but a secret "
        "that is invalid or whose password the relay rejects is read again, so the next message leaves.",
    )
    before = story.counts()
    story.write_secret("broken", _mended_entries(story))
    answer = story.post("broken", "emails", _email("Your receipt"), show=("status", "transport", "from", "message_id"))
    arrived = story.last_message()
    story.fact("the relay received it", is_true=_arrived(arrived, answer, _RELAY))
    story.fact(
        f"over {find(arrived, 'tls', 'version')} ({find(arrived, 'tls', 'mode')})",
        is_true=find(arrived, "tls", "mode") == "implicit",
    )
    story.fact("SES was not asked", is_true=story.counts()["ses_requests"] == before["ses_requests"])


def _mended_entries(story: Story) -> dict[str, str]:
    relay = story.stack.relay
    return relay.entries(port=relay.tls_port, from_address="Broken no more <hello@broken.example>")


def _received(story: Story) -> None:
    story.chapter("What really arrived", "The whole inbox, as the relay and SES received it:")
    counts, messages = read_inbox(story.stack)
    for message in messages:
        line = find(message, "tls", "version") or "HTTPS in the cloud"
        _say(f"   {message['transport']!s:13} {line!s:19} {find(message, 'from')!s:41} {message['subject']}")
    _say("")
    by_relay = [message for message in messages if message["transport"] == _RELAY]
    story.fact(
        "everything of acme and broken came by the relay, everything of plain by SES",
        is_true=all(
            ("platform.example" in str(find(message, "from"))) != (message in by_relay) for message in messages
        ),
    )
    story.fact(
        "every relay message came authenticated and over TLS 1.2 or newer",
        is_true=all(
            message["authenticated_user"] and find(message, "tls", "version") in ("TLSv1.2", "TLSv1.3")
            for message in by_relay
        ),
    )
    story.fact("SES was asked once in all: for the message of plain", is_true=counts["ses_requests"] == 1)


_CHAPTERS: tuple[Callable[[Story], None], ...] = (
    _server_transport,
    _project_relay,
    _substitution,
    _broken_secret,
    _explained,
    _validated,
    _mended,
    _received,
)
_ENDING = """
`make run` keeps such a stack up and prints its addresses; its inbox shows the messages as a reader sees them.
`docs/secret.md` says what a project admin types into the AWS console."""


def _email(subject: str, sender: str | None = None) -> dict[str, str]:
    draft = {"to": "Ada <ada@example.com>", "subject": subject, "text": "Thank you!"}
    return draft if sender is None else {"from": sender, **draft}


def _arrived(message: Json, answer: Answer, transport: str) -> bool:
    return (
        answer.status == 200
        and message.get("transport") == transport
        and message.get("message_id") == answer.text("message_id")
        and find(message, "envelope", "recipients") == ["ada@example.com"]
    )


def _is_refused(answer: Answer, status: int, code: str) -> bool:
    return answer.status == status and answer.text("code") == code


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _say(text: str) -> None:
    print(text, flush=True)
