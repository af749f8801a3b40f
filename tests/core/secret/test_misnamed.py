"""A secret with a relay's log-in and without a host: which other entries are probably the host."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailer.problem import Problem
from mailer.secret.entry_table import ACTIVATING, ENTRIES, KNOWN
from mailer.secret.host_like import is_host_like
from mailer.secret.parser import Activates, ActivatesNothing, Malformed, parse_entries, parse_secret
from mailer.secret.spelling import is_within_two_edits, meant_by

from tests.core.secret_texts import POLICY, VALID

LOG_IN = {"smtpUsername": "mailer", "smtpPassword": "correct horse", "smtpPort": "587"}
INACTIVE = {name: value for name, value in VALID.items() if name != "smtpHost"}


def problems(*log_in: str, **others: object) -> tuple[Problem, ...]:
    """Return the problems of the log-in beside other entries."""
    result = parse_entries({name: LOG_IN[name] for name in log_in or LOG_IN} | others, POLICY)
    return result.problems if isinstance(result, Malformed) else ()


def is_server(**others: object) -> bool:
    return isinstance(parse_entries({**LOG_IN, **others}, POLICY), ActivatesNothing)


HOSTS = [
    "smtp.example.com", " smtp.example.com ", '"smtp.example.com"', "SMTP.Example.COM", "smtp.example.com.",
    "smtp.example.com:587", "smtp.example.com 587", "smtp.example.com/", "smtps://smtp.example.com:465", "https://app.acme.example/path",
    "smtp://user:secret@smtp.example.com", "relay:2525", "10.0.0.1", "10.0.0.1:25", "2001:db8::1", "[2001:db8::1]:25",
    "smtp.example.com,smtp2.example.com", "smtp.ex\u00e4mple.com", "smtp.example.xn--p1ai", "smtp.example.com\u200b",
    "user:p@ss/w,rd@smtp.example.com:587", "//smtp.example.com", "smtp.example.com:587:tls",
    "smtp.example.com:submission", "smtp.example.com backup.example.com", "relay:2525:tls",
    "smtp.\u3164example.com", "\uff53\uff4d\uff54\uff50.example.com", "mail.corp2",
]  # fmt: skip
NO_HOSTS: list[object] = [
    "", " ", "smtp", "localhost", "587", "true", "12:30", "a@b.example", "Acme <a@b.example>", "1.2.3", "v1.2.3",
    "SG.aaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "sk_live_1.2", "Hello there.", "a.b",
    "mailto:a@b.example", "http.port:off", "Visit www.acme.example", "org.acme:mail:jar", "Acme: a@b.example",
    "arn:aws:s3:::bucket", "/usr/lib/x.so", "-a.example.com", "{", "[", None, 7, True, [], {},
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTS, ids=ascii)
def test_an_entry_whose_value_is_a_host_is_invalid(value: str) -> None:
    assert [(each.entry, each.code) for each in problems(appUrl=value)] == [("appUrl", "host-unnamed")]


@pytest.mark.parametrize("value", NO_HOSTS, ids=ascii)
def test_an_entry_whose_value_is_no_host_changes_nothing(value: object) -> None:
    assert is_server(other=value)


@pytest.mark.parametrize("log_in", LOG_IN)
def test_one_entry_of_the_log_in_is_enough(log_in: str) -> None:
    assert [each.code for each in problems(log_in, appUrl="smtp.example.com")] == ["host-unnamed"]


LIKE_THE_HOST = [
    "smtpServer", "smtpHostname", "SMTP_SERVER", "EMAIL_HOST", "mailHost", "MAIL_SERVER", "mail.smtp.host", "host",
    "HOST", "server", "relay", "smtpRelayHost", "relayHost", "smtpHots", "stmpHost", "smtpHst", "smtpHosst", "smptHost",
    "smtpHoost2", "SMTP_HOSTS", "smtpHsot\u3164", "\u115fsmtp_h\u043est_1", "smtpEndpoint", "MAILER_DSN", "smtpAddr",
    "smtpAddress", "smtpServerHost", "smtpServerAddress", "DEFAULT_SMTP_HOST", "smtpDomain", "mailhub",
    "spring.mail.host", "smtpHost:mailhost", "GF_SMTP_HOST",
]  # fmt: skip


@pytest.mark.parametrize("value", ["smtp.example.com", "relay1", "", None, 7])
@pytest.mark.parametrize("name", LIKE_THE_HOST, ids=ascii)
def test_a_name_like_the_host_is_invalid_beside_a_log_in(name: str, value: object) -> None:
    (problem,) = problems(**{name: value})

    assert problem.code == "entry-misspelled"
    assert "exactly as smtpHost." in problem.detail


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("smtpServce", "gmail", "smtpService"),
        ("mailService", "gmail", "smtpService"),
        ("service", "Gmail", "smtpService"),
        ("emailProvider", "[]", "emailProviders"),
        ("mailProviders", [], "emailProviders"),
        ("smtp_oauth_token_url", "https://login.example.com/token", "smtpOauthTokenUrl"),
        ("smtpHost=smtp.example.com", "", "smtpHost"),
        ("smtpHots smtp.example.com", "", "smtpHost"),
        ("smtpService = gmail", "", "smtpService"),
        ("smtpPort=587", "", "smtpPort"),
        ("Host name", "x", "smtpHost"),
        ("stripe key", "x", "smtpHost"),
    ],
)
def test_a_misspelled_name_comes_with_the_right_one(name: str, value: object, meant: str) -> None:
    (problem,) = problems(**{name: value})

    assert problem.code == "entry-misspelled"
    assert f"exactly as {meant}." in problem.detail


@pytest.mark.parametrize(
    "name",
    [
        "SMTP_PORT",
        "smtpPass",
        "smtp_from_address",
        "service",
        "provider",
        "smtpFoo",
        "dbHost",
        "contactEmailAddress",
        "emailDomain",
        "aws:region",
        "app.url",
    ],
)
def test_a_name_unlike_an_activating_entry_is_a_warning_at_most(name: str) -> None:
    assert is_server(**{name: "x"})


NESTED = [
    ("smtp", {"host": "relay1", "port": 25}),
    ("smtp", '{"host": "relay1"}'),
    ("mail", {"server": ""}),
    ("spring", {"mail": {"host": "relay1"}}),
    ("config", {"smtpHost": "relay1"}),
    ("config", [{"smtp_hots": "relay1"}]),
    ("database", {"url": "postgres://db.internal/x"}),
    ("list", '["smtp.example.com"]'),
    ("deep", json.loads("[" * 200 + '"smtp.example.com"' + "]" * 200)),
]


@pytest.mark.parametrize(("name", "value"), NESTED, ids=lambda part: str(part)[:20])
def test_an_object_that_holds_a_host_is_invalid(name: str, value: object) -> None:
    assert [(each.entry, each.code) for each in problems(**{name: value})] == [(name, "host-unnamed")]


def test_an_object_about_something_else_changes_nothing() -> None:
    assert is_server(database={"host": "db1", "port": 5432}, feature={"provider": "stripe"}, list=["a", {"b": []}])


@pytest.mark.parametrize(
    "log_in",
    [
        {"SMTP_PORT": "587"}, {"smtp-username": "x"}, {"smtpUser": "x"}, {"smtpPass": "x"}, {"smtpPort\u3164": ""},
        {"smtpUsernmae": "x"}, {"smtpPasword": "x"}, {"smtpPrt": "587"}, {"smtpLogin": "x"}, {"smtpPasswd": "x"},
        {"MAIL_USER": "x"}, {"EMAIL_HOST_PASSWORD": "x"}, {"spring.mail.username": "x"}, {"smtpPwd": "x"},
    ],
)  # fmt: skip
def test_the_log_in_counts_in_any_spelling(log_in: dict[str, object]) -> None:
    entries = {**log_in, "smtpServer": "smtp.example.com"}

    assert isinstance(parse_entries(entries, POLICY), Malformed)


@pytest.mark.parametrize(
    "name", ["username", "password", "port", "dbPassword", "mailPassage", "smtpSecure", "mailFrom"]
)
def test_an_entry_that_is_not_about_a_mail_log_in_makes_no_host_suspicious(name: str) -> None:
    entries = {name: "x", "host": "db1", "appUrl": "https://app.acme.example"}

    assert isinstance(parse_entries(entries, POLICY), ActivatesNothing)


def test_a_misspelled_log_in_and_a_misspelled_host_are_no_empty_secret() -> None:
    entries = {"smtpUsernmae": "x", "smtpPasword": "x", "smtpHots": "smtp.example.com"}
    result = parse_entries(entries, POLICY)

    assert isinstance(result, Malformed)
    assert [(each.entry, each.code) for each in result.problems] == [("smtpHots", "entry-misspelled")]


WITHOUT_HOST = [
    "smtpPort", "smtpSecure", "smtpRequireTls", "smtpAuth", "smtpFromPolicy", "smtpDailyLimit", "smtpConnectionTimeout",
    "smtpSocketTimeout",
]  # fmt: skip


@pytest.mark.parametrize("name", WITHOUT_HOST)
def test_a_host_in_an_entry_for_something_else_is_invalid(name: str) -> None:
    found = problems(*LOG_IN, **{name: "smtp.example.com:587"})

    assert [(each.entry, each.code) for each in found] == [(name, "host-unnamed")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtp.example.com", "587"), ("smtp.example.com", 587), ("mail.acme.example", ""),
        ("relay.acme.example:587", "x"),
    ],
)  # fmt: skip
def test_a_host_that_was_typed_as_the_name_is_invalid(name: str, value: object) -> None:
    assert [each.code for each in problems(**{name: value})] == ["host-unnamed"]


@pytest.mark.parametrize("name", ["app.url", "management.server.port", "stripe.key"])
def test_a_name_with_dots_is_no_host(name: str) -> None:
    assert is_server(**{name: "8080"})


def test_the_remedy_says_how_to_use_the_relay_and_how_to_use_the_server_transport() -> None:
    (by_value,) = problems("smtpUsername", "smtpPassword", appUrl="https://app.acme.example")
    (by_name,) = problems("smtpPort", server="x")

    assert by_value.detail == (
        "If it holds the relay's host, store the host as the entry smtpHost. If it does not, remove smtpPassword, "
        "smtpUsername to use the server transport, or keep this entry in another secret."
    )
    assert by_name.detail == (
        "Write the name exactly as smtpHost. If the entry is not about the relay, remove smtpPort to use the server "
        "transport, or keep this entry in another secret."
    )


def test_neither_a_name_nor_a_value_that_holds_a_secret_is_shown() -> None:
    found = problems(
        **{
            "smtpHost=c4n4ry": "",
            "x:c4n4ry@smtp.example.com:587": "",
            "appUrl": "https://user:c4n4ry@acme.example",
            "x": {"smtpHost": "c4n4ry"},
        }
    )

    assert len(found) == 4
    assert "c4n4ry" not in repr(found)


def test_a_secret_that_names_its_transport_may_have_such_entries() -> None:
    entries = {**VALID, "appUrl": "https://app.acme.example", "databaseHost": "db.internal.example", "server": "x"}

    assert isinstance(parse_entries(entries, POLICY), Activates)


KNOWN_ENTRIES = st.dictionaries(
    st.sampled_from(
        [entry.name for entry in ENTRIES if entry.name not in (*ACTIVATING, "emailEnabled", *WITHOUT_HOST)]
    ),
    st.text() | st.sampled_from(HOSTS),
)
COMPLETE = st.fixed_dictionaries(
    {},
    optional={
        "smtpPort": st.integers(1, 65535).map(str),
        "smtpSecure": st.sampled_from(["true", "false"]),
        "smtpRequireTls": st.sampled_from(["true", "false"]),
        "smtpAuth": st.sampled_from(["password", "oauth2", "none"]),
        "smtpFromPolicy": st.sampled_from(["substitute", "reject"]),
        "smtpDailyLimit": st.integers(1, 10**6).map(str),
        "smtpConnectionTimeout": st.floats(1, 20).map(str),
        "smtpSocketTimeout": st.integers(1, 20).map(str),
    },
)
UNRELATED = st.dictionaries(
    st.text().filter(lambda name: "smtp" not in name.lower() and meant_by(name) is None),
    st.text() | st.sampled_from(HOSTS),
)


@given(KNOWN_ENTRIES, COMPLETE)
@settings(max_examples=200)
def test_removing_only_the_host_leaves_the_server_transport_with_a_warning(
    entries: dict[str, object], others: dict[str, object]
) -> None:
    entries = entries | others
    result = parse_entries({**INACTIVE, **entries}, POLICY)

    assert isinstance(result, ActivatesNothing)
    assert {warning.entry for warning in result.warnings} == {*INACTIVE, *entries}


@given(UNRELATED, st.booleans())
@settings(max_examples=200)
def test_without_a_log_in_unrelated_entries_change_nothing(entries: dict[str, object], has_sender: bool) -> None:
    entries = entries | {"databaseHost": "db.internal.example", "server": "web1", "smtp": {"host": "relay1"}}
    sender: dict[str, object] = {"smtpFromAddress": "a@b.example"} if has_sender else {}

    assert isinstance(parse_entries({**entries, **sender}, POLICY), ActivatesNothing)


@given(st.text(), st.sampled_from(sorted(LOG_IN)), st.sampled_from(HOSTS))
@settings(max_examples=200)
def test_no_unknown_name_hides_a_host_beside_a_log_in(name: str, log_in: str, host: str) -> None:
    if name not in KNOWN:
        assert not isinstance(parse_entries({log_in: "x", name: host}, POLICY), ActivatesNothing)


EDITS = st.tuples(
    st.sampled_from(["insert", "remove", "replace", "swap"]), st.integers(0, 13), st.sampled_from("abxyz9")
)


@given(st.sampled_from(["smtphost", "smtpservice", "emailproviders"]), st.lists(EDITS, max_size=2))
def test_two_edits_of_a_name_are_seen(known: str, edits: list[tuple[str, int, str]]) -> None:
    name = known
    for kind, position, letter in edits:
        at = position % len(name)
        match kind:
            case "insert":
                name = name[:at] + letter + name[at:]
            case "remove":
                name = name[:at] + name[at + 1 :]
            case "replace":
                name = name[:at] + letter + name[at + 1 :]
            case _:
                name = name[:at] + name[at : at + 2][::-1] + name[at + 2 :]
    # In this measure, exchanged neighbours are not edited again.
    if len(edits) < 2 or "swap" not in [kind for kind, _, _ in edits]:
        assert is_within_two_edits(name, known)


@pytest.mark.parametrize("name", ["smtpport", "smtpabcd", "host", "smtphostabc", "tsohptms", ""])
def test_three_edits_of_a_name_are_too_many(name: str) -> None:
    assert is_within_two_edits(name, "smtphost") is (name == "smtpport")


@given(st.text())
def test_any_text_is_a_host_or_not(text: str) -> None:
    assert is_host_like(text) in (True, False)


@pytest.mark.parametrize(
    "others",
    [
        {f"name{number}": "x.y.z" * 3 for number in range(2500)},
        {"text": '{"a":' * 9_000 + "1" + "}" * 9_000},
        {"nested": {"a" * 30_000: ["b" * 30_000]}},
        {"a" * 60_000: "." * 10},
        {"value": "a." * 30_000},
        {"value": "[" * 60_000},
    ],
    ids=["entries", "depth", "long member", "long name", "labels", "brackets"],
)
def test_a_large_secret_is_read_in_time(others: dict[str, object]) -> None:
    text = json.dumps({**LOG_IN, **others})

    start = time.perf_counter()
    parse_secret(text, POLICY)

    assert time.perf_counter() - start < 0.5


def test_two_exchanges_of_neighbours_are_two_edits() -> None:
    assert is_within_two_edits("stmphots", "smtphost")
    assert not is_within_two_edits("stmpohts", "smtphost")
