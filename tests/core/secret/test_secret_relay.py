"""The entries of a relay."""

from itertools import combinations, product

import pytest
from mailer.message.address import is_host_name
from mailer.relay.policy import RelayPolicy, parse_network
from mailer.relay.relay import NoAuth, PasswordAuth, TlsMode
from mailer.relay.secret_str import SecretStr
from mailer.secret.parser import Malformed, parse_secret

from tests.core.secret_texts import POLICY, VALID, faults, relay_of, secret, warnings, without

INSIDE = RelayPolicy(networks=(parse_network("10.0.0.0/8"), parse_network("fd00::/8")))
REQUIRED = sorted(set(VALID) - {"smtpHost"})


@pytest.mark.parametrize(
    "missing",
    [names for size in range(1, len(REQUIRED) + 1) for names in combinations(REQUIRED, size)],
    ids="+".join,
)
def test_every_missing_entry_is_named(missing: tuple[str, ...]) -> None:
    assert faults(without(*missing)) == [(name, "entry-missing") for name in missing]


@pytest.mark.parametrize("name", REQUIRED)
def test_an_empty_required_entry_counts_as_missing(name: str) -> None:
    assert faults(secret(**{name: ""})) == [(name, "entry-missing")]


@pytest.mark.parametrize("name", [name for name in REQUIRED if name != "smtpPort"])
@pytest.mark.parametrize("value", [None, 7, True, [], {}])
def test_a_text_entry_of_another_type_is_invalid(name: str, value: object) -> None:
    assert faults(secret(**{name: value})) == [(name, "entry-type")]


@pytest.mark.parametrize("value", [587, "587", " 587", "587 "])
def test_a_port_in_canonical_decimal_is_accepted(value: object) -> None:
    assert relay_of(secret(smtpPort=value)).port == 587


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("587\n", "control-character"), ("\t587", "control-character"), ("\uff15\uff18\uff17", "number-malformed"),
        ("5_87", "number-malformed"), ("0587", "number-malformed"), (587.0, "number-malformed"),
        ("587.0", "number-malformed"), ("5.87e2", "number-malformed"), (True, "number-malformed"),
        ("true", "number-malformed"), (0, "number-malformed"), ("0", "number-malformed"), (-1, "number-malformed"),
        ("-1", "number-malformed"), ("+587", "number-malformed"), (None, "entry-type"), ([587], "number-malformed"),
        ("0x24b", "number-malformed"), (" ", "number-malformed"), ("5 87", "number-malformed"),
        (65536, "port-not-allowed"), ("99999", "port-not-allowed"), (655360, "number-malformed"),
    ],
    ids=ascii,
)  # fmt: skip
def test_any_other_port_is_invalid(value: object, code: str) -> None:
    assert faults(secret(smtpPort=value)) == [("smtpPort", code)]


@pytest.mark.parametrize("port", [22, 53, 80, 443, 2000, 2773, 6379, 9001, 1, 65535])
def test_a_port_that_the_operator_does_not_allow_is_invalid(port: int) -> None:
    assert faults(secret(smtpPort=port)) == [("smtpPort", "port-not-allowed")]


@pytest.mark.parametrize("port", [25, 465, 587, 2465, 2525, 2587])
def test_the_default_ports_are_allowed(port: int) -> None:
    assert relay_of(secret(smtpPort=port)).port == port


def test_a_range_of_ports_may_be_allowed() -> None:
    assert relay_of(secret(smtpPort=8080), RelayPolicy(ports=((8000, 8100),))).port == 8080


def test_the_remedy_lists_the_allowed_ports() -> None:
    result = parse_secret(secret(smtpPort=587), RelayPolicy(ports=((25, 25), (8000, 8100))))

    assert isinstance(result, Malformed)
    assert result.problems[0].detail.endswith(": 25, 8000-8100.")


@pytest.mark.parametrize("value", [True, "true", "True", "TRUE", " true "])
def test_true_is_true(value: object) -> None:
    assert relay_of(secret(smtpSecure=value)).tls is TlsMode.IMPLICIT


@pytest.mark.parametrize("value", [False, "false", "False", "FALSE", "false "])
def test_false_is_false(value: object) -> None:
    assert relay_of(secret(smtpSecure=value, smtpPort=465)).tls is TlsMode.STARTTLS


