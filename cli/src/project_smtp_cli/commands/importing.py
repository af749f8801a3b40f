"""`import`: another system's configuration file becomes entries, which are examined and only then stored."""

import argparse

from project_smtp_cli.api import Api
from project_smtp_cli.command import Context, Result
from project_smtp_cli.commands.status import entry_text, show_providers
from project_smtp_cli.commands.validate import exit_of, show_checks
from project_smtp_cli.exits import CommandError, Exit, UsageError
from project_smtp_cli.importing.formats import AUTO, Format, convert
from project_smtp_cli.importing.imported import PROVIDERS, Imported, NotImportable, masked
from project_smtp_cli.screen import Screen
from project_smtp_cli.values import Document, find, items, text


def run(arguments: argparse.Namespace, context: Context) -> Result:
    """Show what a file comes to, examine it, and store it where every check passes."""
    if arguments.file == "-" and arguments.password_stdin:
        msg = "Standard input is either the file or the password."
        raise UsageError(msg)
    given = None if arguments.format == AUTO else Format(arguments.format)
    try:
        format_, imported = convert(context.read_text(arguments.file), given)
    except NotImportable as failed:
        raise UsageError(str(failed)) from None
    _complete(imported, arguments, context)
    api = context.api(arguments)
    _demand_room(api, arguments, context)
    examination = api.post("email-config/validate", {"entries": imported.entries}).document
    is_well = exit_of(examination) is Exit.OK
    document: dict[str, object] = {
        "format": format_.value,
        "project": api.project_id,
        "entries": masked(imported.entries),
        "notes": [{"place": note.place, "detail": note.detail} for note in imported.notes],
        "valid": find(examination, "valid"),
        "checks": find(examination, "checks"),
        "warnings": find(examination, "warnings"),
        "dry_run": arguments.dry_run,
        "stored": False,
        "state": None,
    }
    if is_well and not arguments.dry_run:
        stored = api.put("email-config", {"entries": imported.entries}).document
        document |= {"stored": True, "state": find(stored, "state")}
    return Result(Exit.OK if is_well else Exit.NOT_WELL, document, lambda screen: _show(screen, document))


def _complete(imported: Imported, arguments: argparse.Namespace, context: Context) -> None:
    """Add what the file does not say, or says no longer."""
    sender: str | None = arguments.sender
    if sender is not None:
        imported.entries["smtpFromAddress"] = sender
    password = context.password(arguments)
    if password is None:
        return
    if "smtpHost" not in imported.entries and "smtpService" not in imported.entries:
        msg = "The file names no relay that the password could be for."
        raise UsageError(msg)
    imported.entries["smtpPassword"] = password
    if imported.entries.get("smtpAuth") == "none":
        del imported.entries["smtpAuth"]


def _demand_room(api: Api, arguments: argparse.Namespace, context: Context) -> None:
    """Refuse to overwrite what somebody has configured unless they say so."""
    if arguments.replace or not find(api.get("email-config").document, "entries"):
        return
    detail = "The project has a configuration already. To put this in its place, say --replace."
    if not arguments.dry_run:
        raise CommandError(detail, Exit.REFUSED, {"code": "configuration-exists", "detail": detail})
    context.screen.note(detail)


def _show(screen: Screen, document: Document) -> None:
    entries = find(document, "entries")
    if isinstance(entries, dict):
        screen.table(
            ("entry", "value"), [(name, entry_text(value)) for name, value in entries.items() if name != PROVIDERS]
        )
        show_providers(screen, entries)
    screen.table(
        ("in the file", "note"), [(text(note, "place"), text(note, "detail")) for note in items(document, "notes")]
    )
    show_checks(screen, document)
    screen.problems(items(document, "warnings"), "warning about")
    screen.line(_outcome(document))


def _outcome(document: Document) -> str:
    if document["stored"]:
        return f"Stored for {text(document, 'project')}: the configuration is {text(document, 'state')}."
    if find(document, "valid") is False:
        return "Not stored: it is not well."
    return "Not stored: this was a dry run, and everything that was checked is well."
