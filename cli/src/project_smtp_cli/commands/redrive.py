"""`redrive`: move the entries of a failure queue back to their queue."""

import argparse
from typing import TYPE_CHECKING

from project_smtp_cli.access import find_aws
from project_smtp_cli.command import Context, Result
from project_smtp_cli.exits import Exit
from project_smtp_cli.screen import Screen
from project_smtp_cli.values import Document

if TYPE_CHECKING:
    from project_smtp_cli.aws import FailureQueue, Moved


def run(arguments: argparse.Namespace, context: Context) -> Result:
    """Move entries back, except those that a function has set aside with a reason."""
    from project_smtp_cli.aws import FailureQueue  # noqa: PLC0415 -- only operators have boto3

    aws = find_aws(arguments.stack_name, "", arguments.url, context.environment)
    queue = FailureQueue(aws, arguments.queue)
    with context.screen.progress("Entries", queue.count()) as advance:
        moved = queue.examine(advance) if arguments.dry_run else queue.redrive(advance)
    document: Document = {
        "queue": queue.name,
        "destination": queue.destination_name,
        "dry_run": arguments.dry_run,
        "moved": moved.moved,
        "failed": moved.failed,
        "set_aside": [{"id": id_, "reason": reason} for id_, reason in moved.set_aside],
    }
    return Result(
        Exit.CHECK_FAILED if moved.failed else Exit.OK,
        document,
        lambda screen: _show(screen, queue, moved, would=arguments.dry_run),
    )


def _show(screen: Screen, queue: "FailureQueue", moved: "Moved", *, would: bool) -> None:
    screen.fields(
        (
            ("queue", queue.name),
            ("destination", queue.destination_name),
            ("would move" if would else "moved", str(moved.moved)),
            ("failed", str(moved.failed)),
            ("set aside", str(len(moved.set_aside))),
        )
    )
    screen.table(("entry", "set aside because"), moved.set_aside)
