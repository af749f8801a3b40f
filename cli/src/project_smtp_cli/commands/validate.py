"""`validate`: the doctor's checks, of the stored configuration or of entries that are not stored yet."""

import argparse

from project_smtp_cli.command import Context, Result
from project_smtp_cli.exits import Exit, UsageError
from project_smtp_cli.screen import Screen
from project_smtp_cli.values import Document, find, items, text


def run(arguments: argparse.Namespace, context: Context) -> Result:
    """Examine, send nothing, store nothing."""
    api = context.api(arguments)
    body: object = None
    if arguments.file is not None:
        if arguments.file == "-" and arguments.password_stdin:
            msg = "Standard input is either the entries or the password."
            raise UsageError(msg)
        given = context.read_object(arguments.file)
        entries = given["entries"] if given.keys() == {"entries"} and isinstance(given["entries"], dict) else given
        password = context.password(arguments)
        body = {"entries": entries | ({"smtpPassword": password} if password is not None else {})}
    elif arguments.password_stdin or arguments.password_file is not None or arguments.ask_password:
        msg = "A password belongs to entries: give --file too."
        raise UsageError(msg)
    examination = api.post("email-config/validate", body).document
    return Result(exit_of(examination), examination, lambda screen: show(screen, examination))


def exit_of(examination: Document) -> Exit:
    """Return whether what was examined is well; where there is no relay there is nothing that is not."""
    has_failed = any(text(check, "status") == "failed" for check in items(examination, "checks"))
    return Exit.NOT_WELL if has_failed or find(examination, "valid") is False else Exit.OK


def show(screen: Screen, examination: Document) -> None:
    """Print the checks, what failed with its remedy, and warnings."""
    show_checks(screen, examination)
    screen.problems(items(examination, "warnings"), "warning about")
    match find(examination, "valid"):
        case True:
            screen.line("Everything that was checked is well.")
        case False:
            screen.line("It is not well: nothing is sent by this configuration.")
        case _:
            screen.line("There is no relay to ask: mail leaves by the server transport.")


def show_checks(screen: Screen, document: Document) -> None:
    """Print checks in the order of the road."""
    checks = items(document, "checks")
    providers = any("provider" in check for check in checks)
    heading = ("provider",) if providers else ()
    screen.table(
        (*heading, "check", "status", "reason", "what to do"),
        [
            (
                *((text(check, "provider"),) if providers else ()),
                text(check, "name"),
                text(check, "status"),
                " ".join(filter(None, (text(check, "reason"), _reply(check)))),
                _remedy(check),
            )
            for check in checks
        ],
    )
    screen.problems([problem for check in checks for problem in items(check, "problems")])


def _remedy(check: Document) -> str:
    entry, remedy = text(check, "entry"), text(check, "remedy")
    return f"{entry}: {remedy}" if entry and remedy else remedy


def _reply(check: Document) -> str:
    reply = " ".join(filter(None, (text(check, "smtp", "code"), text(check, "smtp", "reply"))))
    return f"(the relay: {reply})" if reply else ""
