"""The first part of the story: by which transport a project's mail leaves, or why it does not."""

import json
import textwrap
from collections.abc import Callable

from local.client import find, read_inbox
from local.story import RELAY, SES, Story, arrived_by, email, is_refused, items, say


def _server_transport(story: Story) -> None:
    story.chapter(
        "A project without a relay",
        "The project `plain` has no secret, so its mail leaves by the platform's own Amazon SES, from the platform's "
        "address.",
    )
    answer = story.post(
        "plain", "emails", email("Your receipt"), show=("status", "transport", "from", "accepted", "message_id")
    )
    arrived = story.last_message()
    story.fact("the answer says that SES took it", is_true=answer.text("transport") == SES)
    story.fact("SES received it, and the envelope names the recipient", is_true=arrived_by(arrived, answer, SES))
    story.fact("the relay was not touched", is_true=story.counts()["relay_connections"] == 0)


def _project_relay(story: Story) -> None:
    story.chapter(
        "A project with a relay of its own",
        "The project `acme` has a secret that names its relay. The same request now leaves by that relay: STARTTLS, "
        "the certificate checked against the project's private CA, then AUTH, then the message.",
    )
    before = story.counts()
    answer = story.post("acme", "emails", email("Your receipt"), show=("status", "transport", "from", "message_id"))
    arrived = story.last_message()
    story.fact("the relay received it", is_true=arrived_by(arrived, answer, RELAY))
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
    approved = story.post("acme", "emails", email("Invoice 7", "Acme Billing <billing@acme.example>"), show=("from",))
    story.fact("an approved From is used", is_true=approved.text("from", "reason") == "approved")
    foreign = story.post("acme", "emails", email("Hello", "ceo@elsewhere.example"), show=("from",))
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
    answer = story.post("broken", "emails", email("Your receipt"), show=("code", "detail", "problems"))
    story.fact(
        "the request is refused as project-smtp-invalid", is_true=is_refused(answer, 400, "project-smtp-invalid")
    )
    entries = {str(find(problem, "entry")) for problem in items(answer.body.get("problems"))}
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
        "acme", "emails/explain", email("Hello", "ceo@elsewhere.example"), show=("would_send", "transport", "from")
    )
    broken = story.post("broken", "emails/explain", email("Hello"), show=("would_send", "status"))
    story.fact("acme would send by its relay", is_true=relay.text("transport") == RELAY)
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
    story.write_secret("broken", story.mended_entries() | {"smtpPassword": "last-years-password"})
    answer = story.post("broken", "email-config/validate", None, show=("valid",))
    checks = {str(find(check, "name")): check for check in items(answer.body.get("checks"))}
    for name, check in checks.items():
        say(f"   {name:16} {find(check, 'status')}")
    failed = checks.get("authenticates")
    say(textwrap.indent(json.dumps(failed, indent=2), "   "))
    story.fact("it fails at AUTH, not before", is_true=find(failed, "status") == "failed")
    story.fact("the relay's own reply is shown", is_true=find(failed, "smtp", "code") == 535)
    refused = story.post("broken", "emails", email("Your receipt"), show=("code", "detail"))
    story.fact("sending is refused as relay-auth-rejected", is_true=is_refused(refused, 424, "relay-auth-rejected"))
    messages = (story.counts()["relay_messages"], story.counts()["ses_requests"])
    story.fact("nothing was sent", is_true=messages == (before["relay_messages"], before["ses_requests"]))


def _mended(story: Story) -> None:
    story.chapter(
        "Mended, it sends at once",
        "The admin enters the right password. What was read of a secret is kept for up to a minute, but a secret "
        "that is invalid or whose password the relay rejects is read again, so the next message leaves.",
    )
    before = story.counts()
    story.write_secret("broken", story.mended_entries())
    answer = story.post("broken", "emails", email("Your receipt"), show=("status", "transport", "from", "message_id"))
    arrived = story.last_message()
    story.fact("the relay received it", is_true=arrived_by(arrived, answer, RELAY))
    story.fact(
        f"over {find(arrived, 'tls', 'version')} ({find(arrived, 'tls', 'mode')})",
        is_true=find(arrived, "tls", "mode") == "implicit",
    )
    story.fact("SES was not asked", is_true=story.counts()["ses_requests"] == before["ses_requests"])


def _received(story: Story) -> None:
    story.chapter("What really arrived", "The whole inbox, as the relay and SES received it:")
    counts, messages = read_inbox(story.stack)
    for message in messages:
        line = find(message, "tls", "version") or "HTTPS in the cloud"
        say(f"   {message['transport']!s:13} {line!s:19} {find(message, 'from')!s:41} {message['subject']}")
    say("")
    by_relay = [message for message in messages if message["transport"] == RELAY]
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


CHAPTERS: tuple[Callable[[Story], None], ...] = (
    _server_transport,
    _project_relay,
    _substitution,
    _broken_secret,
    _explained,
    _validated,
    _mended,
    _received,
)
