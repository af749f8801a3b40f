"""`emailProviders`: valid lists, and the name of the member in every problem."""

import json
from collections.abc import Mapping

import pytest
from mailer.relay.policy import RelayPolicy, parse_network
from mailer.relay.relay import NoAuth, PasswordAuth, Relay, TlsMode
from mailer.relay.secret_str import SecretStr
from mailer.secret.parser import Activates, Malformed, parse_secret
from mailer.secret.provider.mailgun import MailgunAccount
from mailer.secret.provider.sendgrid import SendgridAccount
from mailer.secret.provider.ses import SesAccount
from mailer.secret.view import describe_entries

from tests.core.provider_texts import (
    CONFIGS,
    MAILGUN,
    SENDER,
    SENDGRID,
    SES,
    SMTP,
    chain,
    faults,
    item,
    only_provider,
    secret,
)
from tests.core.secret_texts import POLICY, VALID

KINDS = sorted(CONFIGS)
LOCAL = RelayPolicy(ports=((8443, 8443),), https_networks=(parse_network("127.0.0.0/8"),))
REQUIRED = [
    ("smtp", "host"),
    ("smtp", "port"),
    ("ses", "accessKeyId"),
    ("ses", "secretAccessKey"),
    ("ses", "region"),
    ("sendgrid", "apiKey"),
    ("mailgun", "apiKey"),
    ("mailgun", "domain"),
]


