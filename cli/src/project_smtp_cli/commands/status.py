"""`status`: configurations of projects, and their held messages."""

import argparse

from project_smtp_cli.access import find_aws, find_project, vetted_project
from project_smtp_cli.answers import Configuration, Providers
from project_smtp_cli.api import Api
from project_smtp_cli.command import Context, Result
from project_smtp_cli.exits import Exit, Refusal, UsageError
from project_smtp_cli.importing.imported import PROVIDERS
from project_smtp_cli.screen import Screen
from project_smtp_cli.values import Document, shown, to_minute, to_second

_CHECK_FAILED_CODES = ("invalid", "unavailable")


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
    documents: list[Document] = []
    with context.screen.progress("Projects", len(project_ids)) as advance:
        for project_id in project_ids:
            documents.append(_state(Api(service, project_id), is_alone=len(project_ids) == 1))
            advance()
    states = [Configuration.model_validate(document) for document in documents]
    is_well = not any(state.state in _CHECK_FAILED_CODES or state.error is not None for state in states)
    return Result(
        Exit.OK if is_well else Exit.CHECK_FAILED,
        {"projects": documents},
        lambda screen: _show_one(screen, states[0]) if len(states) == 1 else _show_many(screen, states),
    )


def _every_project(arguments: argparse.Namespace, context: Context) -> list[str]:
    from project_smtp_cli.aws import list_projects  # noqa: PLC0415 -- only operators have boto3

    aws = find_aws(arguments.stack_name, arguments.secret_prefix, arguments.url, context.environment)
    return list_projects(aws)


def _state(api: Api, *, is_alone: bool) -> Document:
    try:
        return {"project": api.project_id, **api.get("email-config").document}
    except Refusal as refused:
        # If several projects are shown, an error of one project must not hide the others.
        if is_alone:
            raise
        return {"project": api.project_id, "state": None, "error": dict(refused.document)}


def _show_one(screen: Screen, state: Configuration) -> None:
    screen.fields(
        (
            ("project", state.project),
            ("state", state.state),
            ("held", state.held or "unknown"),
            ("version", state.version_id),
            ("validated", to_second(state.checked_at) or "never"),
            *_recent(state),
        )
    )
    show_entries(screen, state.entries)
    screen.problems(state.problems, "problem with")
    screen.problems(state.warnings, "warning about")


def _recent(state: Configuration) -> tuple[tuple[str, str], ...]:
    """Return what the latest messages met; nothing without a provider."""
    if not state.consecutive_failures:
        return ()
    accepted = ("last accepted", to_second(state.last_success_at) or "never")
    if state.consecutive_failures == "0":
        return (accepted,)
    failures = f"{state.consecutive_failures} since {to_second(state.failing_since)}: {state.last_failure}"
    return accepted, ("failures", failures)


def _show_many(screen: Screen, states: list[Configuration]) -> None:
    screen.table(
        ("project", "state", "held", "validated (UTC)", "problems", "warnings"),
        [
            (
                state.project,
                state.state or (state.error and state.error.detail) or "refused",
                state.held,
                to_minute(state.checked_at) or "never",
                ", ".join(sorted({problem.entry or problem.code for problem in state.problems})),
                str(len(state.warnings) or ""),
            )
            for state in states
        ],
    )
    if not states:
        screen.line("No project has a secret.")


def show_entries(screen: Screen, entries: Document) -> None:
    """Print entries, with the list of providers in a separate table."""
    screen.table(("entry", "value"), [(name, _entry(value)) for name, value in entries.items() if name != PROVIDERS])
    providers = Providers.model_validate(entries).providers
    if not providers and PROVIDERS in entries:
        screen.fields([(PROVIDERS, _entry(entries[PROVIDERS]))])
    screen.table(
        ("provider", "kind", "name", "enabled", "priority", "where"),
        [(each.id, each.provider, each.name, each.enabled, each.priority, str(each.config)) for each in providers],
    )


def _entry(value: object) -> str:
    return "(set, not shown)" if value == {"set": True} else shown(value)
