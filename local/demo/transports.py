"""The first part of the demo: the transport that each project uses, and why a broken project sends nothing."""

import json
import textwrap
from collections.abc import Callable

from local.client import find, read_inbox
from local.demo.report import RELAY, SES, Demo, arrived_by, echo, email, is_refused, items


def _server_transport(demo: Demo) -> None:
    demo.section(
        "A project without a relay",
        "The project `plain` has no secret. Its mail leaves by the platform's Amazon SES, from the platform's address.",
    )
    answer = demo.post(
        "plain", "emails", email("Your receipt"), show=("status", "transport", "from", "accepted", "message_id")
    )
    arrived = demo.last_message()
    demo.check("the answer names SES as the transport", is_true=answer.text("transport") == SES)
    demo.check("SES received it, and the envelope names the recipient", is_true=arrived_by(arrived, answer, SES))
    demo.check("the relay was not contacted", is_true=demo.counts()["relay_connections"] == 0)


def _project_relay(demo: Demo) -> None:
    demo.section(
        "A project with its own relay",
        "The project `acme` has a secret that names its relay. The same request now leaves by that relay: STARTTLS, "
        "a certificate check against the project's private CA, AUTH, and then the message.",
    )
    before = demo.counts()
    answer = demo.post("acme", "emails", email("Your receipt"), show=("status", "transport", "from", "message_id"))
    arrived = demo.last_message()
    demo.check("the relay received it", is_true=arrived_by(arrived, answer, RELAY))
    demo.check(
        f"over {find(arrived, 'tls', 'version')} ({find(arrived, 'tls', 'mode')})",
        is_true=str(find(arrived, "tls", "version")).startswith("TLSv1."),
    )
    demo.check(
        f"authenticated as {arrived.get('authenticated_user')}",
        is_true=arrived.get("authenticated_user") == demo.stack.relay.username,
    )
    demo.check(
        f"with the envelope sender {find(arrived, 'envelope', 'sender')}",
        is_true=find(arrived, "envelope", "sender") == "hello@acme.example",
    )
    demo.check("SES was not contacted", is_true=demo.counts()["ses_requests"] == before["ses_requests"])


def _substitution(demo: Demo) -> None:
    demo.section(
        "The From of a message",
        "A project sends from its default address or from an approved sender. Any other From is replaced by the "
        "default, and the answer says so.",
    )
    approved = demo.post("acme", "emails", email("Invoice 7", "Acme Billing <billing@acme.example>"), show=("from",))
    demo.check("an approved From is used", is_true=approved.text("from", "reason") == "approved")
    foreign = demo.post("acme", "emails", email("Hello", "ceo@elsewhere.example"), show=("from",))
    demo.check("a From that is not approved is replaced", is_true=foreign.text("from", "reason") == "not-approved")
    sender = str(find(demo.last_message(), "from"))
    demo.check(f"the relay saw From: {sender}", is_true="hello@acme.example" in sender)


def _broken_secret(demo: Demo) -> None:
    demo.section(
        "A broken secret sends nothing",
        "The secret of the project `broken` has mistakes. The project wants its own relay, so the platform's SES is "
        "not used instead: nothing is sent.",
    )
    before = demo.counts()
    answer = demo.post("broken", "emails", email("Your receipt"), show=("code", "detail", "problems"))
    demo.check(
        "the request is refused as project-smtp-invalid", is_true=is_refused(answer, 400, "project-smtp-invalid")
    )
    entries = {str(find(problem, "entry")) for problem in items(answer.body.get("problems"))}
    named = {"smtpPort", "smtpUser", "smtpUsername", "smtpPassword", "smtpFromAddress"}
    demo.check("every invalid entry is named", is_true=entries == named)
    demo.check("no value of an entry is shown", is_true="587o" not in json.dumps(answer.body))
    demo.check("no connection to the relay, no request to SES", is_true=demo.counts() == before)


