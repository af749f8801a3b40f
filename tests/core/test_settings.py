"""The operator's settings, read from the environment."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.ledger.limits import Limit, Window
from mailer.message.address import Address, Mailbox
from mailer.message.stage import Stage
from mailer.project import ProjectId
from mailer.relay.policy import DEFAULT_PORTS
from mailer.settings import InvalidSettings, Resources, Settings, parse_resources, parse_settings

JWKS = json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "1"}]})
COMPLETE = {
    "ALLOW_PROJECT_SMTP": "true",
    "SERVER_FROM_ADDRESS": "Platform <no-reply@mail.platform.example>",
    "EVENT_BUS_NAME": "project-smtp",
    "APP_BASE_URL": "https://app.platform.example",
    "JWT_ISSUER": "https://id.platform.example/",
    "JWT_AUDIENCE": "mailer",
    "JWT_JWKS": JWKS,
}


def settings(**variables: str) -> Settings:
    return parse_settings({**COMPLETE, **variables})


def at_fault(environment: dict[str, str]) -> list[str | None]:
    with pytest.raises(InvalidSettings) as caught:
        parse_settings(environment)
    return [problem.entry for problem in caught.value.problems]


def test_omitted_settings_have_safe_defaults() -> None:
    found = parse_settings(COMPLETE)

    assert found.project_secret_prefix == "project-smtp/"
    assert found.relay_policy.ports == DEFAULT_PORTS
    assert (found.relay_policy.networks, found.relay_policy.https_networks) == ((), ())
    assert found.server_senders.approved == ()
    assert found.configuration_set_name is None
    assert found.log_level == "INFO"


def test_an_empty_optional_variable_counts_as_absent() -> None:
    empty = dict.fromkeys(
        (
            "SERVER_APPROVED_SENDERS", "PROJECT_SECRET_PREFIX", "ALLOWED_RELAY_CIDRS", "ALLOWED_HTTPS_CIDRS",
            "ALLOWED_RELAY_PORTS",
            "CONFIGURATION_SET_NAME", "KNOWN_PROJECTS", "LOG_LEVEL",
        ),
        "",
    )  # fmt: skip

    assert settings(**empty) == parse_settings(COMPLETE)


@pytest.mark.parametrize("name", sorted(COMPLETE))
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_required_variable_that_is_missing_or_empty_stops_the_start(name: str, value: str | None) -> None:
    environment = {key: text for key, text in COMPLETE.items() if key != name}
    if value is not None:
        environment[name] = value

    assert at_fault(environment) == [name]


def test_all_invalid_variables_are_named_together() -> None:
    assert set(at_fault({"LOG_LEVEL": "loud", "ALLOWED_RELAY_PORTS": "smtp"})) == {
        *COMPLETE,
        "LOG_LEVEL",
        "ALLOWED_RELAY_PORTS",
    }


@pytest.mark.parametrize(("text", "allowed"), [("true", True), ("True", True), ("false", False), ("FALSE", False)])
def test_fc13_the_switch_is_true_or_false(text: str, allowed: bool) -> None:
    assert settings(ALLOW_PROJECT_SMTP=text).allow_project_smtp is allowed


@pytest.mark.parametrize("text", ["flase", "0", "1", "no", "yes", "off", "on", "'false'", "truе", "null", "False."])  # noqa: RUF001
def test_fc13_any_other_value_of_the_switch_stops_the_start(text: str) -> None:
    assert at_fault({**COMPLETE, "ALLOW_PROJECT_SMTP": text}) == ["ALLOW_PROJECT_SMTP"]


def test_the_servers_senders_are_parsed() -> None:
    found = settings(SERVER_APPROVED_SENDERS="a@b.example, c@d.example,").server_senders

    assert found.default == Mailbox(Address("no-reply", "mail.platform.example"), "Platform")
    assert found.approved == (Address("a", "b.example"), Address("c", "d.example"))


def test_the_ehlo_name_is_the_domain_of_the_servers_from() -> None:
    assert settings().ehlo_name == "mail.platform.example"


def test_ports_are_lists_and_ranges() -> None:
    policy = settings(ALLOWED_RELAY_PORTS="25,465, 587,8000-8100").relay_policy

    assert policy.ports == ((25, 25), (465, 465), (587, 587), (8000, 8100))
    assert policy.allows_port(8050)
    assert not policy.allows_port(8101)


def test_a_local_stack_may_allow_every_port_and_loopback() -> None:
    policy = settings(ALLOWED_RELAY_PORTS="1-65535", ALLOWED_RELAY_CIDRS="127.0.0.0/8,::1/128").relay_policy

    assert policy.allows_port(1025)
    assert policy.allows_address("127.0.0.1")
    assert policy.allows_address("::1")


def test_the_ranges_for_https_are_not_those_for_relays() -> None:
    relays = settings(ALLOWED_RELAY_CIDRS="10.1.0.0/16", ALLOWED_HTTPS_CIDRS="10.2.0.0/16").relay_policy

    for policy, allowed in ((relays, "10.1.0.1"), (relays.for_https(), "10.2.0.1")):
        assert [each for each in ("10.1.0.1", "10.2.0.1") if policy.allows_address(each)] == [allowed]


def test_limits_are_read() -> None:
    found = settings(PROJECT_LIMITS="100/hour, 1000/day", ROLE_LIMITS="marketing=10/hour")

    assert found.project_limits == (Limit(100, Window.HOUR), Limit(1000, Window.DAY))
    assert found.role_limits == {"marketing": (Limit(10, Window.HOUR),)}


def test_known_projects_are_ids_and_beginnings_of_ids() -> None:
    found = settings(KNOWN_PROJECTS="acme, team-*").known_projects

    assert (found.ids, found.prefixes, found.is_empty) == ((ProjectId("acme"),), ("team-",), False)
    assert settings().known_projects.is_empty


def test_the_stage_is_production_by_default() -> None:
    assert settings().stage == Stage()
    assert settings(DIVERT_ALL_TO="qa@stage.example").stage == Stage(Address("qa", "stage.example"))
    assert settings(SUPPRESS_EMAILS="TRUE").stage == Stage(suppresses=True)


def test_suppressing_and_diverting_exclude_each_other() -> None:
    assert at_fault({**COMPLETE, "DIVERT_ALL_TO": "qa@stage.example", "SUPPRESS_EMAILS": "true"}) == ["SUPPRESS_EMAILS"]


BAD = {
    "SERVER_FROM_ADDRESS": ["no-at-sign", "a@b.example, c@d.example", "a@b"],
    "SERVER_APPROVED_SENDERS": ["*", "a@b.example;c@d.example", "@b.example"],
    "PROJECT_SECRET_PREFIX": ["a b", "*", "x" * 201, "pröject/"],
    "EVENT_BUS_NAME": ["a b", "*", "x" * 257],
    "CONFIGURATION_SET_NAME": ["a b", "x" * 65],
    "KNOWN_PROJECTS": ["a b", "*", "acme;other", "te*m", "acme,,other"],
    "LOG_LEVEL": ["loud", "WARN ING", "10"],
    "PROJECT_LIMITS": ["many", "100/minute", "0/day", "1/day,2/day"],
    "ROLE_LIMITS": ["100/day", "a b=100/day", "a=100"],
    "DIVERT_ALL_TO": ["no-at-sign", "a@b.example, c@d.example", "Name <a@b.example>"],
    "SUPPRESS_EMAILS": ["flase", "1", "yes"],
    "ALLOWED_RELAY_PORTS": ["smtp", "0", "65536", "25,", "587-465", "1-", "-5", "25;587", "025", "1e3"],
    "ALLOWED_HTTPS_CIDRS": ["0.0.0.0/0", "::/0", "10.0.0.1/8", "localhost"],
    "ALLOWED_RELAY_CIDRS": [
        "0.0.0.0/0",
        "::/0",
        "0.0.0.0/1",
        "2000::/3",
        "10.0.0.1/8",
        "10.0.0.0/8,",
        "10/8",
        "localhost",
        "10.0.0.0/33",
    ],
    "APP_BASE_URL": [
        "http://app.example.com",
        "http://localhost.example.com",
        "app.example.com",
        "https://",
        "https://app",
        "https://a b.c",
        "https://user@app.example.com",
        "https://app.example.com/?x=1",
        "https://app.example.com#x",
        "https://app.example.com/a|b",
        "https://app.example.com/a\\b",
        "https://app.example.com/%zz",
        "ftp://app.example.com",
        "javascript:alert(1)",
    ],
    "JWT_ISSUER": ["a b", "a\x00b"],
    "JWT_JWKS": [
        "http://id.example.com/jwks",
        "http://localhost/jwks",
        "id.example.com",
        "{",
        "[]",
        '{"keys": []}',
        '{"keys": {}}',
        '{"keys": [1]}',
        '{"keys": [{"kty": "oct", "k": "AAAA"}]}',
        '{"keys": [{"kty": "OKP", "x": "A", "d": "AAAA"}]}',
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_an_invalid_value_stops_the_start(name: str, text: str) -> None:
    assert at_fault({**COMPLETE, name: text}) == [name]


@pytest.mark.parametrize(
    "text",
    ["https://app.example.com/base/", "https://app.example.com:8443", "http://localhost:3000", "http://127.0.0.1/x"],
)
def test_links_use_https_or_loopback(text: str) -> None:
    assert settings(APP_BASE_URL=text).app_base_url == text


@pytest.mark.parametrize("text", [JWKS, "https://id.example.com/.well-known/jwks.json?v=1"])
def test_keys_are_given_inline_or_by_an_https_url(text: str) -> None:
    assert settings(JWT_JWKS=text).jwt_jwks == text


@pytest.mark.parametrize("text", ["debug", "Info", "WARNING"])
def test_a_log_level_is_a_name_in_any_case(text: str) -> None:
    assert settings(LOG_LEVEL=text).log_level == text.upper()


def outcome(environment: dict[str, str]) -> list[str | None]:
    """Return the invalid variables; empty if the settings are valid."""
    try:
        parse_settings(environment)
    except InvalidSettings as invalid:
        return [problem.entry for problem in invalid.problems]
    return []


@given(st.dictionaries(st.sampled_from([*COMPLETE, *BAD]), st.text(max_size=30)))
def test_any_environment_gives_settings_or_a_list_of_problems(environment: dict[str, str]) -> None:
    required = {name for name in COMPLETE if not environment.get(name, "").strip()}

    assert required <= set(outcome(environment))


CANARY = "c4n4ry"


@pytest.mark.parametrize("name", sorted(set(BAD) - {"JWT_ISSUER", "PROJECT_SECRET_PREFIX"}))
def test_no_error_shows_a_value(name: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        parse_settings({**COMPLETE, name: f"{CANARY} \x00"})

    assert CANARY not in f"{caught.value} {caught.value.problems!r}"


def test_a_function_reads_its_resources_from_the_environment() -> None:
    found = parse_resources({"LEDGER_TABLE": " ledger ", "CONTENT_BUCKET": "", "AWS_REGION": "eu-west-1"})

    assert found == Resources(ledger_table="ledger")
