"""Which secrets activate a transport, and which are invalid."""

import json

import pytest
from mailer.problem import Problem
from mailer.secret.parser import ActivatesNothing, Malformed, ParsedSecret

from tests.core.secret_texts import VALID, configuration, faults, parsed, relay_of, secret, without


def problems_of(result: ParsedSecret) -> tuple[Problem, ...]:
    return result.problems if isinstance(result, Malformed) else result.warnings


def test_a_secret_without_entries_activates_nothing() -> None:
    assert parsed("{}") == ActivatesNothing()


def test_unrelated_entries_activate_nothing_without_a_warning() -> None:
    assert parsed('{"stripeKey": "sk_live", "host": "smtp.example.com"}') == ActivatesNothing()


def test_relay_entries_without_a_host_activate_nothing_with_a_warning() -> None:
    result = parsed('{"smtpPort": "587", "smtpSecure": "true", "smtpFoo": "x"}')

    assert isinstance(result, ActivatesNothing)
    assert [(warning.entry, warning.code) for warning in result.warnings] == [
        ("smtpFoo", "entry-inactive"),
        ("smtpPort", "entry-inactive"),
        ("smtpSecure", "entry-inactive"),
    ]


def test_a_likely_typo_of_the_host_is_in_the_warning() -> None:
    result = parsed('{"smtpHots": "smtp.example.com"}')

    assert isinstance(result, ActivatesNothing)
    assert "Did you mean smtpHost?" in result.warnings[0].detail


@pytest.mark.parametrize("value", ["", "  ", "\u00a0", None, 7, 0, True, [], {}, ["smtp.example.com"], 1.5])
def test_a_host_that_is_blank_or_not_text_is_invalid(value: object) -> None:
    assert [entry for entry, _ in faults(secret(smtpHost=value))] == ["smtpHost"]


@pytest.mark.parametrize("value", ["", "  ", None, 7, []])
def test_a_single_host_that_is_blank_or_not_text_is_invalid(value: object) -> None:
    assert isinstance(parsed(json.dumps({"smtpHost": value})), Malformed)


NEAR_MISSES = [
    "smtphost", "SMTPHost", "SMTPHOST", "smtp_host", "smtp-host", "SMTP_HOST", "smtpHost ", " smtpHost", "smtp Host",
    "smtpHost\u200b", "smtpHost\u00a0", "\ufeffsmtpHost", "smtp\u00adHost", "smtp.host", "smtpHost:", "\u0455mtpHost",
    "smt\u0440Host", "smtpH\u043est", "smtp\u041dost", "smtpH\u03bfst", "smtpH\u0585st",
    "\uff53\uff4d\uff54\uff50\uff28\uff4f\uff53\uff54", "\u24e2\u24dc\u24e3\u24df\u24bd\u24de\u24e2\u24e3",
    "smtpHost\u3164", "\u115fsmtpHost", "smtp\uffa0Host", "smtpHost\ufe0f", "smtp\u034fHost", "smtpHost\U000e0020",
    "smtpH\u00f6st", "smtpHo\u0301st", "smtpH0st", "\U0001d42c\U0001d426\U0001d42d\U0001d429Host", "\ua731mtpHost",
]  # fmt: skip


@pytest.mark.parametrize("name", NEAR_MISSES, ids=ascii)
def test_a_name_like_the_host_is_invalid(name: str) -> None:
    entries = {name: "smtp.example.com"}

    assert [code for _, code in faults(json.dumps(entries))] == ["entry-misspelled"]


@pytest.mark.parametrize("name", NEAR_MISSES, ids=ascii)
def test_a_name_like_the_host_is_unknown_if_there_is_a_host(name: str) -> None:
    assert [code for _, code in faults(secret(**{name: "smtp.example.com"}))] == ["entry-unknown"]


@pytest.mark.parametrize(
    "change",
    [
        {"smtpHost": "smtp.example.com\u3164"}, {"smtpHost": "smtp.\u00adexample.com"}, {"smtpPort": "587\u200b"},
        {"smtpSecure": "true\ufeff"}, {"smtpAuth": "\u2060password"}, {"smtpFromAddress": "Acme <a\uffa0@b.example>"},
        {"smtpFromAddress": "a@b.example\u115f"}, {"smtpReplyTo": "a@b\u200d.example"},
        {"smtpApprovedSenders": "a@b.example,c\u3164@d.example"}, {"smtpService": "gmail\u3164"},
    ],
    ids=ascii,
)  # fmt: skip
def test_an_invisible_character_is_the_problem_of_a_value(change: dict[str, object]) -> None:
    text = without("smtpHost", **change) if "smtpService" in change else secret(**change)

    result = parsed(text)

    assert isinstance(result, Malformed)
    ((entry, remedy),) = ((problem.entry, problem.detail) for problem in result.problems)
    assert (entry, "invisible character" in remedy) == (next(iter(change)), True)


@pytest.mark.parametrize("name", ["smtpHost", "smtpFromAddress", "smtpReplyTo"])
def test_a_value_of_invisible_characters_is_blank(name: str) -> None:
    assert faults(secret(**{name: "\u3164\u200b"})) == [(name, "entry-blank")]


def test_a_display_name_may_be_an_emoji() -> None:
    senders = configuration(secret(smtpFromAddress="Acme \u2764\ufe0f <a@b.example>", smtpFromName="\u3164")).senders

    assert (senders.default.display_name, senders.display_name) == ("Acme \u2764\ufe0f", None)


@pytest.mark.parametrize("name", ["smtpservice", "smtp_service", "emailproviders", "EmailProviders", "email_providers"])
def test_a_name_like_another_activating_entry_is_invalid(name: str) -> None:
    assert [code for _, code in faults(json.dumps({name: "gmail"}))] == ["entry-misspelled"]


