"""A validation has nine checks in order; the first failed check names its entry and a remedy."""

import pytest
from mailer.problem import Problem
from mailer.secret.resolution import SecretAbsent, SecretAnswer, SecretUnavailable, SecretUnusable, Unavailability
from mailer.service.configuring.check_configuration import check_entries, check_stored_configuration
from mailer.service.configuring.validation_report import CheckName, CheckStatus, ValidationReport
from mailer.smtp.outcome import Cause, Failure, Phase
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.support.ports import configuration_ports
from tests.support.projects import ACME, VALID_ENTRIES, entries, settings

OWN_ADDRESS = "hello@acme.example"


def validate(answer: SecretAnswer, *, failure: Failure | None = None, **environment: str) -> ValidationReport:
    ports = configuration_ports(
        chosen=settings(**environment), secrets=fakes.FakeSecretStore({ACME: answer}), probe=fakes.FakeProbe(failure)
    )
    return check_stored_configuration(ACME, ports=ports, deadline=24.0)


def statuses(report: ValidationReport) -> dict[str, str]:
    return {check.name.value: check.status.value for check in report.checks}


def test_a_relay_that_accepts_the_sender_passes_every_check() -> None:
    report = validate(fakes.secret(entries()))

    assert statuses(report) == dict.fromkeys((name.value for name in CheckName), "passed")
    assert report.is_valid