def without(config: Mapping[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in config.items() if key != name}


# -- how each kind is read -------------------------------------------------------------------------------------------


def test_a_relay_in_the_list_is_read_like_the_secrets_own_relay() -> None:
    assert only_provider("smtp").config == Relay(
        "smtp.example.com", 587, TlsMode.STARTTLS, PasswordAuth("mailer", SecretStr("correct horse"))
    )


def test_an_ses_account_has_keys_and_a_region() -> None:
    assert only_provider("ses").config == SesAccount(
        "AKIAIOSFODNN7EXAMPLE", SecretStr("wJalrXUtnFEMI/K7MDENG"), "eu-west-1"
    )


def test_a_sendgrid_account_has_a_key() -> None:
    assert only_provider("sendgrid").config == SendgridAccount(
        SecretStr("SG.correct-horse"), "https://api.sendgrid.com"
    )


def test_a_mailgun_account_has_a_key_and_a_domain() -> None:
    assert only_provider("mailgun").config == MailgunAccount(
        SecretStr("key-correct-horse"), "mg.acme.example", "https://api.mailgun.net"
    )


@pytest.mark.parametrize(
    ("kind", "base_url"), [("sendgrid", "https://api.eu.sendgrid.com"), ("mailgun", "https://api.eu.mailgun.net")]
)
def test_the_region_eu_has_its_own_base_url(kind: str, base_url: str) -> None:
    config = only_provider(kind, {**CONFIGS[kind], "region": "EU"}).config

    assert isinstance(config, SendgridAccount | MailgunAccount)
    assert config.base_url == base_url


@pytest.mark.parametrize(
    ("given_url", "base_url"),
    [
        ("https://127.0.0.1:8443", "https://127.0.0.1:8443"),
        ("https://Mail.Example.com/", "https://mail.example.com"),
        ("HTTPS://mail.example.com:443", "https://mail.example.com"),
    ],
)
def test_a_base_url_replaces_the_region(given_url: str, base_url: str) -> None:
    config = only_provider("sendgrid", {**SENDGRID, "baseUrl": given_url}, LOCAL).config

    assert isinstance(config, SendgridAccount)
    assert config.base_url == base_url


def test_the_timeouts_of_a_relay_are_milliseconds() -> None:
    config = only_provider("smtp", {**SMTP, "connectionTimeout": 2500, "socketTimeout": "15000"}).config

    assert isinstance(config, Relay)
    assert (config.connection_timeout, config.socket_timeout) == (2.5, 15.0)


def test_a_relay_without_auth_trusts_the_network() -> None:
    config = only_provider("smtp", without(SMTP, "auth")).config

    assert isinstance(config, Relay)
    assert config.auth == NoAuth()


@pytest.mark.parametrize("port", [465, "465"])
def test_the_tls_mode_of_a_relay_follows_the_port(port: object) -> None:
    config = only_provider("smtp", {**without(SMTP, "secure"), "port": port}).config

    assert isinstance(config, Relay)
    assert config.tls is TlsMode.IMPLICIT


def test_a_relay_may_state_that_certificates_are_verified() -> None:
    assert only_provider("smtp", {**SMTP, "tls": {"rejectUnauthorized": True}})


# -- the chain --------------------------------------------------------------------------------------------------------


def test_the_chain_is_sorted_by_priority_and_then_by_id() -> None:
    text = secret(item(id="c", priority=2), item(id="b"), item(id="a", priority=1), **VALID)

    assert [provider.id for provider in chain(text)] == ["smtp", "a", "b", "c"]


def test_a_provider_of_priority_0_may_come_before_the_secrets_own_relay() -> None:
    assert [provider.id for provider in chain(secret(item(priority=0), **VALID))] == ["one", "smtp"]


def test_a_disabled_provider_is_not_in_the_chain() -> None:
    text = secret(item(id="a", enabled=False), item(id="b", enabled="FALSE"), item(id="c"))

    assert [provider.id for provider in chain(text)] == ["c"]


def test_the_list_may_be_written_as_text() -> None:
    items = [item("mailgun")]

    assert chain(json.dumps({**SENDER, "emailProviders": json.dumps(items)})) == chain(secret(*items))


def test_a_provider_without_a_name_is_called_by_its_id() -> None:
    assert chain(secret(without(item(), "name")))[0].name == "one"


def test_a_provider_is_enabled_by_default() -> None:
    assert chain(secret(without(item(), "enabled")))


def test_twenty_providers_are_a_chain_and_twenty_one_are_too_many() -> None:
    items = [item(id=f"p{number}") for number in range(21)]

    assert len(chain(secret(*items[:20]))) == 20
    assert faults(secret(*items)) == [("emailProviders", "providers-too-many")]


@pytest.mark.parametrize("items", [[], [item(enabled=False)]])
def test_a_list_without_an_enabled_provider_is_invalid_without_a_relay(items: list[object]) -> None:
    assert faults(secret(*items)) == [("emailProviders", "providers-none-enabled")]
    assert [provider.id for provider in chain(secret(*items, **VALID))] == ["smtp"]


def test_every_provider_needs_a_default_sender() -> None:
    assert faults(json.dumps({"emailProviders": [item()]})) == [("smtpFromAddress", "entry-missing")]


def test_relay_entries_without_a_host_cause_warnings() -> None:
    result = parse_secret(secret(item(), smtpPort="587", smtpReplyTo="a@acme.example"), POLICY)

    assert isinstance(result, Activates)
    assert [(warning.entry, warning.code) for warning in result.warnings] == [("smtpPort", "entry-inactive")]


def test_one_invalid_enabled_provider_makes_the_project_invalid() -> None:
    text = secret(item(id="a"), item("ses", without(SES, "region"), id="b"), **VALID)

    assert faults(text) == [("emailProviders.b.region", "entry-missing")]


# -- problems and their places ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), REQUIRED)
@pytest.mark.parametrize("blank", [False, True])
def test_a_missing_member_of_an_enabled_provider_is_named(kind: str, name: str, *, blank: bool) -> None:
    config = {**CONFIGS[kind], name: ""} if blank else without(CONFIGS[kind], name)

    assert faults(secret(item(kind, config))) == [(f"emailProviders.one.{name}", "entry-missing")]


@pytest.mark.parametrize(("kind", "name"), REQUIRED)
def test_a_disabled_provider_may_lack_any_member(kind: str, name: str) -> None:
    for config in ({**CONFIGS[kind], name: ""}, without(CONFIGS[kind], name), {}):
        assert chain(secret(item(kind, config, enabled=False), **VALID))


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["foo", "ApiKey", "api_key", "auth.user", "tls.ca", "ignoreTLS"])
def test_an_unknown_member_is_invalid_also_in_a_disabled_provider(kind: str, name: str, *, enabled: bool) -> None:
    text = secret(item(kind, {**CONFIGS[kind], name: "x"}, enabled=enabled), **VALID)

    assert faults(text) == [(f"emailProviders.one.{name}", "provider-member-unknown")]


