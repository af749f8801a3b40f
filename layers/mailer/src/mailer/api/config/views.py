"""A project's configuration, its validation and its changes as HTTP callers see them."""

from copy import replace

import msgspec

from mailer.api.emails.history import time_view
from mailer.api.exchange import Answer, answer_error
from mailer.api.problems import problem_document, problem_view
from mailer.api.verdicts import smtp_view
from mailer.service.configuring.change_configuration import Refused
from mailer.service.configuring.check_configuration import Check, ValidationReport
from mailer.service.configuring.show_configuration import ConfigurationView


def configuration_view(view: ConfigurationView) -> dict[str, object]:
    """Show a project's configuration."""
    return {
        "state": view.state.value,
        "version_id": view.version_id,
        "checked_at": time_view(view.checked_at) if view.checked_at is not None else None,
        "held": view.held,
        "entries": dict(view.entries),
        "problems": [problem_view(problem) for problem in view.problems],
        "warnings": [problem_view(warning) for warning in view.warnings],
    }


def examination_view(report: ValidationReport) -> dict[str, object]:
    """Show the checks in their order."""
    return {
        "valid": report.is_valid,
        "version_id": report.version_id,
        "checks": [_check_view(check) for check in report.checks],
        "warnings": [problem_view(warning) for warning in report.warnings],
    }


def answer_refused(refused: Refused, *, instance: str) -> Answer:
    """Answer a change that was not made with its problem, as sending would, and with the checks."""
    document = problem_document(refused.error, instance=instance)
    document["checks"] = [_check_view(check) for check in refused.report.checks]
    return replace(answer_error(refused.error, instance=instance), body=msgspec.json.encode(document).decode())


def _check_view(check: Check) -> dict[str, object]:
    view: dict[str, object] = {"name": check.name.value, "status": check.status.value}
    if check.provider is not None:
        view["provider"] = check.provider
    for key, value in (("reason", check.reason), ("remedy", check.remedy), ("entry", check.entry)):
        if value is not None:
            view[key] = value
    if check.problems:
        view["problems"] = [problem_view(problem) for problem in check.problems]
    if check.failure is not None:
        view["smtp"] = smtp_view(check.failure)
    return view