@pytest.mark.parametrize("name", ["smtpSecure", "smtpRequireTls"])
@pytest.mark.parametrize(
    "value", ["yes", "no", "1", "0", 1, 0, 1.0, "ssl", "tls", "flase", "", " ", "tru\u0435", [], {}, "on"]
)
def test_nothing_else_is_a_boolean(name: str, value: object) -> None:
    assert faults(secret(**{name: value})) == [(name, "boolean-malformed")]


@pytest.mark.parametrize("value", [None, "true\n", "\x00false"])
def test_null_and_control_characters_are_not_booleans(value: object) -> None:
    assert [entry for entry, _ in faults(secret(smtpSecure=value))] == ["smtpSecure"]


IMPLICIT, STARTTLS = TlsMode.IMPLICIT, TlsMode.STARTTLS


@pytest.mark.parametrize(
    ("port", "secure", "mode"),
    [
        *((port, None, IMPLICIT) for port in (465, 2465)),
        *((port, None, STARTTLS) for port in (25, 587, 2525, 2587)),
        *((port, True, IMPLICIT) for port in (25, 465, 587, 2465, 2525, 2587)),
        *((port, False, STARTTLS) for port in (25, 465, 587, 2465, 2525, 2587)),
    ],
)
def test_port_and_secure_decide_the_tls_mode_as_documented(port: int, secure: bool | None, mode: TlsMode) -> None:
    entries = {} if secure is None else {"smtpSecure": secure}

    assert relay_of(secret(smtpPort=port, **entries)).tls is mode


def test_clear_text_needs_require_tls_false_and_no_implicit_tls() -> None:
    given_up = {
        (port, secure, require)
        for port, secure, require in product((587, 465), ("true", "false"), ("true", "false"))
        if relay_of(secret(smtpPort=port, smtpSecure=secure, smtpRequireTls=require)).tls is TlsMode.STARTTLS_IF_OFFERED
    }

    assert given_up == {(587, "false", "false"), (465, "false", "false")}


@pytest.mark.parametrize(
    "host",
    ["smtp.example.com", "SMTP.Example.COM", " smtp.example.com ", "a-b.c1.example", "relay.xn--bcher-kva.example"],
)
def test_a_fully_qualified_host_name_is_accepted(host: str) -> None:
    assert relay_of(secret(smtpHost=host)).host == host.strip()


MALFORMED_HOSTS = [
    "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0", "0x7f000001", "1.2.3.4.5", "smtp.example.0x1f",
    "smtp.example.1", "smtp.example.com.", "smtp_relay.example.com", "smtp.example.com:25", "user@smtp.example.com",
    "smtp..example.com", ".example.com", "-smtp.example.com", "smtp-.example.com", "http://smtp.example.com",
    "smtp://smtp.example.com:587", "smtp.example.com/", "[10.0.0.1]", "[::1]", "fe80::1%eth0",
    "smtp.example.com smtp2.example.com", "a" * 64 + ".example.com", "*.example.com", "smtp,example.com",
    "smtp.example.com,smtp2.example.com", "\uff53\uff4d\uff54\uff50.example.com", "\uff11\uff12\uff17.0.0.1",
    "\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021", "smtp\u3002example\u3002com", "\u0660.\u0660",
    "smtp.exa\u00admple.com", "\u212aelvin.example.com", "%6c%6f", "a..b",
]  # fmt: skip


@pytest.mark.parametrize("host", MALFORMED_HOSTS, ids=ascii)
def test_anything_else_is_not_a_host_name(host: str) -> None:
    assert faults(secret(smtpHost=host)) == [("smtpHost", "host-malformed")]


@pytest.mark.parametrize("host", MALFORMED_HOSTS, ids=ascii)
def test_the_operator_cannot_allow_a_malformed_host_name(host: str) -> None:
    everywhere = RelayPolicy(networks=(parse_network("0.0.0.0/0"), parse_network("::/0")))

    assert faults(secret(smtpHost=host), everywhere) == [("smtpHost", "host-malformed")]


@pytest.mark.parametrize(
    "host", ["localhost\x00.evil.com", "smtp.example.com\n", "smtp\r\n.example.com", "a\x7f.b.c", "\ud800.b.c"]
)
def test_a_host_with_control_characters_is_invalid(host: str) -> None:
    assert faults(secret(smtpHost=host)) == [("smtpHost", "control-character")]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "8.8.8.8", "10.0.0.5", "::1", "2001:4860:4860::8888", "::ffff:169.254.169.254"]
)
def test_an_address_is_refused_by_default(host: str) -> None:
    assert faults(secret(smtpHost=host)) == [("smtpHost", "host-not-allowed")]


