"""An edit over the API: the entries that it replaces, and the secrets that it keeps for the same destination."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailer.problem import Problem
from mailer.relay.secret_str import SecretStr
from mailer.secret.edit import Edited, edit_entries, without_mail_entries
from mailer.secret.parser import Activates, ActivatesNothing, Malformed, parse_secret, parse_switched_on

from tests.core.secret_texts import POLICY, VALID, own_relay

SHOWN: Mapping[str, object] = {**VALID, "smtpPassword": {"set": True}}
WITHOUT_PASSWORD: Mapping[str, object] = {name: value for name, value in VALID.items() if name != "smtpPassword"}


def stored(**entries: object) -> SecretStr:
    return SecretStr(json.dumps({**VALID, **entries}))


def edit(given: Mapping[str, object], before: SecretStr | None) -> Edited:
    return edit_entries(before, given, POLICY)


def text_of(edited: Edited) -> dict[str, object]:
    assert isinstance(edited.parsed, Activates), edited.parsed
    text: dict[str, object] = json.loads(edited.text.reveal())
    return text


def faults(edited: Edited) -> list[tuple[str | None, str]]:
    assert isinstance(edited.parsed, Malformed)
    return [(problem.entry, problem.code) for problem in edited.parsed.problems]


def test_the_first_configuration_is_stored_as_given() -> None:
    assert text_of(edit(VALID, None)) == VALID


def test_mail_entries_are_replaced_and_other_entries_stay() -> None:
    before = stored(smtpReplyTo="old@acme.example", database="x", nested={"a": [1, 2]})

    edited = edit({**VALID, "smtpFromName": "Acme"}, before)

    assert text_of(edited) == {**VALID, "smtpFromName": "Acme", "database": "x", "nested": {"a": [1, 2]}}


def test_an_entry_that_is_not_about_mail_keeps_its_octets() -> None:
    before = SecretStr('{"smtpPort": "25", "huge": 123456789012345678901234567890, "small": 1.10e-5}')

    edited = edit(VALID, before)

    assert '"huge":123456789012345678901234567890' in edited.text.reveal()
    assert '"small":1.10e-5' in edited.text.reveal()


def test_a_null_entry_is_removed() -> None:
    assert "smtpReplyTo" not in text_of(edit({**VALID, "smtpReplyTo": None}, None))


@pytest.mark.parametrize("given_entries", [WITHOUT_PASSWORD, SHOWN])
def test_a_password_is_kept_for_the_same_destination(given_entries: Mapping[str, object]) -> None:
    assert text_of(edit({**given_entries, "smtpFromName": "New"}, stored()))["smtpPassword"] == VALID["smtpPassword"]


@pytest.mark.parametrize(
    "change",
    [
        {"smtpHost": "smtp.evil.example"},
        {"smtpPort": "465"},
        {"smtpPort": "2525"},
        {"smtpSecure": "true"},
        {"smtpRequireTls": "false"},
        {"smtpUsername": "someone"},
    ],
)
@pytest.mark.parametrize("given_entries", [WITHOUT_PASSWORD, SHOWN])
def test_a_password_is_not_kept_for_another_destination(
    given_entries: Mapping[str, object], change: Mapping[str, object]
) -> None:
    edited = edit({**given_entries, **change}, stored())

    assert ("smtpPassword", "entry-not-kept") in faults(edited)
    assert str(VALID["smtpPassword"]) not in edited.text.reveal()


@pytest.mark.parametrize("change", [{"smtpHost": "SMTP.example.com"}, {"smtpPort": 587}, {"smtpSecure": "false"}])
def test_the_same_destination_may_be_written_differently(change: Mapping[str, object]) -> None:
    assert text_of(edit({**WITHOUT_PASSWORD, **change}, stored()))["smtpPassword"] == VALID["smtpPassword"]


def test_a_preset_with_another_host_is_another_destination() -> None:
    given_entries = {name: value for name, value in WITHOUT_PASSWORD.items() if name not in ("smtpHost", "smtpPort")}

    edited = edit({**given_entries, "smtpService": "gmail"}, stored())

    assert faults(edited) == [("smtpPassword", "entry-not-kept")]


def test_a_password_is_kept_although_another_entry_was_malformed() -> None:
    assert "smtpPassword" in text_of(edit(WITHOUT_PASSWORD, stored(smtpFromAddress="no-at-sign")))


def test_a_password_of_a_relay_that_cannot_be_read_is_not_kept() -> None:
    assert faults(edit(WITHOUT_PASSWORD, stored(smtpPort="mail"))) == [("smtpPassword", "entry-not-kept")]


def test_a_malformed_port_is_the_only_problem() -> None:
    assert faults(edit({**WITHOUT_PASSWORD, "smtpPort": "mail"}, stored())) == [("smtpPort", "number-malformed")]


def test_a_password_is_removed_with_auth_none() -> None:
    edited = edit({**WITHOUT_PASSWORD, "smtpUsername": None, "smtpAuth": "none"}, stored())

    assert "smtpPassword" not in text_of(edited)


def test_a_password_that_was_never_stored_is_missing() -> None:
    assert faults(edit(SHOWN, None)) == [("smtpPassword", "entry-missing")]


def test_a_hidden_user_name_is_kept_only_for_the_same_destination() -> None:
    before = stored(smtpUsername="token", smtpPassword="token")
    shown = {**VALID, "smtpUsername": {"set": True}, "smtpPassword": {"set": True}}

    assert text_of(edit(shown, before))["smtpUsername"] == "token"
    assert faults(edit({**shown, "smtpHost": "smtp.evil.example"}, before)) == [
        ("smtpPassword", "entry-not-kept"),
        ("smtpUsername", "entry-not-kept"),
    ]


def test_entries_without_a_relay_are_invalid() -> None:
    assert faults(edit({"smtpFromName": "Acme"}, None)) == [("smtpHost", "entry-missing")]


def test_only_mail_entries_can_be_set() -> None:
    assert faults(edit({**VALID, "database": "x"}, None)) == [("database", "entry-unknown")]


def test_a_misspelled_entry_is_named() -> None:
    assert faults(edit({**VALID, "smtpFromNme": "Acme"}, None)) == [("smtpFromNme", "entry-unknown")]


UNREADABLE = [
    ("not json", "secret-not-json"),
    ('{"database": "x",}', "secret-not-json"),
    ('{"database": "\\ud800"}', "secret-not-json"),
    ("[]", "secret-not-object"),
    ('{"smtpHost": 1, "smtpHost": 2, "database": "x"}', "entry-duplicate"),
    ('{"database": "' + "x" * 65536 + '"}', "secret-too-large"),
]


@pytest.mark.parametrize(("text", "code"), UNREADABLE)
def test_a_text_that_cannot_be_decoded_is_not_edited(text: str, code: str) -> None:
    edited = edit(VALID, SecretStr(text))

    assert [found for _, found in faults(edited)] == [code]
    assert edited.text.reveal() == text


@pytest.mark.parametrize(("text", "code"), UNREADABLE)
def test_no_mail_entry_is_removed_from_a_text_that_cannot_be_decoded(text: str, code: str) -> None:
    problem = without_mail_entries(SecretStr(text))

    assert isinstance(problem, Problem)
    assert problem.code == code


OFF = ["false", "False", False, "off", 0, "", None]


@pytest.mark.parametrize("value", OFF)
def test_an_edit_that_does_not_name_the_switch_does_not_switch_mail_on(value: object) -> None:
    edited = edit(VALID, stored(emailEnabled=value))

    assert json.loads(edited.text.reveal())["emailEnabled"] == value
    assert not edited.is_switched_on or isinstance(edited.parsed, Malformed)


@pytest.mark.parametrize("given", [{"emailEnabled": "true"}, {"emailEnabled": True}, {"emailEnabled": None}])
def test_an_edit_that_names_the_switch_switches_mail_on(given: Mapping[str, object]) -> None:
    edited = edit({**VALID, **given}, stored(emailEnabled="false"))

    assert (type(edited.parsed), edited.is_switched_on) == (Activates, True)


def test_a_misspelled_switch_stays_and_is_named() -> None:
    edited = edit(VALID, stored(email_enabled="false"))

    assert faults(edited) == [("email_enabled", "entry-unknown")]


@pytest.mark.parametrize("before", [None, SecretStr("{}"), SecretStr('{"emailEnabled": "false", "database": "x"}')])
@pytest.mark.parametrize(("value", "is_on"), [("false", False), ("true", True), (None, True)])
def test_the_mail_of_a_project_without_a_transport_is_switched(
    before: SecretStr | None, value: object, is_on: bool
) -> None:
    edited = edit({"emailEnabled": value}, before)

    assert (edited.parsed, edited.is_switched_on) == (ActivatesNothing(), is_on)


@pytest.mark.parametrize("value", ["false", "true", None])
@pytest.mark.parametrize("before", [stored(), stored(smtpPort="x"), SecretStr('{"smtp_host": "smtp.example.com"}')])
def test_the_switch_alone_does_not_remove_a_transport(value: object, before: SecretStr) -> None:
    assert ("smtpHost", "entry-missing") in faults(edit({"emailEnabled": value}, before))


def test_entries_without_a_transport_do_not_replace_one_although_mail_is_off() -> None:
    edited = edit({"smtpFromName": "Acme"}, stored(emailEnabled="false"))

    assert ("smtpHost", "entry-missing") in faults(edited)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (json.dumps({**VALID, "database": "x", "smtp_host": "y", "emailProviders": []}), {"database": "x"}),
        (json.dumps(VALID), {}),
        (json.dumps({**VALID, "emailEnabled": "false"}), {"emailEnabled": "false"}),
        (json.dumps({**VALID, "email_enabled": "flase"}), {"email_enabled": "flase"}),
        (json.dumps({**VALID, "emailEnabled": " True "}), {}),
    ],
)
def test_a_secret_without_mail_entries_keeps_the_others(text: str, left: dict[str, str]) -> None:
    remaining = without_mail_entries(SecretStr(text))

    assert isinstance(remaining, SecretStr)
    assert json.loads(remaining.reveal()) == left


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just({"set": True}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_ENTRIES = st.dictionaries(st.sampled_from([*VALID, "smtpAuth", "smtpCaCertificate", "x"]) | st.text(), _JSON)


@given(_ENTRIES, st.text() | _ENTRIES.map(json.dumps))
def test_any_edit_is_valid_or_has_problems(entries: dict[str, object], text: str) -> None:
    assert isinstance(edit(entries, SecretStr(text)).parsed, Activates | ActivatesNothing | Malformed)


@given(_ENTRIES, _ENTRIES)
def test_no_edit_loses_an_entry_that_is_not_about_mail(entries: dict[str, object], before: dict[str, object]) -> None:
    edited = edit(entries, SecretStr(json.dumps({**before, "database": "x"})))

    if not isinstance(edited.parsed, Malformed):
        assert json.loads(edited.text.reveal())["database"] == "x"


@given(st.dictionaries(st.sampled_from([*VALID, "smtpSecure", "smtpService", "smtpRequireTls"]), st.text() | st.none()))
def test_no_edit_sends_the_password_to_another_destination(changes: dict[str, object]) -> None:
    edited = edit({**WITHOUT_PASSWORD, **changes, "smtpPassword": {"set": True}}, stored(smtpPassword="k3pt"))

    if isinstance(edited.parsed, Activates):
        relay = own_relay(edited.parsed.configuration)
        assert relay is not None
        assert (relay.host, relay.port) == ("smtp.example.com", 587)


def test_an_oauth_secret_is_not_kept_for_another_token_url() -> None:
    before = stored(smtpOauthTokenUrl="https://idp.example/token", smtpOauthClientSecret="k3pt")
    masked = {**WITHOUT_PASSWORD, "smtpOauthClientSecret": {"set": True}}

    kept = text_of(edit({**masked, "smtpOauthTokenUrl": "https://idp.example/token"}, before))
    moved = edit({**masked, "smtpOauthTokenUrl": "https://evil.example/token"}, before)

    assert kept["smtpOauthClientSecret"] == "k3pt"
    assert isinstance(moved.parsed, Malformed)
    assert "k3pt" not in moved.text.reveal()


def test_a_thousand_mistakes_are_a_hundred_problems() -> None:
    given = {f"database{number}": "x" for number in range(1000)}

    assert len(faults(edit({**VALID, **given}, None))) == 100


_SECRETS = st.dictionaries(
    st.sampled_from([*VALID, "emailEnabled", "email_enabled", "emailProviders", "smtp_host", "appUrl", "database"]),
    st.sampled_from(["smtp.example.com", "587", "true", "false", "flase", "", "[]", "a@b.example"]) | st.none(),
)


_SWITCH = st.fixed_dictionaries({"emailEnabled": st.sampled_from(["true", "false", None])})


@given(_SECRETS | _SWITCH, _SECRETS | _SWITCH)
@settings(max_examples=500)
def test_no_edit_leads_from_another_transport_to_the_server(
    before: dict[str, object], given_entries: dict[str, object]
) -> None:
    edited = edit(given_entries, SecretStr(json.dumps(before)))

    if isinstance(edited.parsed, ActivatesNothing):
        stored_as, was_on = parse_switched_on(json.dumps(before), POLICY)
        switch = given_entries.get("emailEnabled", "true" if was_on else "false")
        assert isinstance(stored_as, ActivatesNothing)
        assert edited.is_switched_on is (switch != "false")


@given(_SECRETS)
@settings(max_examples=500)
def test_what_is_left_without_mail_entries_is_the_server_transport_or_switched_off(before: dict[str, object]) -> None:
    remaining = without_mail_entries(SecretStr(json.dumps(before)))

    assert isinstance(remaining, SecretStr)
    result = parse_secret(remaining.reveal(), POLICY)
    stored_switch = [value for name, value in before.items() if name in ("emailEnabled", "email_enabled")]
    assert isinstance(result, ActivatesNothing) is all(value == "true" for value in stored_switch)
