"""An edit of providers: which stored values are kept, and for which destination."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.problem import Problem
from mailer.relay.secret_str import SecretStr
from mailer.secret.edit import Edited, edit_entries, with_entries
from mailer.secret.parser import Activates, Malformed
from mailer.secret.view import describe_entries

from tests.core.provider_texts import CONFIGS, MAILGUN, SENDER, SENDGRID, SES, SMTP, item, only_provider, secret
from tests.core.secret_texts import POLICY, VALID

KINDS = sorted(CONFIGS)
SECRETS = ("correct", "wJalr")
OMITTED: Mapping[str, Mapping[str, object]] = {
    "smtp": {**SMTP, "auth": {"user": "mailer"}},
    "ses": {name: value for name, value in SES.items() if name != "secretAccessKey"},
    "sendgrid": {},
    "mailgun": {"domain": "mg.acme.example"},
}
MASKED: Mapping[str, Mapping[str, object]] = {
    "smtp": {**SMTP, "auth": {"user": "mailer", "pass": {"set": True}}},
    "ses": {**SES, "secretAccessKey": {"set": True}},
    "sendgrid": {"apiKey": {"set": True}},
    "mailgun": {**MAILGUN, "apiKey": {"set": True}},
}
SECRET_MEMBER = {"smtp": "auth.pass", "ses": "secretAccessKey", "sendgrid": "apiKey", "mailgun": "apiKey"}
ELSEWHERE = [
    ("smtp", {"host": "smtp.evil.example"}),
    ("smtp", {"port": 465}),
    ("smtp", {"secure": True}),
    ("smtp", {"requireTLS": False}),
    ("ses", {"region": "us-east-1"}),
    ("ses", {"accessKeyId": "AKIAEVIL"}),
    ("sendgrid", {"baseUrl": "https://api.evil.example"}),
    ("sendgrid", {"region": "eu"}),
    ("mailgun", {"baseUrl": "https://api.evil.example"}),
    ("mailgun", {"region": "eu"}),
    ("mailgun", {"domain": "mg.evil.example"}),
]


def edit(before: str, *items: object, **entries: object) -> Edited:
    return edit_entries(SecretStr(before), {**SENDER, "emailProviders": list(items), **entries}, POLICY)


def items_of(edited: Edited) -> list[dict[str, object]]:
    assert isinstance(edited.parsed, Activates), edited.parsed
    listed = json.loads(edited.text.reveal())["emailProviders"]
    items: list[dict[str, object]] = json.loads(listed) if isinstance(listed, str) else listed
    return items


def faults(edited: Edited) -> list[tuple[str | None, str]]:
    assert isinstance(edited.parsed, Malformed), edited.parsed
    return [(problem.entry, problem.code) for problem in edited.parsed.problems]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("configs", [OMITTED, MASKED])
def test_a_secret_is_kept_for_the_same_destination(kind: str, configs: Mapping[str, object]) -> None:
    edited = edit(secret(item(kind)), item(kind, configs[kind], name="New"))

    assert items_of(edited) == [item(kind, name="New")]


@pytest.mark.parametrize(("kind", "change"), ELSEWHERE)
@pytest.mark.parametrize("configs", [OMITTED, MASKED])
def test_a_secret_is_not_kept_for_another_destination(
    kind: str, change: Mapping[str, object], configs: Mapping[str, Mapping[str, object]]
) -> None:
    edited = edit(secret(item(kind)), item(kind, {**configs[kind], **change}))

    assert (f"emailProviders.one.{SECRET_MEMBER[kind]}", "entry-not-kept") in faults(edited)
    assert not any(word in edited.text.reveal() for word in SECRETS)


@pytest.mark.parametrize(("kind", "change"), ELSEWHERE)
def test_a_disabled_provider_keeps_no_secret_for_another_destination(kind: str, change: Mapping[str, object]) -> None:
    config = {**OMITTED[kind], **change}

    edited = edit(secret(item(kind), **VALID), item(kind, config, enabled=False), **VALID)

    assert not any(word in json.dumps(json.loads(edited.text.reveal())["emailProviders"]) for word in SECRETS)


def test_a_secret_is_not_kept_for_another_provider_kind() -> None:
    edited = edit(secret(item("sendgrid")), item("mailgun", {"domain": "mg.acme.example", "apiKey": {"set": True}}))

    assert ("emailProviders.one.apiKey", "entry-not-kept") in faults(edited)


def test_a_secret_is_not_kept_for_another_provider() -> None:
    edited = edit(secret(item("sendgrid")), item("sendgrid", {"apiKey": {"set": True}}, id="two"))

    assert faults(edited)[0] == ("emailProviders.two.apiKey", "entry-missing")


def test_a_password_is_not_kept_for_another_user() -> None:
    edited = edit(secret(item("smtp")), item("smtp", {**SMTP, "auth": {"user": "root"}}))

    assert ("emailProviders.one.auth.pass", "entry-not-kept") in faults(edited)


@pytest.mark.parametrize("change", [{"port": "587"}, {"host": "SMTP.example.com"}, {"secure": None}])
def test_the_same_destination_may_be_written_differently(change: Mapping[str, object]) -> None:
    edited = edit(secret(item("smtp")), item("smtp", {**OMITTED["smtp"], **change}))

    assert "correct horse" in json.dumps(items_of(edited))


def test_an_absent_log_in_is_removed() -> None:
    config = {name: value for name, value in SMTP.items() if name != "auth"}

    assert items_of(edit(secret(item("smtp")), item("smtp", config))) == [item("smtp", config)]


@pytest.mark.parametrize("config", [None, {"set": True}])
def test_an_absent_configuration_is_kept(config: object) -> None:
    given = {**item("ses", priority=7), "config": config}
    if config is None:
        del given["config"]

    assert items_of(edit(secret(item("ses")), given)) == [item("ses", priority=7)]


def test_an_absent_configuration_is_not_kept_for_another_kind() -> None:
    given = {name: value for name, value in item("mailgun").items() if name != "config"}

    assert not any(word in edit(secret(item("sendgrid")), given).text.reveal() for word in SECRETS)


def test_the_shown_entries_can_be_put_back() -> None:
    before = secret(*(item(kind, id=kind[:3]) for kind in KINDS), **VALID)
    shown = describe_entries(before)
    assert shown is not None

    edited = edit_entries(SecretStr(before), shown, POLICY)

    assert isinstance(edited.parsed, Activates)
    assert json.loads(edited.text.reveal()) == json.loads(before)


def test_a_list_given_as_text_is_stored_as_text() -> None:
    before = json.dumps({**SENDER, "emailProviders": json.dumps([item()])})

    edited = edit_entries(SecretStr(before), {**SENDER, "emailProviders": json.dumps([item(config=None)])}, POLICY)

    assert isinstance(json.loads(edited.text.reveal())["emailProviders"], str)
    assert items_of(edited) == [item()]


def test_an_absent_provider_is_removed() -> None:
    edited = edit(secret(item(id="a"), item(id="b")), item(id="b"))

    assert items_of(edited) == [item(id="b")]


def test_an_absent_list_is_removed() -> None:
    edited = edit_entries(SecretStr(secret(item(), **VALID)), dict(VALID), POLICY)

    assert "emailProviders" not in json.loads(edited.text.reveal())


def test_removing_the_relay_removes_its_password() -> None:
    edited = edit(secret(item(), **VALID), item())

    assert json.loads(edited.text.reveal()) == json.loads(secret(item()))


def test_the_times_of_a_provider_are_kept() -> None:
    created = "2026-01-01T10:00:00Z"

    assert items_of(edit(secret(item(createdAt=created)), item())) == [item(createdAt=created)]


@pytest.mark.parametrize("given_list", [7, "[", {"a": 1}, [7], [[]], [{"id": 7, "config": 7}]])
def test_a_value_that_is_not_a_list_is_refused(given_list: object) -> None:
    edited = edit_entries(SecretStr(secret(item())), {**SENDER, "emailProviders": given_list}, POLICY)

    assert isinstance(edited.parsed, Malformed)


def test_a_key_is_kept_with_its_base_url() -> None:
    config = {**SENDGRID, "baseUrl": "https://mail.acme.example"}

    edited = edit(secret(item("sendgrid", config)), item("sendgrid", {"baseUrl": "https://mail.acme.example/"}))

    assert "SG.correct-horse" in edited.text.reveal()


CHANGES = st.dictionaries(
    st.sampled_from(["host", "port", "secure", "requireTLS", "region", "baseUrl", "domain", "accessKeyId", "provider"]),
    st.none()
    | st.just({"set": True})
    | st.sampled_from(["smtp.evil.example", "587", 465, True, False, "eu", "us", "mailgun", "smtp"])
    | st.text(max_size=6),
    max_size=4,
)


@given(st.sampled_from(KINDS), CHANGES, st.booleans())
def test_no_edit_sends_a_secret_to_another_destination(kind: str, changes: dict[str, object], enabled: object) -> None:
    config = {**OMITTED[kind], **{name: value for name, value in changes.items() if name != "provider"}}
    given_item = item(kind, config, enabled=enabled)
    if isinstance(changes.get("provider"), str):
        given_item["provider"] = changes["provider"]

    edited = edit(secret(item(kind), **VALID), given_item, **VALID)

    listed = json.loads(edited.text.reveal())["emailProviders"]
    if any(word in json.dumps(listed) for word in SECRETS) and isinstance(edited.parsed, Activates):
        assert listed[0]["provider"] == kind
        endpoints = {each.endpoint.lower() for each in edited.parsed.configuration.chain if each.id == "one"}
        assert endpoints <= {only_provider(kind).endpoint.lower()}


# The AWS console stores half of a surrogate pair, but it cannot be encoded as JSON again.
HALF = json.dumps({**SENDER, "emailProviders": json.dumps([item("smtp", id="p1", name="\ud800")])})


@pytest.mark.parametrize("is_text", [True, False])
def test_a_stored_value_that_cannot_be_written_is_not_kept(is_text: bool) -> None:
    masked = {**item("smtp", id="p1"), "name": {"set": True}}
    given = json.dumps([masked]) if is_text else [masked]
    edited = edit_entries(SecretStr(HALF), {**SENDER, "emailProviders": given}, POLICY)

    assert ("emailProviders.p1.name", "entry-missing") in faults(edited)


def test_a_list_that_cannot_be_written_is_a_problem() -> None:
    written = with_entries(SecretStr(HALF), {"emailProviders": json.loads(json.loads(HALF)["emailProviders"])})

    assert isinstance(written, Problem)