@pytest.mark.parametrize("host", ["10.0.0.5", "fd00::25", "::ffff:10.0.0.5"])
def test_an_address_in_the_operators_ranges_is_allowed(host: str) -> None:
    assert relay_of(secret(smtpHost=host), INSIDE).host


@pytest.mark.parametrize(
    "host", ["localhost", "relay", "smtp", "relay.internal", "mail.local", "a.localhost", "MAIL.LOCAL"]
)
def test_a_name_of_the_local_network_needs_the_operators_ranges(host: str) -> None:
    assert faults(secret(smtpHost=host)) == [("smtpHost", "host-not-allowed")]
    assert relay_of(secret(smtpHost=host), INSIDE).host == host


def test_a_host_name_has_at_most_253_characters() -> None:
    longest = ".".join(["a" * 49] * 5) + ".abc"

    assert len(longest) == 253
    assert relay_of(secret(smtpHost=longest)).host == longest
    assert faults(secret(smtpHost=f"{longest}d")) == [("smtpHost", "host-malformed")]


@pytest.mark.parametrize("host", ["a" * 60_000, "xn--016c" + "a" * 5000, "\u0660" * 10_000, "a." * 30_000])
def test_a_very_long_host_is_refused(host: str) -> None:
    assert faults(secret(smtpHost=host)) == [("smtpHost", "host-malformed")]


def test_an_internationalised_host_is_read_as_a_labels() -> None:
    assert relay_of(secret(smtpHost="post.bücher.example")).host == "post.xn--bcher-kva.example"


@pytest.mark.parametrize("host", ["smtp.gm\u0430il.com", "smtp.\u0435\u0445\u0430mple.com"])
def test_a_look_alike_of_a_host_is_another_host(host: str) -> None:
    resulting = relay_of(secret(smtpHost=host)).host

    assert "xn--" in resulting
    assert is_host_name(resulting)


@pytest.mark.parametrize("name", ["smtpUsername", "smtpPassword"])
@pytest.mark.parametrize("character", ["\r", "\n", "\x00", "\t", "\x1b", "\x7f", "\x85", "\x9f", "\ud800"], ids=ascii)
def test_a_control_character_in_a_credential_is_invalid(name: str, character: str) -> None:
    assert faults(secret(**{name: f"a{character}b"})) == [(name, "control-character")]


@pytest.mark.parametrize(
    "value",
    [
        " leading",
        "trailing ",
        "   ",
        "100%",
        '"quoted"',
        "\u043f\u0430\u0440\u043e\u043b\u044c😀",
        "x" * 1024,
        "a\\b",
        "\u00a0",
    ],
)
def test_credentials_are_kept_exactly(value: str) -> None:
    auth = relay_of(secret(smtpUsername=value, smtpPassword=value)).auth

    assert auth == PasswordAuth(value, SecretStr(value))


@pytest.mark.parametrize("missing", ["smtpUsername", "smtpPassword"])
def test_one_credential_without_the_other_is_invalid(missing: str) -> None:
    assert faults(without(missing)) == [(missing, "entry-missing")]


def test_a_relay_that_trusts_the_network_needs_no_credentials() -> None:
    assert relay_of(without("smtpUsername", "smtpPassword", smtpAuth="none")).auth == NoAuth()


def test_empty_credentials_count_as_absent() -> None:
    assert relay_of(secret(smtpUsername="", smtpPassword="", smtpAuth="None ")).auth == NoAuth()


def test_credentials_with_auth_none_are_invalid() -> None:
    assert faults(secret(smtpAuth="none")) == [("smtpPassword", "auth-conflict"), ("smtpUsername", "auth-conflict")]


@pytest.mark.parametrize("value", ["password", "PASSWORD", " password"])
def test_auth_password_is_accepted(value: str) -> None:
    assert isinstance(relay_of(secret(smtpAuth=value)).auth, PasswordAuth)


@pytest.mark.parametrize("value", ["", " ", "plain", "xoauth2", 7, True, [], "n\u043ene"])
def test_any_other_auth_is_invalid(value: object) -> None:
    assert faults(secret(smtpAuth=value)) == [("smtpAuth", "choice-unknown")]