@pytest.mark.parametrize(
    "name", ["smtpRejectUnauthorized", "smtpTls", "SMTP_PORT", "smtp", "\u0455mtpPort", "SmtpSecure", "smtpPassword "]
)
def test_an_unknown_relay_entry_is_invalid(name: str) -> None:
    assert [code for _, code in faults(secret(**{name: "false"}))] == ["entry-unknown"]


def test_entries_that_are_not_about_mail_are_ignored() -> None:
    assert relay_of(secret(stripeKey=None, host=7, **{"": [1], "Smpt": "x"})).host == "smtp.example.com"


def test_an_unknown_name_is_shown_as_short_printable_ascii() -> None:
    assert faults(secret(**{"smtp\u0000\U0001f600" + "x" * 100: ""})) == [("smtp??" + "x" * 58, "entry-unknown")]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("smtpUser", "smtpUsername"),
        ("smtpFrom", "smtpFromAddress"),
        ("smtpServer", "smtpHost"),
        ("smtpEncryption", "smtpSecure"),
        ("smtp_port", "smtpPort"),
        ("smtpApprovedSender", "smtpApprovedSenders"),
    ],
)
def test_an_unknown_relay_entry_comes_with_a_suggestion(name: str, meant: str | None) -> None:
    result = parsed(secret(**{name: "x"}))

    assert isinstance(result, Malformed)
    assert f"Did you mean {meant}?" in result.problems[0].detail


DUPLICATES = [
    '{"smtpHost": "a.example.com", "smtpHost": "b.example.com"}',
    '{"smtpHost": "a.example.com", "smtpHost": "a.example.com"}',
    '{"smtpHost": "a.example.com", "smtpHos\\u0074": "b.example.com"}',
    '{"smtpPort": "1", "smtpPort": "2"}',
]


@pytest.mark.parametrize("text", DUPLICATES)
def test_a_duplicate_mail_entry_is_invalid_and_named(text: str) -> None:
    ((entry, code),) = faults(text)

    assert code == "entry-duplicate"
    assert entry in ("smtpHost", "smtpPort")


def test_another_duplicate_entry_is_invalid_and_not_named() -> None:
    assert faults('{"correct horse": 1, "correct horse": 2}') == [(None, "entry-duplicate")]


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "smtp.example.com", "{", "{'smtpHost': 'x'}", '{"smtpHost": "x",}', '{"smtpHost": "x"} //',
        "\ufeff{}", "\ufffe{}", '\x00{\x00"\x00', "{}{}", '{"a": NaN}', '{"a": Infinity}', '{"a": -Infinity}',
        '{"a": "\x01"}', "[" * 100_000, '{"a":' * 10_000, "\ud800", '{"a": 1e}',
    ],
    ids=lambda text: ascii(text)[:30],
)  # fmt: skip
def test_a_text_that_is_not_json_is_invalid(text: str) -> None:
    assert faults(text) in ([(None, "secret-not-json")], [(None, "secret-too-large")])


@pytest.mark.parametrize(
    "text", ["[]", "7", '"smtpHost"', "null", "true", '[{"smtpHost": "x"}]', json.dumps("{}"), "1e999"]
)
def test_a_text_that_is_not_an_object_is_invalid(text: str) -> None:
    assert faults(text) == [(None, "secret-not-object")]


@pytest.mark.parametrize("value", ["1e999", "-1e999", "9" * 5000, "1" + "0" * 20, "587.0", "5.87e2"])
def test_a_huge_number_is_invalid(value: str) -> None:
    assert faults(json.dumps(dict(VALID)).replace('"587"', value)) == [("smtpPort", "number-malformed")]


def test_a_secret_of_64_kib_is_read() -> None:
    text = secret(other="")
    padded = secret(other="x" * (65536 - len(text)))

    assert len(padded) == 65536
    assert configuration(padded)


@pytest.mark.parametrize("filler", ["x" * 65536, "\u00e9" * 32768])
def test_a_secret_beyond_64_kib_is_invalid(filler: str) -> None:
    assert faults(json.dumps({**VALID, "other": filler}, ensure_ascii=False)) == [(None, "secret-too-large")]


@pytest.mark.parametrize("value", [None, "", " ", "[]", [], "[{}]", 7, {}, "{}", "sendgrid"])
def test_a_list_without_an_enabled_provider_is_invalid(value: object) -> None:
    assert isinstance(parsed(json.dumps({"smtpFromAddress": "a@b.example", "emailProviders": value})), Malformed)


def test_a_preset_alone_activates_the_relay() -> None:
    assert relay_of(without("smtpHost", "smtpPort", smtpService="gmail")).host == "smtp.gmail.com"


@pytest.mark.parametrize("text", [secret(), without("smtpHost")])
@pytest.mark.parametrize("name", ["smtp{:04}", "{:04}smtp_ho-st", "smtp_h o{:.>1}st"])
def test_the_list_of_four_thousand_unknown_names_is_limited(text: str, name: str) -> None:
    entries = {name.format(number): "" for number in range(4000)}

    result = parsed(json.dumps({**json.loads(text), **entries}))

    assert 1 <= len(problems_of(result)) <= 60


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("smtpPassword=hunter2", "smtpPassword..."),
        ("smtpPassword: hunter2", "smtpPassword..."),
        ("smtpPassword hunter2", "smtpPassword..."),
        ("smtp password\thunter2", "smtp password..."),
        ("smtp Hst", "smtp Hst"),
        ("smtpHost ", "smtpHost "),
    ],
)
def test_a_value_typed_into_a_name_is_not_shown(name: str, shown: str) -> None:
    assert [entry for entry, code in faults(secret(**{name: ""})) if code == "entry-unknown"] == [shown]
