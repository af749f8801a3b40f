"""The grammar of the command line."""

import argparse
from typing import Final

from project_smtp_cli.access import PROJECT, TOKEN, URL
from project_smtp_cli.importing.formats import AUTO, Format
from project_smtp_cli.queues import QUEUES

STATUSES: Final = (
    "queued", "sending", "deferred", "held", "sent", "partially_sent", "rejected", "unknown", "expired", "cancelled",
    "failed", "suppressed",
)  # fmt: skip
CHOICES: Final = ("send", "cancel", "keep")
_DEFAULT_LIMIT: Final = 25
_MAX_LIMIT: Final = 10_000
_DEFAULT_WAIT: Final = 60.0
_EXITS: Final = """exit codes:
  0  success
  1  a check failed, a recipient does not get the message, or a configuration or a relay is at fault
  2  the command line or a file cannot be used
  3  the service or AWS is not available now
  4  the service refused the request
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser for the whole command line."""
    whole = argparse.ArgumentParser(
        prog="project-smtp",
        description="Project SMTP for operators and project admins.",
        epilog=f"{_EXITS}\nenvironment: {URL}, {TOKEN}, {PROJECT}, NO_COLOR. docs/cli.md has examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = _common_options()
    project = _project()
    _status(commands, common)
    _validate(commands, [common, project])
    test = _add(commands, "test", "send a test message", [common, project])
    test.add_argument("--to", required=True, metavar="ADDRESS", help="the recipient")
    _send(commands, [common, project])
    _messages(commands, [common, project])
    _redrive(commands, common)
    _import(commands, [common, project])
    return whole


def _common_options() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--url", help=f"the base URL of the API; default: {URL}, or the embedded stack")
    common.add_argument("--token-file", metavar="FILE", help=f"a file with the bearer token; default: {TOKEN}")
    common.add_argument("--json", action="store_true", help="print one JSON value on standard output")
    return common


def _project() -> argparse.ArgumentParser:
    project = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    project.add_argument("--project", metavar="ID", help=f"the project; default: {PROJECT}, or the token's")
    return project


type _Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def _add(
    commands: _Commands, name: str, summary: str, parents: list[argparse.ArgumentParser]
) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=summary, description=summary, parents=parents, allow_abbrev=False)


def _status(commands: _Commands, common: argparse.ArgumentParser) -> None:
    status = _add(commands, "status", "show the configurations of projects", [common])
    status.add_argument("--project", metavar="ID", action="append", help="a project; may be repeated")
    status.add_argument("--all", action="store_true", help="every project that has a secret (calls AWS)")
    _add_stack(status)
    status.add_argument(
        "--secret-prefix",
        default="project-smtp/",
        metavar="PREFIX",
        help="the prefix of the secrets' names (the stack's parameter ProjectSecretPrefix)",
    )


def _validate(commands: _Commands, parents: list[argparse.ArgumentParser]) -> None:
    validate = _add(commands, "validate", "run all checks of a configuration; nothing is sent or stored", parents)
    validate.add_argument("--file", metavar="FILE", help="entries to check instead of the stored ones; - is stdin")
    _add_password(validate)


def _send(commands: _Commands, parents: list[argparse.ArgumentParser]) -> None:
    send = _add(commands, "send", "send one message", parents)
    send.add_argument("--file", metavar="FILE", help="the whole message as the API accepts it; - is stdin")
    send.add_argument("--from", dest="sender", metavar="ADDRESS")
    for name in ("to", "cc", "bcc", "reply-to"):
        send.add_argument(f"--{name}", action="append", metavar="ADDRESS", help="may be repeated")
    send.add_argument("--subject")
    send.add_argument("--text")
    send.add_argument("--text-file", metavar="FILE", help="- is stdin")
    send.add_argument("--html-file", metavar="FILE", help="- is stdin")
    send.add_argument("--attach", action="append", metavar="FILE", help="may be repeated")
    send.add_argument("--template", metavar="NAME", help="a stored template")
    send.add_argument("--template-data", metavar="FILE", help="a JSON object for the placeholders; - is stdin")
    send.add_argument("--tag", action="append", metavar="NAME=VALUE", help="may be repeated")
    send.add_argument("--preferred-provider", metavar="ID")
    send.add_argument("--idempotency-key", metavar="KEY", help="the idempotency key; default: a new one")
    send.add_argument("--async", dest="respond_async", action="store_true", help="queue it instead of sending it now")
    send.add_argument(
        "--wait", type=_seconds, nargs="?", const=_DEFAULT_WAIT, metavar="SECONDS",
        help=f"wait for the outcome, {_DEFAULT_WAIT:g} seconds by default",
    )  # fmt: skip


