"""`list`, `show` and `held`: the messages of the ledger."""

import argparse
import re
from typing import Final

from project_smtp_cli.answers import Acted, Decided, Message, Page
from project_smtp_cli.api import Api
from project_smtp_cli.command import Context, Result
from project_smtp_cli.commands.send import show_recipients
from project_smtp_cli.exits import Exit, Refusal, UsageError
from project_smtp_cli.screen import Screen
from project_smtp_cli.values import Document, to_minute, to_second

_PAGE: Final = 100
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


def run_list(arguments: argparse.Namespace, context: Context) -> Result:
    """List messages, newest first."""
    emails, cursor = _listed(context.api(arguments), arguments.status, arguments.limit, arguments.cursor)

    def show(screen: Screen) -> None:
        _show_messages(screen, emails)
        if cursor:
            screen.note(f"There are more: --cursor {cursor}")

    return Result(Exit.OK, {"emails": emails, "cursor": cursor or None}, show)


def run_show(arguments: argparse.Namespace, context: Context) -> Result:
    """Show the history of one message."""
    document = context.api(arguments).get(f"emails/{_vetted(arguments.id)}").document
    return Result(Exit.OK, document, lambda screen: _show_history(screen, Message.model_validate(document)))


def run_held(arguments: argparse.Namespace, context: Context) -> Result:
    """List held messages, retry or cancel them one by one, or decide about all of them."""
    api = context.api(arguments)
    action: str | None = arguments.action
    if arguments.decide is not None:
        return _decide(api, arguments)
    if action is None:
        if arguments.id or arguments.all:
            msg = "Give --retry or --cancel together with ids or --all."
            raise UsageError(msg)
        emails, _ = _listed(api, "held", None, None)
        return Result(Exit.OK, {"emails": emails}, lambda screen: _show_messages(screen, emails))
    if bool(arguments.id) == bool(arguments.all):
        msg = f"Give the ids of the messages to {action}, or --all."
        raise UsageError(msg)
    ids = list(map(_vetted, arguments.id)) or [email.id for email in _messages(_listed(api, "held", None, None)[0])]
    results: list[Document] = []
    with context.screen.progress(action.capitalize(), len(ids)) as advance:
        for id_ in ids:
            results.append(_act(api, id_, action))
            advance()
    has_failed = any("error" in result for result in results)
    return Result(
        Exit.CHECK_FAILED if has_failed else Exit.OK,
        {"results": results},
        lambda screen: _show_results(screen, results),
    )


def _decide(api: Api, arguments: argparse.Namespace) -> Result:
    if arguments.id or arguments.all:
        msg = "--decide is about all held messages. Leave out the ids and --all."
        raise UsageError(msg)
    document = api.post("email-config/held", {"held": arguments.decide}).document
    decided = Decided.model_validate(document)
    return Result(
        Exit.OK,
        document,
        lambda screen: screen.fields((("held", decided.count or "unknown"), ("decision", decided.held))),
    )


def _listed(api: Api, status: str | None, limit: int | None, cursor: str | None) -> tuple[list[Document], str]:
    """Return up to `limit` messages (all, if it is None), and the cursor of the next page."""
    emails: list[Document] = []
    while True:
        wanted = _PAGE if limit is None else min(_PAGE, limit - len(emails))
        page = Page.model_validate(api.get("emails", status=status, limit=wanted, cursor=cursor).document)
        emails += page.emails
        cursor = page.cursor
        if not cursor or (limit is not None and len(emails) >= limit):
            return emails, cursor


def _messages(emails: list[Document]) -> list[Message]:
    return [Message.model_validate(email) for email in emails]


def _act(api: Api, id_: str, action: str) -> Document:
    try:
        document = api.post(f"emails/{id_}/{action}").document
    except Refusal as refused:
        return {"id": id_, "status": None, "error": dict(refused.document)}
    return {"id": id_, "status": document.get("status")}


def _vetted(id_: str) -> str:
    if not _ID.match(id_):
        msg = "The id of a message has only letters, digits, hyphens and underscores."
        raise UsageError(msg)
    return id_


def _show_messages(screen: Screen, emails: list[Document]) -> None:
    screen.table(
        ("id", "status", "reason", "to", "created (UTC)", "next attempt (UTC)"),
        [
            (
                *(email.id, email.status, email.reason, email.recipient_count),
                to_minute(email.created_at),
                to_minute(email.next_attempt_at),
            )
            for email in _messages(emails)
        ],
    )
    if not emails:
        screen.line("None.")


def _show_results(screen: Screen, results: list[Document]) -> None:
    screen.table(
        ("id", "now", ""),
        [(result.id, result.status or "refused", result.error.detail) for result in map(Acted.model_validate, results)],
    )
    if not results:
        screen.line("None.")


def _show_history(screen: Screen, message: Message) -> None:
    screen.fields(
        (
            ("id", message.id),
            ("status", message.status),
            ("reason", message.reason),
            ("transport", message.transport),
            ("type", message.type),
            ("request id", message.request_id),
            ("message id", message.message_id),
            ("diverted to", message.diverted_to),
            ("count", message.count),
            ("created", to_second(message.created_at)),
            ("updated", to_second(message.updated_at)),
            ("expires", to_second(message.expires_at)),
            ("next attempt", to_second(message.next_attempt_at)),
            ("from", str(message.sender)),
        )
    )
    show_recipients(screen, message)
    screen.table(
        ("attempt (UTC)", "by", "result", "phase", "cause", "reply"),
        [
            (
                to_second(attempt.at),
                attempt.provider or attempt.transport,
                *(attempt.result, attempt.phase, attempt.cause),
                " ".join(filter(None, (attempt.code, attempt.reply))),
            )
            for attempt in message.attempts
        ],
    )
