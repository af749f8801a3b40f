"""Change a project's secret over the API: an entry becomes current only after the relay has accepted it.

A change is validated before it is stored, so the health is recorded with it, and held messages are released without
waiting for the change's own event.
"""

from collections.abc import Mapping
from copy import replace
from typing import assert_never

import msgspec

from mailer.errors import (
    ConfigurationChanged,
    MailerError,
    ProjectSmtpDisabled,
    ProjectSmtpInvalid,
    RelayDeferred,
    RelayMisconfigured,
    RelayUnreachable,
    SecretsUnavailable,
)
from mailer.ledger.health import Health
from mailer.ledger.held import HeldChoice
from mailer.ports import ConfigurationPorts, SecretChanged
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.relay.secret_str import SecretStr
from mailer.secret.edit import edit_entries, without_mail_entries
from mailer.secret.parser import Activates, ActivatesNothing, ParsedSecret, parse_secret, parse_switched_on
from mailer.secret.resolution import (
    SecretAbsent,
    SecretNotRead,
    SecretPresent,
    SecretUnavailable,
    SecretUnusable,
    resolve,
)
from mailer.secret.view import describe_entries
from mailer.service.configuring.check_configuration import check_parsed
from mailer.service.configuring.choose_held import choice_not_recorded, choose_for_removed
from mailer.service.configuring.epochs import announce_change, report_change, withdraw_change
from mailer.service.configuring.log_in_quota import counting_changes
from mailer.service.configuring.show_configuration import (
    NO_ATTEMPTS,
    ConfigurationState,
    ConfigurationView,
    count_held,
    show_configuration,
    view_of,
)
from mailer.service.configuring.validate_project import assess_health, failure_problem, try_to_record_health
from mailer.service.configuring.validation_report import Check, CheckStatus, ValidationReport
from mailer.service.read_configuration import read_now
from mailer.smtp.outcome import Rejected, RelayError
from mailer.smtp.verdict import judge_probe

# Reserved for storing the secret after the probe.
_STORE_SECONDS = 6.0
_NO_VALUE = "secret-without-value"
_PERHAPS_STORED = (
    "The secret store did not confirm the change, so it may be stored. Read the configuration. If it does not show the "
    "change, try again."
)
_CHOOSE_AGAIN = "Otherwise waiting messages stay held: give the choice with POST email-config/held."
# No provider has this id, so none is probed.
NO_PROBE = ""


class Refused(msgspec.Struct, frozen=True):
    """The error and the checks of a change that was not stored."""

    error: MailerError
    report: ValidationReport


def replace_configuration(
    project_id: ProjectId, entries: Mapping[str, object], *, ports: ConfigurationPorts, deadline: float
) -> ConfigurationView | Refused:
    """Replace the project's mail entries, if every check passes.

    Entries that switch mail off, or configure no transport, are stored without a probe. Raises `ProjectSmtpDisabled`,
    `SecretsUnavailable`, `LedgerUnavailable`, `LimitReached` and `ConfigurationChanged`; and `ProjectSmtpInvalid` if
    the secret is scheduled for deletion.
    """
    stored = read_stored(project_id, ports, deadline)
    edited = edit_entries(stored.text if stored is not None else None, entries, ports.settings.relay_policy)
    # To switch mail off, an admin does not need a relay that answers.
    report = verify(project_id, edited.parsed, ports, deadline, only=None if edited.is_switched_on else NO_PROBE)
    if isinstance(report, Refused):
        return report
    version_id = promote(project_id, edited.text, stored, ports, forgets=False)
    if not (edited.is_switched_on and report.is_valid):
        return settle(project_id, SecretPresent(edited.text, version_id), ports)
    now = ports.timestamp()
    health = assess_health(replace(report, version_id=version_id), now=now)
    follow_up(project_id, health, ports)
    return ConfigurationView(
        ConfigurationState.VERIFIED,
        version_id,
        describe_entries(edited.text.reveal()) or {},
        warnings=report.warnings,
        checked_at=now,
        held=count_held(project_id, ports.ledger),
        recent=NO_ATTEMPTS,
    )


def remove_configuration(
    project_id: ProjectId, *, held: HeldChoice = HeldChoice.KEEP, ports: ConfigurationPorts, deadline: float
) -> ConfigurationView:
    """Remove the mail entries from the secret, so that the project sends by the server transport.

    `held` decides about messages that wait for the project's own transport. Mail that is switched off stays off. The
    version with the credentials is not kept as the previous version. Raises the errors of `replace_configuration`.
    """
    answer = _stored_answer(project_id, ports, deadline)
    if isinstance(answer, SecretAbsent):
        choose_for_removed(project_id, held, ports)
        return show_configuration(
            project_id,
            settings=ports.settings,
            secrets=ports.secrets,
            ledger=ports.ledger,
            deadline=deadline,
        )
    stored = answer if isinstance(answer, SecretPresent) else None
    remaining = without_mail_entries(stored.text) if stored is not None else SecretStr("{}")
    if isinstance(remaining, Problem):
        detail = (
            "The stored secret cannot be read, so nothing was removed. Correct it in the AWS console, or delete it."
        )
        raise ProjectSmtpInvalid((remaining,), detail=detail)
    version_id = promote(project_id, remaining, stored, ports, forgets=True, choice=held)
    return settle(project_id, SecretPresent(remaining, version_id), ports)


def settle(project_id: ProjectId, stored: SecretPresent, ports: ConfigurationPorts) -> ConfigurationView:
    """Finish the change to a secret that no probe has verified, and return its view.

    The secret configures no transport, or its mail is switched off.
    """
    policy, now = ports.settings.relay_policy, ports.timestamp()
    report = check_parsed(parse_secret(stored.text.reveal(), policy), ports=ports, deadline=ports.clock())
    follow_up(project_id, assess_health(replace(report, version_id=stored.version_id), now=now), ports)
    return replace(
        view_of(resolve(allow_project_smtp=True, answer=stored, policy=policy)),
        entries=describe_entries(stored.text.reveal()) or {},
        checked_at=now,
        held=count_held(project_id, ports.ledger),
    )