def _messages(commands: _Commands, parents: list[argparse.ArgumentParser]) -> None:
    held = _add(commands, "held", "list, retry, cancel or decide about held messages", parents)
    held.add_argument("id", nargs="*", metavar="ID")
    held.add_argument("--all", action="store_true", help="all held messages")
    action = held.add_mutually_exclusive_group()
    action.add_argument("--retry", dest="action", action="store_const", const="retry", help="send them now")
    action.add_argument("--cancel", dest="action", action="store_const", const="cancel", help="do not send them")
    action.add_argument(
        "--decide", choices=CHOICES, metavar="CHOICE",
        help="for all messages that are held now, as one decision of the project admin: send, cancel or keep",
    )  # fmt: skip
    show = _add(commands, "show", "show the history of one message", parents)
    show.add_argument("id", metavar="ID")
    forget = _add(commands, "forget", "erase what is kept about an address; waiting messages are cancelled", parents)
    forget.add_argument("address", metavar="ADDRESS", help="the address of a recipient, without a name")
    forget.add_argument(
        "--platform", action="store_true", help="in the platform's own system e-mails, instead of a project's"
    )
    listing = _add(commands, "list", "list messages, newest first", parents)
    listing.add_argument("--status", choices=STATUSES, metavar="STATUS", help=", ".join(STATUSES))
    listing.add_argument("--limit", type=_limit, default=_DEFAULT_LIMIT, metavar="N", help=f"default: {_DEFAULT_LIMIT}")
    listing.add_argument("--cursor", metavar="CURSOR", help="the cursor that came with the previous page")


def _redrive(commands: _Commands, common: argparse.ArgumentParser) -> None:
    redrive = _add(commands, "redrive", "move the entries of a failure queue back (calls AWS)", [common])
    redrive.add_argument("queue", type=_queue, metavar="QUEUE", help=f"{', '.join(QUEUES)}, or the queue's URL")
    redrive.add_argument("--dry-run", action="store_true", help="only show what would be moved")
    _add_stack(redrive)


def _import(commands: _Commands, parents: list[argparse.ArgumentParser]) -> None:
    importing = _add(commands, "import", "import another system's configuration file", parents)
    importing.add_argument("file", metavar="FILE", help="- is stdin")
    importing.add_argument("--format", choices=(AUTO, *Format), default=AUTO, help=f"default: {AUTO}")
    importing.add_argument("--from", dest="sender", metavar="ADDRESS", help="smtpFromAddress, instead of the file's")
    importing.add_argument("--dry-run", action="store_true", help="run all checks and store nothing")
    importing.add_argument("--replace", action="store_true", help="overwrite the configuration of the project")
    _add_password(importing)


def _add_password(command: argparse.ArgumentParser) -> None:
    password = command.add_mutually_exclusive_group()
    password.add_argument(
        "--password-stdin", action="store_true", help="the relay's password is the first line of stdin"
    )
    password.add_argument("--password-file", metavar="FILE", help="the relay's password is in this file")
    password.add_argument("--ask-password", action="store_true", help="ask for the relay's password")


def _add_stack(command: argparse.ArgumentParser) -> None:
    command.add_argument("--stack-name", default="project-smtp", metavar="NAME", help="the CloudFormation stack")


def _seconds(given: str) -> float:
    if given.isascii() and given.isdigit() and 0 < int(given) <= 24 * 3600:
        return float(given)
    raise argparse.ArgumentTypeError("give whole seconds, at most one day")


def _limit(given: str) -> int:
    if given.isascii() and given.isdigit() and 0 < int(given) <= _MAX_LIMIT:
        return int(given)
    raise argparse.ArgumentTypeError(f"give a number from 1 to {_MAX_LIMIT}")


def _queue(given: str) -> str:
    if given in QUEUES or given.startswith(("https://", "http://")):
        return given
    raise argparse.ArgumentTypeError(f"give {', '.join(QUEUES)}, or the queue's URL")