@pytest.mark.parametrize("name", ["smtpConnectionTimeout", "smtpSocketTimeout"])
@pytest.mark.parametrize(
    ("value", "seconds"), [("5", 5.0), (5, 5.0), ("2.5", 2.5), (2.5, 2.5), (" 1 ", 1.0), ("20", 20.0)]
)
def test_a_timeout_is_seconds(name: str, value: object, seconds: float) -> None:
    relay = relay_of(secret(**{name: value}))

    assert seconds == (relay.connection_timeout if name == "smtpConnectionTimeout" else relay.socket_timeout)


@pytest.mark.parametrize("name", ["smtpConnectionTimeout", "smtpSocketTimeout"])
@pytest.mark.parametrize(
    "value", ["0", 0, "0.5", 21, "30000", 30000, -1, "5s", "", "1e1", True, "\uff15", [], float("1e300")]
)
def test_a_timeout_outside_the_operators_bounds_is_invalid(name: str, value: object) -> None:
    assert faults(secret(**{name: value})) == [(name, "timeout-out-of-bounds")]


def test_the_operators_maximum_also_limits_the_default_timeouts() -> None:
    relay = relay_of(secret(), RelayPolicy(maximum_timeout=5))

    assert (relay.connection_timeout, relay.socket_timeout) == (5, 5)


def test_a_valid_secret_has_no_warnings() -> None:
    assert warnings(secret()) == []


@pytest.mark.parametrize(
    ("entries", "warning"),
    [
        ({"smtpPort": 25}, ("smtpPort", "port-25-blocked")),
        ({"smtpPort": 465, "smtpSecure": False}, ("smtpSecure", "tls-unusual")),
        ({"smtpPort": 2465, "smtpSecure": False}, ("smtpSecure", "tls-unusual")),
        ({"smtpPort": 587, "smtpSecure": True}, ("smtpSecure", "tls-unusual")),
        ({"smtpRequireTls": False}, ("smtpRequireTls", "plaintext-allowed")),
        ({"smtpPort": 465, "smtpRequireTls": False}, ("smtpRequireTls", "entry-without-effect")),
        ({"smtpPassword": "secret "}, ("smtpPassword", "credential-space")),
        ({"smtpUsername": " user"}, ("smtpUsername", "credential-space")),
        ({"smtpPassword": "se\u3164cret"}, ("smtpPassword", "credential-invisible")),
        ({"smtpUsername": "\u200buser"}, ("smtpUsername", "credential-invisible")),
        ({"smtpOauthScope": "x"}, ("smtpOauthScope", "entry-without-effect")),
        ({"smtpHost": "smtp.sendgrid.net"}, ("smtpUsername", "username-unusual")),
        (
            {"smtpHost": "email-smtp.eu-west-1.amazonaws.com", "smtpPassword": "x" * 40},
            ("smtpPassword", "password-not-for-smtp"),
        ),
        ({"smtpHost": "smtp.gmail.com"}, ("smtpUsername", "username-unusual")),
        (
            {"smtpHost": "smtp.gmail.com", "smtpUsername": "someone@gmail.com"},
            ("smtpFromAddress", "from-not-the-account"),
        ),
    ],
    ids=str,
)
def test_likely_mistakes_cause_warnings(entries: dict[str, object], warning: tuple[str, str]) -> None:
    assert warnings(secret(**entries)) == [warning]


@pytest.mark.parametrize(
    "entries",
    [
        {"smtpPassword": "x" * 40},
        {"smtpHost": "email-smtp.eu-west-1.amazonaws.com", "smtpPassword": "x" * 44},
        {"smtpHost": "smtp.sendgrid.net", "smtpUsername": "apikey"},
        {"smtpPort": 465, "smtpSecure": True},
        {"smtpPort": 2587, "smtpSecure": False},
        {"smtpRequireTls": True},
    ],
    ids=str,
)
def test_usual_settings_cause_no_warnings(entries: dict[str, object]) -> None:
    assert warnings(secret(**entries)) == []


def test_gmail_with_its_account_as_from_causes_no_warning() -> None:
    text = secret(smtpHost="smtp.gmail.com", smtpUsername="Hello@Acme.example")

    assert warnings(text, POLICY) == []
