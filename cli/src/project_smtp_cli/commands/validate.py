"""`validate`: run all checks on the stored configuration, or on entries that are not stored yet."""

import argparse
from collections.abc import Sequence

from project_smtp_cli.answers import Check, Validation
from project_smtp_cli.command import Context, Result
from project_smtp_cli.exits import Exit, UsageError
from project_smtp_cli.screen import Screen


def run(arguments: argparse.Namespace, context: Context) -> Result:
    """Validate entries; nothing is sent or stored."""
    api = context.api(arguments)
    body: object = None
    if arguments.file is not None:
        if arguments.file == "-" and arguments.password_stdin:
            msg = "Standard input can be the entries or the password, not both."
            raise UsageError(msg)
        given = context.read_object(arguments.file)
        entries = given["entries"] if given.keys() == {"entries"} and isinstance(given["entries"], dict) else given
        password = context.password(arguments)
        body = {"entries": entries | ({"smtpPassword": password} if password is not None else {})}
    elif arguments.password_stdin or arguments.password_file is not None or arguments.ask_password:
        msg = "A password belongs to entries: give --file too."
        raise UsageError(msg)
    document = api.post("email-config/validate", body).document
    validation = Validation.model_validate(document)
    return Result(exit_of(validation), document, lambda screen: _show(screen, validation))


def exit_of(validation: Validation) -> Exit:
    """Return the exit code of a validation."""
    has_failed = any(check.status == "failed" for check in validation.checks)
    return Exit.CHECK_FAILED if has_failed or validation.valid is False else Exit.OK


def _show(screen: Screen, validation: Validation) -> None:
    show_checks(screen, validation.checks)
    screen.problems(validation.warnings, "warning about")
    match validation.valid:
        case True:
            screen.line("Every check passed.")
        case False:
            screen.line("The configuration is not valid: nothing is sent with it.")
        case None:
            screen.line("There is no relay to check: mail leaves by the server transport.")


def show_checks(screen: Screen, checks: Sequence[Check]) -> None:
    """Print checks with their reasons and remedies."""
    providers = any(check.provider for check in checks)
    heading = ("provider",) if providers else ()
    screen.table(
        (*heading, "check", "status", "reason", "what to do"),
        [
            (
                *((check.provider,) if providers else ()),
                check.name,
                check.status,
                " ".join(filter(None, (check.reason, _reply(check)))),
                _remedy(check),
            )
            for check in checks
        ],
    )
    screen.problems([problem for check in checks for problem in check.problems])


def _remedy(check: Check) -> str:
    return f"{check.entry}: {check.remedy}" if check.entry and check.remedy else check.remedy


def _reply(check: Check) -> str:
    reply = " ".join(filter(None, (check.smtp.code, check.smtp.reply)))
    return f"(the relay: {reply})" if reply else ""
