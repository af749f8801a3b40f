"""`import`: convert another system's configuration file to entries, validate them, then store them."""

import argparse

from project_smtp_cli.answers import Configuration, Validation
from project_smtp_cli.api import Api
from project_smtp_cli.command import Context, Result
from project_smtp_cli.commands.status import show_entries
from project_smtp_cli.commands.validate import exit_of, show_checks
from project_smtp_cli.exits import CommandError, Exit, UsageError
from project_smtp_cli.importing.formats import AUTO, Format, convert
from project_smtp_cli.importing.imported import Imported, NotImportable, masked
from project_smtp_cli.screen import Screen


def run(arguments: argparse.Namespace, context: Context) -> Result:
    """Show the entries of a file, validate them, and store them if every check passes."""
    if arguments.file == "-" and arguments.password_stdin:
        msg = "Standard input can be the file or the password, not both."
        raise UsageError(msg)
    given = None if arguments.format == AUTO else Format(arguments.format)
    try:
        format_, imported = convert(context.read_text(arguments.file), given)
    except NotImportable as failed:
        raise UsageError(str(failed)) from None
    _complete(imported, arguments, context)
    api = context.api(arguments)
    _demand_room(api, arguments, context)
    validated = api.post("email-config/validate", {"entries": imported.entries}).document
    validation = Validation.model_validate(validated)
    is_valid = exit_of(validation) is Exit.OK
    entries = masked(imported.entries)
    document: dict[str, object] = {
        "format": format_.value,
        "project": api.project_id,
        "entries": entries,
        "notes": [{"place": note.place, "detail": note.detail} for note in imported.notes],
        "valid": validated.get("valid"),
        "checks": validated.get("checks"),
        "warnings": validated.get("warnings"),
        "dry_run": arguments.dry_run,
        "stored": False,
        "state": None,
    }
    outcome = "Not stored: this was a dry run. Every check passed." if is_valid else "Not stored: a check failed."
    if is_valid and not arguments.dry_run:
        stored = api.put("email-config", {"entries": imported.entries}).document
        document |= {"stored": True, "state": stored.get("state")}
        state = Configuration.model_validate(stored).state
        outcome = f"Stored for {api.project_id}: the configuration is {state}."

    def show(screen: Screen) -> None:
        show_entries(screen, entries)
        screen.table(("in the file", "note"), [(note.place, note.detail) for note in imported.notes])
        show_checks(screen, validation.checks)
        screen.problems(validation.warnings, "warning about")
        screen.line(outcome)

    return Result(Exit.OK if is_valid else Exit.CHECK_FAILED, document, show)


def _complete(imported: Imported, arguments: argparse.Namespace, context: Context) -> None:
    """Add the sender and the password of the command line."""
    sender: str | None = arguments.sender
    if sender is not None:
        imported.entries["smtpFromAddress"] = sender
    password = context.password(arguments)
    if password is None:
        return
    if "smtpHost" not in imported.entries and "smtpService" not in imported.entries:
        msg = "The file names no relay, so give no password."
        raise UsageError(msg)
    imported.entries["smtpPassword"] = password
    if imported.entries.get("smtpAuth") == "none":
        del imported.entries["smtpAuth"]


def _demand_room(api: Api, arguments: argparse.Namespace, context: Context) -> None:
    """Refuse to overwrite a configuration without --replace; with --dry-run only print a note."""
    if arguments.replace or not Configuration.model_validate(api.get("email-config").document).entries:
        return
    detail = "The project has a configuration already. Give --replace to overwrite it."
    if not arguments.dry_run:
        raise CommandError(detail, Exit.REFUSED, {"code": "configuration-exists", "detail": detail})
    context.screen.note(detail)
