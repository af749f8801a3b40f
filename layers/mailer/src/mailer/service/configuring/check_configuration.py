"""Validate a configuration: run the checks as far as RCPT, and name the failed check and its remedy.

Nothing is sent. The checks run in order, and all checks after the first failure are skipped. Each provider has its own
checks: a failure of one provider does not affect the checks of the others.
"""

from collections.abc import Iterator, Mapping
from copy import replace
from typing import assert_never

from mailer.diagnosis.relay import diagnose_provider
from mailer.ports import ConfigurationPorts
from mailer.problem import Problem
from mailer.project import ProjectId
from mailer.relay.provider import ENTRIES_PROVIDER, ApiAccount, Provider
from mailer.relay.relay import NoAuth, Relay, TlsMode
from mailer.secret.configuration import ProjectConfiguration
from mailer.secret.parser import Activates, ActivatesNothing, Malformed, ParsedSecret, parse_entries
from mailer.secret.resolution import (
    ConfigurationInvalid,
    ConfigurationUnavailable,
    SecretUnusable,
    ServerReason,
    UseProjectRelay,
    UseServer,
)
from mailer.service.configuring.log_in_quota import counting_changes
from mailer.service.configuring.validation_report import Check, CheckName, CheckStatus, ValidationReport
from mailer.service.read_configuration import read_configuration
from mailer.smtp.outcome import Cause, Failure, Phase, ProbePassed


def check_stored_configuration(
    project_id: ProjectId, *, ports: ConfigurationPorts, deadline: float
) -> ValidationReport:
    """Validate the stored secret."""
    configured = read_configuration(
        project_id,
        settings=ports.settings,
        secrets=ports.secrets,
        ledger=ports.ledger,
        deadline=deadline,
        refresh=True,
    )
    readable = Check(CheckName.SECRET_READABLE, CheckStatus.PASSED)
    match configured.resolution:
        case UseServer(ServerReason.DISABLED_BY_OPERATOR):
            return _disabled()
        case UseServer(_, warnings, version_id):
            reason = "The secret names no relay (no `smtpHost`), so the project sends by the server transport."
            if version_id is None:
                name = f"{ports.settings.project_secret_prefix}{project_id}"
                reason = f"There is no secret named {name}, so the project sends by the server transport."
                readable = Check(CheckName.SECRET_READABLE, CheckStatus.PASSED, reason)
            return ValidationReport((readable, *_skipped(CheckName.ENTRIES_VALID, reason)), warnings, version_id)
        case UseProjectRelay(configuration, version_id, warnings):
            checks = (readable, _passed(CheckName.ENTRIES_VALID), *_probe_chain(configuration, ports, deadline))
            return ValidationReport(checks, warnings, version_id, has_transport=True)
        case ConfigurationInvalid(problems, version_id, is_only_off):
            if isinstance(configured.answer, SecretUnusable):
                return ValidationReport(_failed_first(CheckName.SECRET_READABLE, problems), version_id=version_id)
            return ValidationReport(
                (readable, *_failed_first(CheckName.ENTRIES_VALID, problems)),
                version_id=version_id,
                has_transport=not is_only_off,
            )
        case ConfigurationUnavailable(unavailability):
            check = Check(
                CheckName.SECRET_READABLE,
                CheckStatus.FAILED,
                f"The secret store did not answer ({unavailability.value}).",
                "Try again. If the problem stays, ask the operator.",
            )
            return ValidationReport((check, *_skipped(CheckName.ENTRIES_VALID, _AFTER_FAILURE)))
        case unreachable:
            assert_never(unreachable)


def check_entries(
    project_id: ProjectId, entries: Mapping[str, object], *, ports: ConfigurationPorts, deadline: float
) -> ValidationReport:
    """Validate entries that are not stored. The stored secret is not read.

    Raises `LimitReached` and `LedgerUnavailable`.
    """
    if not ports.settings.allow_project_smtp:
        return _disabled()
    parsed = parse_entries(entries, ports.settings.relay_policy)
    return check_parsed(parsed, ports=counting_changes(project_id, ports), deadline=deadline)


def check_parsed(
    parsed: ParsedSecret, *, ports: ConfigurationPorts, deadline: float, only: str | None = None
) -> ValidationReport:
    """Validate parsed entries. If `only` is given, only the provider with this id is probed."""
    unread = Check(CheckName.SECRET_READABLE, CheckStatus.SKIPPED, "The entries came with the request.")
    match parsed:
        case Activates(configuration, warnings):
            checks = (unread, _passed(CheckName.ENTRIES_VALID), *_probe_chain(configuration, ports, deadline, only))
            return ValidationReport(checks, warnings)
        case ActivatesNothing(warnings):
            reason = "The entries name no relay (no `smtpHost`): the project would send by the server transport."
            return ValidationReport((unread, *_skipped(CheckName.ENTRIES_VALID, reason)), warnings)
        case Malformed(problems):
            return ValidationReport((unread, *_failed_first(CheckName.ENTRIES_VALID, problems)))
        case unreachable:
            assert_never(unreachable)