@pytest.mark.parametrize(
    ("kind", "change", "member", "code"),
    [
        ("smtp", {"host": "http://smtp.example.com"}, "host", "host-malformed"),
        ("smtp", {"host": "127.0.0.1"}, "host", "host-not-allowed"),
        ("smtp", {"host": "localhost"}, "host", "host-not-allowed"),
        ("smtp", {"port": 99}, "port", "port-not-allowed"),
        ("smtp", {"port": "0x19"}, "port", "number-malformed"),
        ("smtp", {"secure": "yes"}, "secure", "boolean-malformed"),
        ("smtp", {"auth": "mailer"}, "auth", "provider-not-an-object"),
        ("smtp", {"auth": {}}, "auth", "provider-not-an-object"),
        ("smtp", {"auth": {"user": "mailer"}}, "auth.pass", "entry-missing"),
        ("smtp", {"auth": {"pass": "x"}}, "auth.user", "entry-missing"),
        ("smtp", {"tls": {"rejectUnauthorized": False}}, "tls.rejectUnauthorized", "certificate-unverified"),
        ("smtp", {"tls": {"ca": "PEM"}}, "tls.ca", "certificate-malformed"),
        ("smtp", {"connectionTimeout": 120000}, "connectionTimeout", "timeout-out-of-bounds"),
        ("smtp", {"socketTimeout": 10}, "socketTimeout", "timeout-out-of-bounds"),
        ("ses", {"region": "eu-west-9"}, "region", "choice-unknown"),
        ("ses", {"region": "eu-west-1.evil.example#"}, "region", "choice-unknown"),
        ("ses", {"accessKeyId": "AKIA/x,Signature=y"}, "accessKeyId", "provider-value-malformed"),
        ("ses", {"secretAccessKey": "a b"}, "secretAccessKey", "provider-value-malformed"),
        ("sendgrid", {"apiKey": "SG.x "}, "apiKey", "provider-value-malformed"),
        ("sendgrid", {"apiKey": "SG.x\r\nX: y"}, "apiKey", "control-character"),
        ("sendgrid", {"apiKey": "k\u00e9y"}, "apiKey", "provider-value-malformed"),
        ("sendgrid", {"apiKey": 7}, "apiKey", "entry-type"),
        ("sendgrid", {"apiKey": None}, "apiKey", "entry-type"),
        ("sendgrid", {"region": "asia"}, "region", "choice-unknown"),
        ("sendgrid", {"region": "eu", "baseUrl": "https://a.example.com"}, "region", "region-conflict"),
        ("sendgrid", {"baseUrl": "http://api.sendgrid.com"}, "baseUrl", "url-not-https"),
        ("sendgrid", {"baseUrl": "https://api.sendgrid.com/v3"}, "baseUrl", "url-malformed"),
        ("sendgrid", {"baseUrl": "https://user:x@api.sendgrid.com"}, "baseUrl", "url-malformed"),
        ("sendgrid", {"baseUrl": "https://169.254.169.254"}, "baseUrl", "url-not-allowed"),
        ("sendgrid", {"baseUrl": "https://localhost"}, "baseUrl", "url-not-allowed"),
        ("sendgrid", {"baseUrl": "https://api.example.com:22"}, "baseUrl", "url-port-not-allowed"),
        ("sendgrid", {"caCertificate": "PEM"}, "caCertificate", "certificate-malformed"),
        ("mailgun", {"domain": "../v3/other"}, "domain", "domain-malformed"),
        ("mailgun", {"domain": "localhost"}, "domain", "domain-malformed"),
    ],
)
def test_a_wrong_value_is_named_by_its_place(kind: str, change: dict[str, object], member: str, code: str) -> None:
    assert faults(secret(item(kind, {**CONFIGS[kind], **change}))) == [(f"emailProviders.one.{member}", code)]


