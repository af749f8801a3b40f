"""`status`: what projects' configurations are like, and what waits because of them."""

import argparse

from project_smtp_cli.access import find_aws, find_project, vetted_project
from project_smtp_cli.api import Api
from project_smtp_cli.command import Context, Result
from project_smtp_cli.exits import Exit, Refusal, UsageError
from project_smtp_cli.importing.imported import PROVIDERS
from project_smtp_cli.screen import Screen
from project_smtp_cli.values import Document, find, items, minute, text, when

_NOT_WELL = ("invalid", "unavailable")


def run(arguments: argparse.Namespace, context: Context) -> Result:
    """Show one project in full, several as a table."""
    service = context.service(arguments)
    if arguments.all:
        if arguments.project:
            msg = "Give --project or --all, not both."
            raise UsageError(msg)
        project_ids = _every_project(arguments, context)
    else:
        given: list[str] = arguments.project or [find_project(None, service, context.environment)]
        project_ids = list(dict.fromkeys(map(vetted_project, given)))
    states: list[Document] = []
    with context.screen.progress("Projects", len(project_ids)) as advance:
        for project_id in project_ids:
            states.append(_state(Api(service, project_id), is_alone=len(project_ids) == 1))
            advance()
    is_well = not any(text(state, "state") in _NOT_WELL or find(state, "error") is not None for state in states)
    return Result(
        Exit.OK if is_well else Exit.NOT_WELL,
        {"projects": states},
        lambda screen: _show_one(screen, states[0]) if len(states) == 1 else _show_many(screen, states),
    )


def _every_project(arguments: argparse.Namespace, context: Context) -> list[str]:
    from project_smtp_cli.aws import list_projects  # noqa: PLC0415 -- boto3 is there for operators alone

    aws = find_aws(arguments.stack_name, arguments.secret_prefix, arguments.url, context.environment)
    return list_projects(aws)


def _state(api: Api, *, is_alone: bool) -> Document:
    try:
        return {"project": api.project_id, **api.get("email-config").document}
    except Refusal as refused:
        # Among many, one that cannot be seen hides none of the others.
        if is_alone:
            raise
        return {"project": api.project_id, "state": None, "error": dict(refused.document)}


def _show_one(screen: Screen, state: Document) -> None:
    screen.fields(
        (
            ("project", text(state, "project")),
            ("state", text(state, "state")),
            ("held", text(state, "held") or "not known now"),
            ("version", text(state, "version_id")),
            ("examined", when(state, "checked_at") or "never"),
        )
    )
    entries = find(state, "entries")
    if isinstance(entries, dict):
        rows = [(name, entry_text(value)) for name, value in entries.items() if name != PROVIDERS]
        screen.table(("entry", "value"), rows)
        show_providers(screen, entries)
    screen.problems(items(state, "problems"), "problem with")
    screen.problems(items(state, "warnings"), "warning about")


def _show_many(screen: Screen, states: list[Document]) -> None:
    screen.table(
        ("project", "state", "held", "examined (UTC)", "problems", "warnings"),
        [
            (
                text(state, "project"),
                text(state, "state") or text(state, "error", "detail") or "refused",
                text(state, "held"),
                minute(state, "checked_at") or "never",
                ", ".join(sorted({text(problem, "entry") or text(problem, "code") for problem in _problems(state)})),
                str(len(items(state, "warnings")) or ""),
            )
            for state in states
        ],
    )
    if not states:
        screen.line("No project has a secret.")


def _problems(state: Document) -> list[Document]:
    return items(state, "problems")


def entry_text(value: object) -> str:
    """Return an entry as a person is shown it; a secret one only as being there."""
    return "(set, not shown)" if value == {"set": True} else text(value)


def show_providers(screen: Screen, entries: Document) -> None:
    """Print the list of providers, as far as it is shown."""
    providers = items(entries, PROVIDERS)
    if not providers and PROVIDERS in entries:
        screen.fields([(PROVIDERS, entry_text(entries[PROVIDERS]))])
    screen.table(
        ("provider", "kind", "name", "enabled", "priority", "where"),
        [
            (
                *(text(provider, name) for name in ("id", "provider", "name", "enabled", "priority")),
                _where(find(provider, "config")),
            )
            for provider in providers
        ],
    )


def _where(config: object) -> str:
    host = ":".join(filter(None, (text(config, "host"), text(config, "port"))))
    return ", ".join(filter(None, (host, *(text(config, name) for name in ("domain", "region", "baseUrl")))))