@pytest.mark.parametrize(
    ("failure", "failed"),
    [
        (Failure(Phase.RESOLVE, Cause.NAME_NOT_FOUND), CheckName.HOST_RESOLVES),
        (Failure(Phase.RESOLVE, Cause.HOST_BLOCKED), CheckName.HOST_ALLOWED),
        (Failure(Phase.CONNECT, Cause.TIMEOUT), CheckName.CONNECTS),
        (Failure(Phase.GREETING, Cause.REPLY, make_reply(554, "go away")), CheckName.CONNECTS),
        (Failure(Phase.STARTTLS, Cause.STARTTLS_NOT_OFFERED), CheckName.TLS),
        (Failure(Phase.TLS, Cause.TLS_MISMATCH), CheckName.TLS),
        (Failure(Phase.TLS, Cause.CERTIFICATE_EXPIRED), CheckName.CERTIFICATE),
        (Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no")), CheckName.AUTHENTICATES),
        (Failure(Phase.MAIL, Cause.REPLY, make_reply(550, "5.7.1 no")), CheckName.SENDER_ACCEPTED),
        (Failure(Phase.RCPT, Cause.REPLY, make_reply(554, "5.7.1 Relay access denied")), CheckName.SENDER_ACCEPTED),
    ],
)
def test_checks_before_the_failure_pass_and_checks_after_it_are_skipped(failure: Failure, failed: CheckName) -> None:
    report = validate(fakes.secret(entries()), failure=failure)

    names = list(CheckName)
    at = names.index(failed)
    assert [check.status for check in report.checks] == [
        *[CheckStatus.PASSED] * at,
        CheckStatus.FAILED,
        *[CheckStatus.SKIPPED] * (len(names) - at - 1),
    ]
    check = report.checks[at]
    assert check.reason
    assert check.remedy
    assert not report.is_valid


def test_every_invalid_entry_is_named_before_any_connection() -> None:
    probe = fakes.FakeProbe()
    answer = fakes.secret(entries(smtpPort="mail", smtpPassword=None))
    ports = configuration_ports(secrets=fakes.FakeSecretStore({ACME: answer}), probe=probe)

    report = check_stored_configuration(ACME, ports=ports, deadline=24.0)

    failed = report.checks[1]
    assert (failed.name, failed.status) == (CheckName.ENTRIES_VALID, CheckStatus.FAILED)
    assert [problem.entry for problem in failed.problems] == ["smtpPassword", "smtpPort"]
    assert probe.probes == []


def test_an_unreadable_secret_fails_the_first_check() -> None:
    for answer in (
        SecretUnavailable(Unavailability.THROTTLED),
        SecretUnusable(Problem("secret-binary", "Store text.", entry=None)),
    ):
        report = validate(answer)

        assert report.checks[0].status is CheckStatus.FAILED
        assert {check.status for check in report.checks[1:]} == {CheckStatus.SKIPPED}


@pytest.mark.parametrize("answer", [SecretAbsent(), fakes.secret('{"other": "entry"}')])
def test_a_project_without_a_relay_has_no_checks(answer: SecretAnswer) -> None:
    report = validate(answer)

    assert [check.status for check in report.checks] == [CheckStatus.PASSED, *[CheckStatus.SKIPPED] * 8]
    assert report.is_valid is None


def test_a_missing_secret_is_named() -> None:
    assert "project-smtp/acme" in str(validate(SecretAbsent()).checks[0].reason)


@pytest.mark.parametrize(("is_protected", "status"), [(True, "passed"), (False, "skipped")])
def test_a_relay_without_tls_fails_the_tls_check(*, is_protected: bool, status: str) -> None:
    answer = fakes.secret(entries(smtpAuth="none", smtpUsername=None, smtpPassword=None, smtpRequireTls="false"))
    secrets = fakes.FakeSecretStore({ACME: answer})
    ports = configuration_ports(secrets=secrets, probe=fakes.FakeProbe(is_protected=is_protected))

    shown = statuses(check_stored_configuration(ACME, ports=ports, deadline=24.0))

    assert (shown["tls"], shown["certificate"], shown["sender-accepted"]) == (status, status, "passed")


def test_a_disabled_project_relay_is_neither_read_nor_connected_to() -> None:
    probe, secrets = fakes.FakeProbe(), fakes.FakeSecretStore({ACME: fakes.secret(entries())})
    ports = configuration_ports(chosen=settings(ALLOW_PROJECT_SMTP="false"), secrets=secrets, probe=probe)

    for report in (
        check_stored_configuration(ACME, ports=ports, deadline=24.0),
        check_entries(ACME, VALID_ENTRIES, ports=ports, deadline=24.0),
    ):
        assert {check.status for check in report.checks} == {CheckStatus.SKIPPED}
    assert (secrets.reads, probe.probes) == ([], [])


def test_SH16_given_entries_are_validated_without_the_stored_password() -> None:
    probe, secrets = fakes.FakeProbe(), fakes.FakeSecretStore({ACME: fakes.secret(entries())})
    ports = configuration_ports(secrets=secrets, probe=probe)
    given = {name: value for name, value in VALID_ENTRIES.items() if name != "smtpPassword"}

    report = check_entries(ACME, given, ports=ports, deadline=24.0)

    assert [problem.entry for problem in report.checks[1].problems] == ["smtpPassword"]
    assert (secrets.reads, probe.probes) == ([], [])


def test_the_probe_uses_the_senders_return_path() -> None:
    probe = fakes.FakeProbe()
    answer = fakes.secret(entries(smtpReturnPath="bounces@acme.example"))
    ports = configuration_ports(secrets=fakes.FakeSecretStore({ACME: answer}), probe=probe)

    check_stored_configuration(ACME, ports=ports, deadline=24.0)

    assert [(asked.envelope_sender, asked.recipient) for asked in probe.probes] == [
        ("bounces@acme.example", OWN_ADDRESS)
    ]


def test_a_probe_addresses_the_projects_own_from_address() -> None:
    probe = fakes.FakeProbe()
    ports = configuration_ports(secrets=fakes.FakeSecretStore({ACME: fakes.secret(entries())}), probe=probe)

    check_stored_configuration(ACME, ports=ports, deadline=24.0)

    assert [(asked.envelope_sender, asked.recipient) for asked in probe.probes] == [(OWN_ADDRESS, OWN_ADDRESS)]


def test_a_refused_return_path_is_named() -> None:
    refused = Failure(Phase.RCPT, Cause.REPLY, make_reply(553, "5.7.1 Sender address rejected: not owned by user"))

    report = validate(fakes.secret(entries(smtpReturnPath="bounces@acme.example")), failure=refused)

    (failed,) = (check for check in report.checks if check.status is CheckStatus.FAILED)
    assert (failed.name, failed.entry) == (CheckName.SENDER_ACCEPTED, "smtpReturnPath")