_AFTER_FAILURE = "An earlier check failed."
_ABOUT_TLS = (CheckName.TLS, CheckName.CERTIFICATE)
_IN_CLEAR = "The relay offers no STARTTLS, and `smtpRequireTls` is false: mail goes in clear."
_MAY_BE_IN_CLEAR = "`smtpRequireTls` is false: TLS is used where the relay offers it."


def _passed(name: CheckName) -> Check:
    return Check(name, CheckStatus.PASSED)


def _following(name: CheckName) -> list[CheckName]:
    names = list(CheckName)
    return names[names.index(name) :]


def _skipped(first: CheckName, reason: str) -> Iterator[Check]:
    for name in _following(first):
        yield Check(name, CheckStatus.SKIPPED, reason)


def _failed_first(name: CheckName, problems: tuple[Problem, ...]) -> tuple[Check, ...]:
    entry = problems[0].entry if len(problems) == 1 else None
    failed = Check(
        name,
        CheckStatus.FAILED,
        "The secret cannot be used." if name is CheckName.SECRET_READABLE else "Entries are missing or invalid.",
        " ".join(problem.detail for problem in problems) if len(problems) == 1 else "Correct each entry in `problems`.",
        entry,
        problems,
    )
    return (failed, *list(_skipped(name, _AFTER_FAILURE))[1:])


def _disabled() -> ValidationReport:
    reason = "The operator has switched project relays off: every project sends by the server transport."
    return ValidationReport(tuple(_skipped(CheckName.SECRET_READABLE, reason)))


def _probe_chain(
    configuration: ProjectConfiguration, ports: ConfigurationPorts, deadline: float, only: str | None = None
) -> Iterator[Check]:
    chain = configuration.chain
    has_only_entries_provider = [provider.id for provider in chain] == [ENTRIES_PROVIDER]
    asked = [provider for provider in chain if only is None or provider.id == only]
    for position, provider in enumerate(asked):
        until = deadline
        if others := len(asked) - position - 1:
            # A provider that does not answer must leave time for the others.
            now = ports.clock()
            until = now + (deadline - now) / (others + 1)
        for check in _probe(provider, configuration, ports, until):
            yield check if has_only_entries_provider else replace(check, provider=provider.id)


def _probe(
    provider: Provider, configuration: ProjectConfiguration, ports: ConfigurationPorts, deadline: float
) -> Iterator[Check]:
    match provider.config:
        case Relay() as relay:
            own = configuration.senders.default.address
            sender = configuration.return_path or own
            probed = ports.probe.probe(relay, envelope_sender=str(sender), recipient=str(own), deadline=deadline)
            skipped = _skipped_of_relay(relay, probed)
        case ApiAccount() as account:
            probed = ports.api.probe(account, deadline=deadline)
            skipped = {CheckName.SENDER_ACCEPTED: "The provider checks the sender only with a message."}
        case unreachable:
            assert_never(unreachable)
    failure = probed if isinstance(probed, Failure) else None
    failed_at = _check_of(failure) if failure is not None else None
    for name in _following(CheckName.HOST_RESOLVES):
        if failure is not None and name is failed_at:
            diagnosis = diagnose_provider(failure, provider, has_return_path=configuration.return_path is not None)
            yield Check(name, CheckStatus.FAILED, diagnosis.reason, diagnosis.remedy, diagnosis.entry, failure=failure)
            break
        yield Check(name, CheckStatus.SKIPPED, skipped[name]) if name in skipped else _passed(name)
    if failed_at is not None:
        for name in _following(failed_at)[1:]:
            yield Check(name, CheckStatus.SKIPPED, _AFTER_FAILURE)


def _skipped_of_relay(relay: Relay, probed: Failure | ProbePassed) -> dict[CheckName, str]:
    skipped = {}
    if isinstance(relay.auth, NoAuth):
        skipped[CheckName.AUTHENTICATES] = "`smtpAuth` is none: the service does not log in."
    if relay.tls is TlsMode.STARTTLS_IF_OFFERED and not (isinstance(probed, ProbePassed) and probed.is_protected):
        skipped |= dict.fromkeys(_ABOUT_TLS, _MAY_BE_IN_CLEAR if isinstance(probed, Failure) else _IN_CLEAR)
    return skipped


def _check_of(failure: Failure) -> CheckName:
    match failure.phase:
        case Phase.RESOLVE:
            return CheckName.HOST_ALLOWED if failure.cause is Cause.HOST_BLOCKED else CheckName.HOST_RESOLVES
        case Phase.CONNECT | Phase.GREETING | Phase.EHLO:
            return CheckName.CONNECTS
        case Phase.STARTTLS | Phase.TLS:
            return CheckName.CERTIFICATE if failure.cause.value.startswith("certificate-") else CheckName.TLS
        case Phase.AUTH:
            return CheckName.AUTHENTICATES
        case Phase.MAIL | Phase.RCPT | Phase.DATA | Phase.CONTENT | Phase.FINAL:
            return CheckName.SENDER_ACCEPTED
        case unreachable:
            assert_never(unreachable)
