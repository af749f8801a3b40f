"""`list`, `show` and `held`: the messages that the ledger knows."""

import argparse
import re
from typing import Final

from project_smtp_cli.api import Api
from project_smtp_cli.command import Context, Result
from project_smtp_cli.commands.send import show_recipients
from project_smtp_cli.exits import Exit, Refusal, UsageError
from project_smtp_cli.screen import Screen
from project_smtp_cli.values import Document, find, items, minute, text, when

_PAGE: Final = 100
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_TIMES: Final = ("created_at", "updated_at", "expires_at", "next_attempt_at")


def run_list(arguments: argparse.Namespace, context: Context) -> Result:
    """List messages, newest first."""
    emails, cursor = _listed(context.api(arguments), arguments.status, arguments.limit, arguments.cursor)

    def show(screen: Screen) -> None:
        _show_messages(screen, emails)
        if cursor is not None:
            screen.note(f"There are more: --cursor {cursor}")

    return Result(Exit.OK, {"emails": emails, "cursor": cursor}, show)


def run_show(arguments: argparse.Namespace, context: Context) -> Result:
    """Show one message's history."""
    document = context.api(arguments).get(f"emails/{_vetted(arguments.id)}").document
    return Result(Exit.OK, document, lambda screen: _show_history(screen, document))


def run_held(arguments: argparse.Namespace, context: Context) -> Result:
    """List held messages, or let some of them go on or end."""
    api = context.api(arguments)
    action: str | None = arguments.action
    if action is None:
        if arguments.id or arguments.all:
            msg = "Say what to do with them: --retry or --cancel."
            raise UsageError(msg)
        emails, _ = _listed(api, "held", None, None)
        return Result(Exit.OK, {"emails": emails}, lambda screen: _show_messages(screen, emails))
    if bool(arguments.id) == bool(arguments.all):
        msg = f"Name the messages to {action}, or say --all."
        raise UsageError(msg)
    ids = list(map(_vetted, arguments.id)) or [text(email, "id") for email in _listed(api, "held", None, None)[0]]
    results: list[Document] = []
    with context.screen.progress(action.capitalize(), len(ids)) as advance:
        for id_ in ids:
            results.append(_act(api, id_, action))
            advance()
    has_failed = any(find(result, "error") is not None for result in results)
    return Result(
        Exit.NOT_WELL if has_failed else Exit.OK, {"results": results}, lambda screen: _show_results(screen, results)
    )


def _listed(api: Api, status: str | None, limit: int | None, cursor: str | None) -> tuple[list[Document], str | None]:
    """Return up to `limit` messages, all where it is None, and where they go on."""
    emails: list[Document] = []
    while True:
        wanted = _PAGE if limit is None else min(_PAGE, limit - len(emails))
        page = api.get("emails", status=status, limit=wanted, cursor=cursor).document
        emails += items(page, "emails")
        cursor = text(page, "cursor") or None
        if cursor is None or (limit is not None and len(emails) >= limit):
            return emails, cursor


def _act(api: Api, id_: str, action: str) -> Document:
    try:
        document = api.post(f"emails/{id_}/{action}").document
    except Refusal as refused:
        return {"id": id_, "status": None, "error": dict(refused.document)}
    return {"id": id_, "status": find(document, "status")}


def _vetted(id_: str) -> str:
    if not _ID.match(id_):
        msg = "A message's id has letters, digits, hyphens and underscores only."
        raise UsageError(msg)
    return id_


def _show_messages(screen: Screen, emails: list[Document]) -> None:
    screen.table(
        ("id", "status", "reason", "to", "created (UTC)", "next look (UTC)"),
        [
            (
                *(text(email, name) for name in ("id", "status", "reason", "recipient_count")),
                minute(email, "created_at"),
                minute(email, "next_attempt_at"),
            )
            for email in emails
        ],
    )
    if not emails:
        screen.line("None.")


def _show_results(screen: Screen, results: list[Document]) -> None:
    screen.table(
        ("id", "now", ""),
        [
            (text(result, "id"), text(result, "status") or "refused", text(result, "error", "detail"))
            for result in results
        ],
    )
    if not results:
        screen.line("None.")


def _show_history(screen: Screen, document: Document) -> None:
    names = ("id", "status", "reason", "transport", "type", "request_id", "message_id", "diverted_to", "count")
    rows = [(name.replace("_", " "), text(document, name)) for name in names]
    rows += [(name.removesuffix("_at").replace("_", " "), when(document, name)) for name in _TIMES]
    used, reason = text(document, "from", "used"), text(document, "from", "reason")
    screen.fields([*rows, ("from", f"{used} ({reason})" if reason else used)])
    show_recipients(screen, document)
    attempts = items(document, "attempts")
    screen.table(
        ("attempt (UTC)", "by", "result", "phase", "cause", "reply"),
        [
            (
                when(attempt, "at"),
                text(attempt, "provider") or text(attempt, "transport"),
                *(text(attempt, name) for name in ("result", "phase", "cause")),
                " ".join(filter(None, (text(attempt, "code"), text(attempt, "reply")))),
            )
            for attempt in attempts
        ],
    )