def read_stored(project_id: ProjectId, ports: ConfigurationPorts, deadline: float) -> SecretPresent | None:
    """Read the secret to change; None if it has no value yet. Raises the errors of `replace_configuration`."""
    answer = _stored_answer(project_id, ports, deadline)
    return answer if isinstance(answer, SecretPresent) else None


def _stored_answer(
    project_id: ProjectId, ports: ConfigurationPorts, deadline: float
) -> SecretPresent | SecretAbsent | SecretUnusable:
    if not ports.settings.allow_project_smtp:
        raise ProjectSmtpDisabled
    match read_now(project_id, secrets=ports.secrets, ledger=ports.ledger, deadline=deadline):
        case SecretUnusable(problem) if problem.code != _NO_VALUE:
            raise ProjectSmtpInvalid((problem,))
        case SecretPresent() | SecretAbsent() | SecretUnusable() as answer:
            return answer
        case SecretUnavailable() | SecretNotRead():
            raise SecretsUnavailable(
                "The project's configuration cannot be read at the moment, so nothing was changed. Try again."
            )
        case unreachable:
            assert_never(unreachable)


def verify(
    project_id: ProjectId, parsed: ParsedSecret, ports: ConfigurationPorts, deadline: float, *, only: str | None = None
) -> ValidationReport | Refused:
    """Validate entries before they are stored. If `only` is given, only the provider with this id is probed.

    Raises `LimitReached` and `LedgerUnavailable`.
    """
    counted = counting_changes(project_id, ports)
    report = check_parsed(parsed, ports=counted, deadline=deadline - _STORE_SECONDS, only=only)
    return report if report.is_valid is not False else Refused(_refusal(report), report)


def promote(
    project_id: ProjectId,
    text: SecretStr,
    stored: SecretPresent | None,
    ports: ConfigurationPorts,
    *,
    forgets: bool,
    choice: HeldChoice | None = None,
) -> str:
    """Make the text the current version, for all functions at once.

    `choice` is about waiting messages. It is recorded with the change: no other choice applies in between. Raises
    `ConfigurationChanged` if the secret changed after it was read; `LedgerUnavailable`, if the change cannot be
    announced or the choice cannot be recorded; and `SecretsUnavailable`.
    """
    replaces = stored.version_id if stored is not None else None
    configures = isinstance(_parsed(text, ports), Activates)
    choice = _choice_of(project_id, choice, stored, ports, configures=configures)
    number = announce_change(project_id, ports, removes=choice is not None and not configures)
    try:
        version_id = ports.writer.promote(project_id, text, replaces=replaces, forgets=forgets)
    except SecretChanged:
        withdraw_change(project_id, number, ports)
        raise ConfigurationChanged from None
    except ProjectSmtpInvalid:
        withdraw_change(project_id, number, ports)
        raise
    except SecretsUnavailable:
        raise SecretsUnavailable(_PERHAPS_STORED if choice is None else f"{_PERHAPS_STORED} {_CHOOSE_AGAIN}") from None
    is_recorded = report_change(
        project_id, number, ports, version_id=version_id, replaced=replaces, configures=configures, choice=choice
    )
    if not is_recorded and choice in (HeldChoice.SEND, HeldChoice.CANCEL):
        raise choice_not_recorded()
    return version_id


def _choice_of(
    project_id: ProjectId,
    given: HeldChoice | None,
    stored: SecretPresent | None,
    ports: ConfigurationPorts,
    *,
    configures: bool,
) -> HeldChoice | None:
    """Return the choice to record with a change: `KEEP` for a removed transport, unless the admin gave another one.

    If nothing is removed, `KEEP` only replaces an earlier choice.
    """
    had_transport = stored is not None and not isinstance(_parsed(stored.text, ports), ActivatesNothing)
    if had_transport and not configures:
        return given or HeldChoice.KEEP
    if given is HeldChoice.KEEP and (configures or ports.ledger.epoch(project_id).held is None):
        return None
    return None if configures and given is HeldChoice.SEND else given


def _parsed(text: SecretStr, ports: ConfigurationPorts) -> ParsedSecret:
    return parse_switched_on(text.reveal(), ports.settings.relay_policy)[0]


def follow_up(project_id: ProjectId, health: Health, ports: ConfigurationPorts) -> None:
    """Record the health and request the release of held messages; a failure does not undo the change."""
    try_to_record_health(project_id, health, ports)
    ports.validations.send([project_id])


def _refusal(report: ValidationReport) -> MailerError:
    """Return the error of the first failed check."""
    failed = next(check for check in report.checks if check.status is CheckStatus.FAILED)
    if failed.failure is None:
        return _invalid(failed, *failed.problems)
    failure, problem = failed.failure, failure_problem(failed, failed.failure)
    match judge_probe(failure):
        case RelayError(fault):
            return RelayMisconfigured(fault, failure, failed.reason or problem.detail, problems=(problem,))
        case Rejected():
            return _invalid(failed, problem)
        case _ if failure.is_unreachable:
            return RelayUnreachable(failure, problem.detail, problems=(problem,))
        case _:
            return RelayDeferred(failure, problem.detail)


def _invalid(failed: Check, *problems: Problem) -> ProjectSmtpInvalid:
    detail = "The entries cannot be used, so nothing was stored. Correct those named in `problems`."
    return ProjectSmtpInvalid(problems, detail=detail, failure=failed.failure)
