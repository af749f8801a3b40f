"""`project-smtp COMMAND`: run one command, show its result, and end with its exit code."""

import argparse
import getpass
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from project_smtp_cli.arguments import parser
from project_smtp_cli.command import Context, Result
from project_smtp_cli.commands import forget, importing, messages, redrive, send, status, validate
from project_smtp_cli.exits import CommandError, Exit, Refusal
from project_smtp_cli.screen import Screen

_COMMANDS: Mapping[str, Callable[[argparse.Namespace, Context], Result]] = {
    "status": status.run,
    "validate": validate.run,
    "test": send.run_test,
    "send": send.run,
    "held": messages.run_held,
    "show": messages.run_show,
    "list": messages.run_list,
    "forget": forget.run,
    "redrive": redrive.run,
    "import": importing.run,
}


def main(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    stdin: IO[str],
    out: IO[str],
    err: IO[str],
    ask_password: Callable[[str], str] = getpass.getpass,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Run one command and return the exit code. If the command line is wrong, argparse ends the program."""
    chosen = parser().parse_args(arguments)
    screen = Screen(out, err, is_json=chosen.json, environment=environment)
    context = Context(environment, stdin, screen, ask_password, clock, pause)
    try:
        result = _COMMANDS[chosen.command](chosen, context)
    except CommandError as ended:
        screen.error(ended.detail)
        if chosen.json:
            screen.document({"error": ended.document})
        elif isinstance(ended, Refusal):
            _explain(screen.aside(), ended)
        return ended.exit_code
    if chosen.json:
        screen.document(result.document)
    else:
        result.show(screen)
    return result.exit_code


def run() -> int:
    """Run the program."""
    try:
        return main(sys.argv[1:], environment=os.environ, stdin=sys.stdin, out=sys.stdout, err=sys.stderr)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe, so the rest of the buffer is dropped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK


def _explain(screen: Screen, refusal: Refusal) -> None:
    """Show the problems, recipients and checks of a problem document."""
    screen.problems(refusal.refused.problems, "where")
    send.show_recipients(screen, refusal.refused)
    validate.show_checks(screen, refusal.refused.checks)


if __name__ == "__main__":
    sys.exit(run())