def _explained(demo: Demo) -> None:
    demo.section(
        "What would be sent",
        "`explain` makes the same decision as a send, and sends nothing.",
    )
    before = demo.counts()
    relay = demo.post(
        "acme", "emails/explain", email("Hello", "ceo@elsewhere.example"), show=("would_send", "transport", "from")
    )
    broken = demo.post("broken", "emails/explain", email("Hello"), show=("would_send", "status"))
    demo.check("acme would send by its relay", is_true=relay.text("transport") == RELAY)
    demo.check("broken would send nothing", is_true=broken.body.get("would_send") is False)
    demo.check("nothing was sent", is_true=demo.counts() == before)


def _validated(demo: Demo) -> None:
    demo.section(
        "Validation",
        "The admin of `broken` corrects every entry and chooses the relay's port with implicit TLS, but types last "
        "year's password. `validate` connects, authenticates and checks the sender, and names the check that fails. A "
        "send fails too.",
    )
    before = demo.counts()
    demo.write_secret("broken", demo.corrected_entries() | {"smtpPassword": "last-years-password"})
    answer = demo.post("broken", "email-config/validate", None, show=("valid",))
    checks = {str(find(check, "name")): check for check in items(answer.body.get("checks"))}
    for name, check in checks.items():
        echo(f"   {name:16} {find(check, 'status')}")
    failed = checks.get("authenticates")
    echo(textwrap.indent(json.dumps(failed, indent=2), "   "))
    demo.check("it fails at AUTH, not before", is_true=find(failed, "status") == "failed")
    demo.check("the relay's own reply is shown", is_true=find(failed, "smtp", "code") == 535)
    refused = demo.post("broken", "emails", email("Your receipt"), show=("code", "detail"))
    demo.check("sending is refused as relay-auth-rejected", is_true=is_refused(refused, 424, "relay-auth-rejected"))
    messages = (demo.counts()["relay_messages"], demo.counts()["ses_requests"])
    demo.check("nothing was sent", is_true=messages == (before["relay_messages"], before["ses_requests"]))


def _corrected(demo: Demo) -> None:
    demo.section(
        "A corrected secret takes effect at once",
        "The admin enters the right password. The service caches a secret for up to a minute. But it reads the "
        "secret again at once if it was invalid or the relay rejected its password. So the next message leaves.",
    )
    before = demo.counts()
    demo.write_secret("broken", demo.corrected_entries())
    answer = demo.post("broken", "emails", email("Your receipt"), show=("status", "transport", "from", "message_id"))
    arrived = demo.last_message()
    demo.check("the relay received it", is_true=arrived_by(arrived, answer, RELAY))
    demo.check(
        f"over {find(arrived, 'tls', 'version')} ({find(arrived, 'tls', 'mode')})",
        is_true=find(arrived, "tls", "mode") == "implicit",
    )
    demo.check("SES was not contacted", is_true=demo.counts()["ses_requests"] == before["ses_requests"])


def _received(demo: Demo) -> None:
    demo.section("What arrived", "All messages that the relay and SES received:")
    counts, messages = read_inbox(demo.stack)
    for message in messages:
        line = find(message, "tls", "version") or "HTTPS in the cloud"
        echo(f"   {message['transport']!s:13} {line!s:19} {find(message, 'from')!s:41} {message['subject']}")
    echo("")
    by_relay = [message for message in messages if message["transport"] == RELAY]
    demo.check(
        "all mail of acme and broken came by the relay, all mail of plain by SES",
        is_true=all(
            ("platform.example" in str(find(message, "from"))) != (message in by_relay) for message in messages
        ),
    )
    demo.check(
        "every message at the relay was authenticated and came over TLS 1.2 or newer",
        is_true=all(
            message["authenticated_user"] and find(message, "tls", "version") in ("TLSv1.2", "TLSv1.3")
            for message in by_relay
        ),
    )
    demo.check("SES got one request: the message of plain", is_true=counts["ses_requests"] == 1)


SECTIONS: tuple[Callable[[Demo], None], ...] = (
    _server_transport,
    _project_relay,
    _substitution,
    _broken_secret,
    _explained,
    _validated,
    _corrected,
    _received,
)
