"""`test` and `send`: send one message and show its outcome."""

import argparse
import base64
import mimetypes
import secrets
from pathlib import PurePath
from typing import Final

from project_smtp_cli.answers import Message, Recipients
from project_smtp_cli.api import Api
from project_smtp_cli.command import Context, Result
from project_smtp_cli.exits import Exit, Refusal, Unreachable, UsageError
from project_smtp_cli.screen import Screen
from project_smtp_cli.values import Document, to_second

# Final states.
_ENDED: Final = ("sent", "partially_sent", "rejected", "unknown", "expired", "cancelled", "failed", "suppressed")
# The service continues with queued, sending and deferred messages. The operator has chosen to suppress messages.
_SUCCESSFUL: Final = ("sent", "queued", "sending", "deferred", "suppressed")
_POLL_SECONDS: Final = 1.0
_MAILBOXES: Final = ("to", "cc", "bcc", "reply_to")


def run_test(arguments: argparse.Namespace, context: Context) -> Result:
    """Send the service's test message."""
    api = context.api(arguments)
    return _result(api.post("email-config/test", {"to": arguments.to}).document)


def run(arguments: argparse.Namespace, context: Context) -> Result:
    """Send the message that the options or the file describe."""
    api = context.api(arguments)
    body = _body(arguments, context)
    key: str = arguments.idempotency_key or secrets.token_hex(16)
    headers = {"Idempotency-Key": key} | ({"Prefer": "respond-async"} if arguments.respond_async else {})
    try:
        answer = api.post("emails", body, headers)
    except Unreachable as lost:
        # The request may have arrived. A repetition with the same key sends no second copy.
        msg = f"{lost.detail} Repeat it with --idempotency-key {key}: then the message is not sent twice."
        raise Unreachable(msg) from None
    if answer.is_replayed:
        context.screen.note("This key was already used for the same message: this is the first answer again.")
    document = answer.document
    message = Message.model_validate(document)
    if arguments.wait is not None and message.status not in _ENDED:
        document = _wait(api, message.id, arguments.wait, context)
    return _result(document)


def _body(arguments: argparse.Namespace, context: Context) -> object:
    described = _described(arguments, context)
    if arguments.file is None:
        if not described.get("to"):
            msg = "No recipient: give --to, or a whole message with --file."
            raise UsageError(msg)
        return described
    if described:
        msg = "Describe the message with options or with --file, not with both."
        raise UsageError(msg)
    # The service validates the file.
    return context.read_text(arguments.file).encode()


def _described(arguments: argparse.Namespace, context: Context) -> dict[str, object]:
    if arguments.text is not None and arguments.text_file is not None:
        msg = "Give --text or --text-file, not both."
        raise UsageError(msg)
    if arguments.text_file == "-" and arguments.html_file == "-":
        msg = "Standard input can be the text or the HTML, not both."
        raise UsageError(msg)
    body: dict[str, object] = {name: getattr(arguments, name) for name in _MAILBOXES}
    body |= {"from": arguments.sender, "subject": arguments.subject, "text": arguments.text}
    if arguments.text_file is not None:
        body["text"] = context.read_text(arguments.text_file)
    if arguments.html_file is not None:
        body["html"] = context.read_text(arguments.html_file)
    body |= {"template": arguments.template, "preferred_provider": arguments.preferred_provider}
    if arguments.template_data is not None:
        body["template_data"] = context.read_object(arguments.template_data)
    body["tags"] = [_tag(tag) for tag in arguments.tag or []]
    body["attachments"] = [_attachment(path, context) for path in arguments.attach or []]
    return {name: value for name, value in body.items() if value not in (None, [])}


def _tag(given: str) -> dict[str, str]:
    name, _, value = given.partition("=")
    return {"name": name, "value": value}


def _attachment(path: str, context: Context) -> dict[str, str]:
    content_type, encoding = mimetypes.guess_type(path)
    return {
        "filename": PurePath(path).name,
        "content": base64.b64encode(context.read_octets(path)).decode(),
        "content_type": content_type if content_type is not None and encoding is None else "application/octet-stream",
    }


def _wait(api: Api, id_: str, seconds: float, context: Context) -> Document:
    """Poll until the message is in a final state, or until the time is over."""
    end = context.clock() + seconds
    with context.screen.progress("Waiting", None):
        while True:
            document = _history(api, id_)
            has_ended = Message.model_validate(document).status in _ENDED
            if has_ended or context.clock() >= end:
                break
            context.pause(min(_POLL_SECONDS, max(0.0, end - context.clock())))
    if not has_ended:
        context.screen.note(
            f"The message is not in a final state after {seconds:g} seconds. See `project-smtp show {id_}`."
        )
    return document


def _history(api: Api, id_: str) -> Document:
    try:
        return api.get(f"emails/{id_}").document
    except Refusal as refused:
        detail = f"The message {id_} exists, but its state cannot be read: {refused.detail}"
        raise Unreachable(detail) from None


def _result(document: Document) -> Result:
    message = Message.model_validate(document)
    exit_code = Exit.OK if message.status in _SUCCESSFUL else Exit.CHECK_FAILED
    return Result(exit_code, document, lambda screen: _show(screen, message))


def _show(screen: Screen, message: Message) -> None:
    screen.fields(
        (
            ("status", message.status),
            ("id", message.id),
            ("transport", message.transport),
            ("from", str(message.sender)),
            ("message id", message.message_id),
            ("accepted", ", ".join(message.accepted)),
            ("diverted to", message.diverted_to),
            ("meant for", ", ".join(message.diverted)),
            ("next attempt", to_second(message.next_attempt_at)),
        )
    )
    show_recipients(screen, message)


def show_recipients(screen: Screen, outcome: Recipients) -> None:
    """Print the recipients and their outcomes."""
    states = (("rejected", outcome.rejected), ("deferred", outcome.deferred), ("unknown", outcome.unknown))
    rows = [(each.recipient, state, each.code, each.detail) for state, group in states for each in group]
    rows += [(each.recipient, each.status, each.code, each.detail) for each in outcome.recipients]
    screen.table(("recipient", "status", "code", "reply"), rows)
