"""`redrive`: messages of a failure queue go back to the queue that they failed from."""

import argparse

from project_smtp_cli.access import find_aws
from project_smtp_cli.command import Context, Result
from project_smtp_cli.exits import Exit
from project_smtp_cli.screen import Screen
from project_smtp_cli.values import Document, items, text


def run(arguments: argparse.Namespace, context: Context) -> Result:
    """Move what can go back; leave what a function has set aside for a person."""
    from project_smtp_cli.aws import FailureQueue  # noqa: PLC0415 -- boto3 is there for operators alone

    aws = find_aws(arguments.stack_name, "", arguments.url, context.environment)
    queue = FailureQueue(aws, arguments.queue)
    with context.screen.progress("Messages", queue.count()) as advance:
        moved = queue.examine(advance) if arguments.dry_run else queue.redrive(advance)
    document: Document = {
        "queue": queue.name,
        "destination": queue.destination_name,
        "dry_run": arguments.dry_run,
        "moved": moved.moved,
        "failed": moved.failed,
        "set_aside": [{"id": id_, "reason": reason} for id_, reason in moved.set_aside],
    }
    return Result(Exit.NOT_WELL if moved.failed else Exit.OK, document, lambda screen: _show(screen, document))


def _show(screen: Screen, document: Document) -> None:
    would = "would move" if document["dry_run"] else "moved"
    screen.fields(
        (
            ("queue", text(document, "queue")),
            ("destination", text(document, "destination")),
            (would, text(document, "moved")),
            ("failed", text(document, "failed")),
            ("set aside", str(len(items(document, "set_aside")))),
        )
    )
    screen.table(
        ("message", "set aside because"),
        [(text(item, "id"), text(item, "reason")) for item in items(document, "set_aside")],
    )
