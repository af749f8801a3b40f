"""Presets."""

import pytest
from mailer.message.address import is_host_name
from mailer.relay.policy import RelayPolicy
from mailer.relay.preset import PRESETS, SES_REGIONS, find_preset
from mailer.relay.relay import TlsMode

from tests.core.secret_texts import faults, relay_of, secret, without

NAMES = sorted((*PRESETS, *(f"ses-{region}" for region in SES_REGIONS)))


def with_service(name: object, **entries: object) -> str:
    """Return the valid secret with a preset in place of host and port."""
    return without("smtpHost", *({"smtpPort"} - set(entries)), smtpService=name, **entries)


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("gmail", "smtp.gmail.com"),
        ("office365", "smtp.office365.com"),
        ("ses-eu-west-1", "email-smtp.eu-west-1.amazonaws.com"),
        ("ses-us-east-1", "email-smtp.us-east-1.amazonaws.com"),
        ("yahoo", "smtp.mail.yahoo.com"),
        ("mailgun", "smtp.mailgun.org"),
        ("mailgun-eu", "smtp.eu.mailgun.org"),
    ],
)
def test_a_preset_supplies_host_port_and_starttls(name: str, host: str) -> None:
    relay = relay_of(with_service(name))

    assert (relay.host, relay.port, relay.tls) == (host, 587, TlsMode.STARTTLS)


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_is_a_host_name_and_an_allowed_port(name: str) -> None:
    preset = find_preset(name)

    assert preset is not None
    assert is_host_name(preset.host)
    assert RelayPolicy().allows_port(preset.port)


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_makes_a_valid_secret(name: str) -> None:
    preset = find_preset(name)

    assert preset is not None
    assert relay_of(with_service(name, smtpUsername=preset.username or "mailer")).host == preset.host


@pytest.mark.parametrize("name", ["Gmail", " GMAIL ", "SES-EU-WEST-1"])
def test_a_preset_name_may_be_in_any_case(name: str) -> None:
    assert relay_of(with_service(name)).port == 587


@pytest.mark.parametrize("name", ["gmial", "ses", "ses-", "ses-mars-1", "ses-eu-west-1a", "example.com", "gmail.com"])
def test_an_unknown_preset_is_invalid(name: str) -> None:
    assert faults(with_service(name)) == [("smtpService", "service-unknown")]


@pytest.mark.parametrize("name", ["", " ", None, 7, [], "g\nmail"])
def test_a_preset_without_a_name_is_invalid(name: object) -> None:
    assert [entry for entry, _ in faults(with_service(name))] == ["smtpService"]


def test_a_blank_host_is_invalid_despite_a_preset() -> None:
    assert faults(secret(smtpHost=" ", smtpService="gmail")) == [("smtpHost", "entry-blank")]


def test_a_preset_may_be_given_together_with_its_own_host() -> None:
    assert relay_of(secret(smtpHost="SMTP.gmail.com", smtpService="gmail")).host == "SMTP.gmail.com"


def test_a_preset_with_another_host_is_invalid() -> None:
    assert faults(secret(smtpService="gmail")) == [("smtpService", "service-conflict")]


def test_port_and_tls_may_override_the_preset() -> None:
    relay = relay_of(with_service("gmail", smtpPort="465"))

    assert (relay.host, relay.port, relay.tls) == ("smtp.gmail.com", 465, TlsMode.IMPLICIT)


def test_the_operator_must_allow_the_port_of_a_preset() -> None:
    assert faults(with_service("gmail"), RelayPolicy(ports=((465, 465),))) == [("smtpPort", "port-not-allowed")]


def test_a_preset_with_one_user_name_refuses_another() -> None:
    assert faults(with_service("sendgrid")) == [("smtpUsername", "username-wrong")]


def test_a_preset_with_one_user_name_accepts_it() -> None:
    assert relay_of(with_service("sendgrid", smtpUsername="apikey")).host == "smtp.sendgrid.net"
