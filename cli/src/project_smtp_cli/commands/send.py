"""`test` and `send`: one message, and what became of it."""

import argparse
import base64
import mimetypes
import secrets
from pathlib import PurePath
from typing import Final

from project_smtp_cli.api import Api
from project_smtp_cli.command import Context, Result
from project_smtp_cli.exits import Exit, Refusal, Unreachable, UsageError
from project_smtp_cli.screen import Screen
from project_smtp_cli.values import Document, items, text, texts, when

# Nothing more becomes of a message in one of these.
_ENDED: Final = ("sent", "partially_sent", "rejected", "unknown", "expired", "cancelled", "failed", "suppressed")
# Queued and deferred ones are the service's to go on with; where an operator lets nothing leave, nothing is wrong.
_WELL: Final = ("sent", "queued", "sending", "deferred", "suppressed")
_POLL_SECONDS: Final = 1.0
_MAILBOXES: Final = ("to", "cc", "bcc", "reply_to")


def run_test(arguments: argparse.Namespace, context: Context) -> Result:
    """Have the service send its test message."""
    api = context.api(arguments)
    return _result(api.post("email-config/test", {"to": arguments.to}).document)


def run(arguments: argparse.Namespace, context: Context) -> Result:
    """Send a message that options or a file describe."""
    api = context.api(arguments)
    body = _body(arguments, context)
    key: str = arguments.idempotency_key or secrets.token_hex(16)
    headers = {"Idempotency-Key": key} | ({"Prefer": "respond-async"} if arguments.respond_async else {})
    try:
        answer = api.post("emails", body, headers)
    except Unreachable as lost:
        # Whether it arrived nobody can say; the same key makes the repetition harmless.
        msg = f"{lost.detail} To be sure, repeat it with --idempotency-key {key}: that never doubles the message."
        raise Unreachable(msg) from None
    if answer.is_replayed:
        context.screen.note("This key has been used for the same message before: this is its first answer.")
    document = answer.document
    if arguments.wait is not None and text(document, "status") not in _ENDED:
        document = _wait(api, text(document, "id"), arguments.wait, context)
    return _result(document)


def _body(arguments: argparse.Namespace, context: Context) -> object:
    described = _described(arguments, context)
    if arguments.file is None:
        if not described.get("to"):
            msg = "Whom to? Give --to, or a whole message by --file."
            raise UsageError(msg)
        return described
    if described:
        msg = "A message is described by options or by --file, not by both."
        raise UsageError(msg)
    # As it is written: what is wrong with it is the service's to say.
    return context.read_text(arguments.file).encode()


def _described(arguments: argparse.Namespace, context: Context) -> dict[str, object]:
    if arguments.text is not None and arguments.text_file is not None:
        msg = "Give --text or --text-file, not both."
        raise UsageError(msg)
    if arguments.text_file == "-" and arguments.html_file == "-":
        msg = "Standard input is either the text or the HTML."
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
    """Ask until nothing more becomes of the message, or the time is over."""
    end = context.clock() + seconds
    with context.screen.progress("Waiting", None):
        while True:
            document = _history(api, id_)
            if text(document, "status") in _ENDED or context.clock() >= end:
                break
            context.pause(min(_POLL_SECONDS, max(0.0, end - context.clock())))
    if text(document, "status") not in _ENDED:
        context.screen.note(f"Nothing final after {seconds:g} seconds; `project-smtp show {id_}` tells how it goes on.")
    return document


def _history(api: Api, id_: str) -> Document:
    try:
        return api.get(f"emails/{id_}").document
    except Refusal as refused:
        detail = f"The message is {id_}, and what becomes of it cannot be read: {refused.detail}"
        raise Unreachable(detail) from None


def _result(document: Document) -> Result:
    return Result(_exit_of(document), document, lambda screen: _show(screen, document))


def _exit_of(document: Document) -> Exit:
    return Exit.OK if text(document, "status") in _WELL else Exit.NOT_WELL


def _show(screen: Screen, document: Document) -> None:
    used, reason = text(document, "from", "used"), text(document, "from", "reason")
    screen.fields(
        (
            ("status", text(document, "status")),
            ("id", text(document, "id")),
            ("transport", text(document, "transport")),
            ("from", f"{used} ({reason})" if reason else used),
            ("message id", text(document, "message_id")),
            ("accepted", ", ".join(texts(document, "accepted"))),
            ("diverted to", text(document, "diverted_to")),
            ("meant for", ", ".join(texts(document, "diverted"))),
            ("next attempt", when(document, "next_attempt_at")),
        )
    )
    show_recipients(screen, document)


def show_recipients(screen: Screen, document: Document) -> None:
    """Print the recipients that something is to be said of."""
    rows: list[tuple[str, ...]] = [
        (text(recipient, "recipient"), state, text(recipient, "code"), text(recipient, "detail"))
        for state in ("rejected", "deferred", "unknown")
        for recipient in items(document, state)
    ]
    rows += [
        tuple(text(recipient, name) for name in ("recipient", "status", "code", "detail"))
        for recipient in items(document, "recipients")
    ]
    screen.table(("recipient", "status", "code", "reply"), rows)