@pytest.mark.parametrize(
    ("change", "member", "code"),
    [
        ({"id": "smtp"}, "id", "provider-id-reserved"),
        ({"provider": "postmark"}, "provider", "choice-unknown"),
        ({"provider": 1}, "provider", "choice-unknown"),
        ({"provider": ""}, "provider", "entry-missing"),
        ({"priority": -1}, "priority", "number-out-of-bounds"),
        ({"priority": 1001}, "priority", "number-out-of-bounds"),
        ({"priority": 1.5}, "priority", "number-out-of-bounds"),
        ({"priority": True}, "priority", "number-out-of-bounds"),
        ({"priority": ""}, "priority", "entry-missing"),
        ({"enabled": "yes"}, "enabled", "boolean-malformed"),
        ({"enabled": None}, "enabled", "entry-type"),
        ({"name": 7}, "name", "entry-type"),
        ({"name": "a\nb"}, "name", "control-character"),
        ({"name": "x" * 201}, "name", "display-name-too-long"),
        ({"config": None}, "config", "provider-config-missing"),
        ({"config": []}, "config", "provider-config-missing"),
        ({"createdAt": "yesterday"}, "createdAt", "time-malformed"),
        ({"secret": "x"}, "secret", "provider-member-unknown"),
    ],
)
def test_a_wrong_member_outside_the_configuration_is_named(change: dict[str, object], member: str, code: str) -> None:
    text = secret({**item(), **change})

    assert faults(text) == [(f"emailProviders.{change.get('id', 'one')}.{member}", code)]


@pytest.mark.parametrize("value", [None, 7, "x", []])
def test_an_item_that_is_not_an_object_is_named_by_its_position(value: object) -> None:
    assert faults(secret(item(), value)) == [("emailProviders[1]", "provider-not-an-object")]


@pytest.mark.parametrize(
    ("id", "code"), [("a b", "provider-id-malformed"), ("x" * 65, "provider-id-malformed"), ("", "entry-missing")]
)
def test_a_provider_without_a_valid_id_is_named_by_its_position(id: str, code: str) -> None:
    assert faults(secret(item(id=id))) == [("emailProviders[0].id", code)]


def test_two_providers_with_the_same_id_are_invalid() -> None:
    assert faults(secret(item(), item("ses"))) == [("emailProviders.one.id", "provider-id-duplicate")]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "providers-not-a-list"),
        (" ", "entry-blank"),
        ("[", "entry-not-json"),
        ("[" * 60000, "entry-not-json"),
        ('[{"id": "a", "id": "b"}]', "entry-duplicate"),
        ("{}", "providers-not-a-list"),
        ('"[]"', "providers-not-a-list"),
        ({"id": "one"}, "providers-not-a-list"),
    ],
)
def test_a_value_that_is_not_a_list_is_invalid(value: object, code: str) -> None:
    assert faults(json.dumps({**SENDER, "emailProviders": value})) == [("emailProviders", code)]


def test_remedies_name_members_and_not_entries() -> None:
    result = parse_secret(secret(item("smtp", {**SMTP, "host": "smtp.example.com:25"})), POLICY)

    assert isinstance(result, Malformed)
    assert "smtpPort" not in result.problems[0].detail


def test_a_relay_in_the_list_gets_the_same_warnings() -> None:
    result = parse_secret(secret(item("smtp", {**SMTP, "port": 25, "requireTLS": False})), POLICY)

    assert isinstance(result, Activates)
    assert [(warning.entry, warning.code) for warning in result.warnings] == [
        ("emailProviders.one.port", "port-25-blocked"),
        ("emailProviders.one.requireTLS", "plaintext-allowed"),
    ]


# -- what admins see --------------------------------------------------------------------------------------------------


def shown(*items: object) -> object:
    described = describe_entries(secret(*items))
    assert described is not None
    return described["emailProviders"]


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("smtp", {**SMTP, "auth": {"user": "mailer", "pass": {"set": True}}}),
        ("ses", {**SES, "secretAccessKey": {"set": True}}),
        ("sendgrid", {"apiKey": {"set": True}}),
        ("mailgun", {**MAILGUN, "apiKey": {"set": True}}),
    ],
)
def test_providers_are_shown_without_their_secrets(kind: str, config: dict[str, object]) -> None:
    assert shown(item(kind)) == [{**item(kind), "config": config}]


def test_a_member_that_contains_a_secret_is_hidden() -> None:
    config = {**SMTP, "auth": {"user": "token-correct horse", "pass": "correct horse"}}

    assert "correct horse" not in json.dumps(shown(item("smtp", config, name="correct horse")))


@pytest.mark.parametrize("value", ["x", 7, [7], [["x"]]])
def test_a_value_that_is_not_a_list_is_not_shown(value: object) -> None:
    described = describe_entries(json.dumps({"emailProviders": value}))

    assert described == {"emailProviders": {"set": True}}
