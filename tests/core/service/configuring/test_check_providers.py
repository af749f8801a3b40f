"""A validation of several providers: each provider has its own checks."""

from dataclasses import dataclass, field

import msgspec
import pytest
from mailer.ledger.health import HealthState
from mailer.relay.provider import ApiAccount
from mailer.secret.provider.ses import SesAccount
from mailer.service.configuring.check_configuration import check_stored_configuration
from mailer.service.configuring.validate_project import assess_health
from mailer.service.configuring.validation_report import Check, CheckName, ValidationReport
from mailer.smtp.outcome import Cause, Failure, Phase, ProbePassed
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.core.provider_texts import SMTP, item, secret
from tests.support.ports import configuration_ports
from tests.support.projects import ACME, VALID_ENTRIES

PER_PROVIDER = [name.value for name in CheckName][2:]
REFUSED = Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "401 Unauthorized"))
UNREACHABLE = Failure(Phase.CONNECT, Cause.TIMEOUT)


class OneRefuses(fakes.FakeApiTransport):
    """The project's SES refuses its key; the other providers accept theirs."""

    def probe(self, account: ApiAccount, *, deadline: float) -> Failure | ProbePassed:
        walk = super().probe(account, deadline=deadline)
        return walk if isinstance(account, SesAccount) else ProbePassed(is_protected=True)


@dataclass
class Deadlines(fakes.FakeApiTransport):
    """A probe that records its deadlines."""

    seen: list[float] = field(default_factory=list)

    def probe(self, account: ApiAccount, *, deadline: float) -> Failure | ProbePassed:
        self.seen.append(deadline)
        return ProbePassed(is_protected=True)


def validate(
    text: str, *, api: fakes.FakeApiTransport | None = None, probe: fakes.FakeProbe | None = None
) -> ValidationReport:
    ports = configuration_ports(secrets=fakes.FakeSecretStore({ACME: fakes.secret(text)}), probe=probe, api=api)
    return check_stored_configuration(ACME, ports=ports, deadline=24.0)


def statuses_of(report: ValidationReport, provider: str) -> dict[str, str]:
    return {check.name.value: check.status.value for check in report.checks if check.provider == provider}


def failed(report: ValidationReport) -> list[Check]:
    return [check for check in report.checks if check.status == "failed"]


def test_each_provider_of_the_chain_is_probed_in_order() -> None:
    report = validate(secret(item("ses", id="b"), item("smtp", id="a"), item(id="off", enabled=False)))

    assert [check.provider for check in report.checks] == [None, None, *["a"] * 7, *["b"] * 7]
    assert [check.name.value for check in report.checks][2:] == [*PER_PROVIDER, *PER_PROVIDER]
    assert report.is_valid


def test_without_other_providers_the_checks_of_the_relay_name_no_provider() -> None:
    report = validate(secret(item(enabled=False), **VALID_ENTRIES))

    assert {check.provider for check in report.checks} == {None}
    assert len(report.checks) == 9


def test_the_relay_of_the_entries_is_called_smtp_if_there_are_other_providers() -> None:
    assert set(statuses_of(validate(secret(item(), **VALID_ENTRIES)), "smtp").values()) == {"passed"}


def test_an_api_does_not_check_the_sender_without_a_message() -> None:
    assert statuses_of(validate(secret(item())), "one") == {
        **dict.fromkeys(PER_PROVIDER, "passed"),
        "sender-accepted": "skipped",
    }


def test_a_failed_provider_does_not_change_the_checks_of_the_others() -> None:
    report = validate(secret(item("ses", id="a"), item(id="b")), api=OneRefuses(failure=REFUSED))

    assert statuses_of(report, "a")["authenticates"] == "failed"
    assert statuses_of(report, "b")["authenticates"] == "passed"
    assert report.is_valid is False


@pytest.mark.parametrize(
    ("kind", "failure", "name", "entry"),
    [
        ("sendgrid", REFUSED, "authenticates", "emailProviders.one.apiKey"),
        ("mailgun", REFUSED, "authenticates", "emailProviders.one.apiKey"),
        ("ses", REFUSED, "authenticates", "emailProviders.one.secretAccessKey"),
        ("sendgrid", UNREACHABLE, "connects", "emailProviders.one.baseUrl"),
        ("ses", Failure(Phase.RESOLVE, Cause.NAME_NOT_FOUND), "host-resolves", "emailProviders.one.region"),
        ("mailgun", Failure(Phase.RESOLVE, Cause.HOST_BLOCKED), "host-allowed", "emailProviders.one.baseUrl"),
        ("mailgun", Failure(Phase.TLS, Cause.CERTIFICATE_UNTRUSTED), "certificate", "emailProviders.one.baseUrl"),
    ],
)
def test_a_failed_check_names_the_provider_s_member(kind: str, failure: Failure, name: str, entry: str) -> None:
    report = validate(secret(item(kind)), api=fakes.FakeApiTransport(failure=failure))

    (check,) = failed(report)
    assert (check.name.value, check.entry, check.provider) == (name, entry, "one")
    assert check.reason
    assert check.remedy


def test_a_relay_s_remedy_names_its_members() -> None:
    failure = Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no"))

    (check,) = failed(validate(secret(item("smtp")), probe=fakes.FakeProbe(failure)))

    assert check.entry == "emailProviders.one.auth.pass"
    assert "smtp" not in f"{check.reason} {check.remedy}"


def test_a_refused_sender_names_the_project_s_entry() -> None:
    failure = Failure(Phase.MAIL, Cause.REPLY, make_reply(550, "5.7.1 no"))

    (check,) = failed(validate(secret(item("smtp", SMTP)), probe=fakes.FakeProbe(failure)))

    assert check.entry == "smtpFromAddress"


def test_a_provider_that_does_not_answer_leaves_time_for_the_others() -> None:
    api = Deadlines()
    validate(secret(*(item(id=id) for id in "abcd")), api=api)

    assert api.seen == [6.0, 8.0, 12.0, 24.0]


def test_one_refused_provider_makes_the_project_invalid() -> None:
    text = secret(item("ses", id="a"), item(id="b"), **VALID_ENTRIES)
    report = validate(text, api=OneRefuses(failure=REFUSED), probe=fakes.FakeProbe(UNREACHABLE))

    health = assess_health(msgspec.structs.replace(report, version_id="v"), now=1.0)

    assert health.state is HealthState.INVALID
    assert [problem.entry for problem in health.problems] == ["emailProviders.a.secretAccessKey"]
    assert [warning.code for warning in health.warnings] == ["relay-not-verified"]


def test_an_unreachable_provider_leaves_the_project_unverified() -> None:
    health = assess_health(validate(secret(item()), api=fakes.FakeApiTransport(failure=UNREACHABLE)), now=1.0)

    assert (health.state, health.problems) == (HealthState.UNVERIFIED, ())
