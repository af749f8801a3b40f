"""/email-config/providers and /provider-schemas."""

import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.ledger.health import HealthState
from mailer.secret.resolution import SecretAbsent, SecretPresent
from mailer.smtp.outcome import Cause, Failure, Phase
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.core.provider_texts import CONFIGS, MAILGUN, SENDER, SENDGRID, SMTP, item, secret
from tests.functions.conftest import load_event
from tests.ledger_fakes import ValidationRequest
from tests.support.config_function import AUTH_REJECTED, Function
from tests.support.gateway import with_route
from tests.support.projects import ACME, VALID_ENTRIES

PRIMARY = item("sendgrid", id="primary", name="Primary SendGrid", createdAt="2026-01-01T10:00:00Z")
SHOWN = {**PRIMARY, "config": {"apiKey": {"set": True}}}
BACKUP = item("mailgun", id="backup", priority=2)
REFUSED = Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "401 Unauthorized"))
EVERY = ["providers", "provider_add", "provider_get", "provider_put", "provider_delete"]
CHANGES = ["provider_add", "provider_put", "provider_delete"]


@pytest.fixture
def function(log: Logger) -> Function:
    function = Function(log)
    function.secrets.answers[ACME] = fakes.secret(secret(PRIMARY, BACKUP, database="x"))
    return function


def call(
    function: Function, name: str, body: object = None, *, if_match: str | None = None, **path: str
) -> tuple[int, dict[str, Any]]:
    event = load_event(f"project_config.{name}")
    event["rawPath"] = event["rawPath"].replace("primary", path.get("id", "primary"))
    event["requestContext"]["http"]["path"] = event["rawPath"]
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    if if_match is not None:
        event["headers"]["if-match"] = if_match
    return function.call(with_route(event))


def stored(function: Function) -> dict[str, Any]:
    answer = function.secrets.answers[ACME]
    assert isinstance(answer, SecretPresent)
    entries: dict[str, Any] = json.loads(answer.text.reveal())
    if isinstance(entries.get("emailProviders"), str):
        entries["emailProviders"] = json.loads(entries["emailProviders"])
    return entries


def places(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem.get("entry") or problem["pointer"], problem["code"]) for problem in body["problems"]]


# -- GET --------------------------------------------------------------------------------------------------------------


def test_P5_providers_are_listed_without_their_secrets(function: Function) -> None:
    status, body = call(function, "providers")

    assert (status, body["version_id"]) == (200, "version-1")
    assert body["providers"] == [SHOWN, {**BACKUP, "config": {**MAILGUN, "apiKey": {"set": True}}}]


def test_a_provider_is_shown_with_the_secret_s_version_as_its_etag(function: Function) -> None:
    event = load_event("project_config.provider_get")

    status, body, headers = function.exchange(event)

    assert (status, body, headers["ETag"]) == (200, SHOWN, '"version-1"')


@pytest.mark.parametrize("text", [json.dumps(SENDER), json.dumps(VALID_ENTRIES), "{}"])
def test_a_project_without_a_list_has_no_providers(function: Function, text: str) -> None:
    function.secrets.answers[ACME] = fakes.secret(text)

    assert call(function, "providers")[1]["providers"] == []


def test_a_project_without_a_secret_has_no_providers(function: Function) -> None:
    function.secrets.answers[ACME] = SecretAbsent()

    assert call(function, "providers") == (200, {"version_id": None, "providers": []})


def test_an_unreadable_list_is_reported(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(json.dumps({**SENDER, "emailProviders": "["}))

    status, body = call(function, "providers")

    assert (status, places(body)) == (400, [("emailProviders", "entry-not-json")])


@pytest.mark.parametrize("name", ["provider_get", "provider_put", "provider_delete"])
@pytest.mark.parametrize("id", ["other", "smtp", "Primary"])
def test_an_unknown_provider_is_404(function: Function, name: str, id: str) -> None:
    status, body = call(function, name, id=id)

    assert (status, body["code"]) == (404, "not-found")
    assert function.writer.promoted == []


# -- POST -------------------------------------------------------------------------------------------------------------


def test_P4_an_added_provider_is_answered_without_its_secrets(function: Function) -> None:
    event = load_event("project_config.provider_add")

    status, body, headers = function.exchange(event)

    assert status == 201
    assert body == {
        "id": "new-provider",
        "provider": "sendgrid",
        "name": "Primary SendGrid",
        "enabled": True,
        "priority": 1,
        "createdAt": "2026-01-02T03:04:05Z",
        "config": {"apiKey": {"set": True}},
    }
    assert headers["Location"] == "/v1/projects/acme/email-config/providers/new-provider"
    assert headers["ETag"] == '"promoted-1"'


def test_an_added_provider_leaves_the_others_unchanged(function: Function) -> None:
    call(function, "provider_add", {"provider": "smtp", "priority": 3, "config": SMTP})

    entries = stored(function)
    assert entries["database"] == "x"
    assert entries["emailProviders"][:2] == [PRIMARY, BACKUP]
    assert entries["emailProviders"][2]["config"] == SMTP


def test_the_first_provider_is_stored_as_text_for_the_console(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(json.dumps(SENDER))

    call(function, "provider_add")

    answer = function.secrets.answers[ACME]
    assert isinstance(answer, SecretPresent)
    assert isinstance(json.loads(answer.text.reveal())["emailProviders"], str)


def test_a_single_provider_that_accepts_its_key_makes_the_project_verified(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(json.dumps(SENDER))

    call(function, "provider_add")

    health = function.service.ledger.health(ACME)
    assert health is not None
    assert (health.state, health.version_id) == (HealthState.VERIFIED, "promoted-1")


def test_the_new_provider_is_validated_now_and_the_others_later(function: Function) -> None:
    call(function, "provider_add")

    assert len(function.service.api.probes) == 1
    assert function.service.ledger.health(ACME) is None
    assert function.validations.sends == [ValidationRequest((ACME,))]


def test_P2_a_provider_cannot_be_added_before_the_sender(function: Function) -> None:
    function.secrets.answers[ACME] = SecretAbsent()

    status, body = call(function, "provider_add")

    assert (status, body["code"]) == (400, "project-smtp-invalid")
    assert places(body) == [("smtpFromAddress", "entry-missing")]
    assert function.service.api.probes == []


@pytest.mark.parametrize("kind", sorted(CONFIGS))
def test_a_key_that_is_refused_is_424_with_the_checks_and_not_stored(function: Function, kind: str) -> None:
    function.service.api.failure, function.probe.failure = REFUSED, AUTH_REJECTED

    status, body = call(function, "provider_add", {"provider": kind, "priority": 3, "config": CONFIGS[kind]})

    assert (status, body["code"]) == (424, "relay-auth-rejected")
    (failed,) = [check for check in body["checks"] if check["status"] == "failed"]
    assert (failed["name"], failed["provider"]) == ("authenticates", "new-provider")
    assert function.writer.promoted == []


def test_a_disabled_provider_is_stored_without_a_probe(function: Function) -> None:
    function.service.api.failure = REFUSED

    status, _ = call(
        function, "provider_add", {"provider": "ses", "priority": 3, "enabled": False, "config": {"region": ""}}
    )

    assert (status, function.service.api.probes) == (201, [])


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({}, "apiKey"),
        ({"apiKey": "a\r\nb"}, "apiKey"),
        ({"apiKey": "x", "baseUrl": "http://169.254.169.254/latest"}, "baseUrl"),
        ({"apiKey": "x", "proxy": "y"}, "proxy"),
        ({"apiKey": {"set": True}}, "apiKey"),
    ],
)
def test_an_invalid_provider_configuration_is_400_with_its_entry(
    function: Function, config: dict[str, object], place: str
) -> None:
    status, body = call(function, "provider_add", {"provider": "sendgrid", "priority": 1, "config": config})

    assert (status, body["code"]) == (400, "project-smtp-invalid")
    assert [entry for entry, _ in places(body)] == [f"emailProviders.new-provider.{place}"]
    assert (function.service.api.probes, function.writer.promoted) == ([], [])


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"provider": "postmark"}, "/provider"),
        ({"provider": None}, "/provider"),
        ({"priority": "1"}, "/priority"),
        ({"priority": True}, "/priority"),
        ({"priority": 1001}, "/priority"),
        ({"priority": None}, "/priority"),
        ({"enabled": "yes"}, "/enabled"),
        ({"name": 7}, "/name"),
        ({"name": " "}, "/name"),
        ({"name": "a\u202eb"}, "/name"),
        ({"config": "x"}, "/config"),
        ({"config": None}, "/config"),
        ({"id": "mine"}, "/id"),
    ],
)
def test_an_invalid_request_is_400_with_a_pointer(function: Function, change: dict[str, object], pointer: str) -> None:
    body = {"provider": "sendgrid", "priority": 1, "config": dict(SENDGRID), **change}

    status, answered = call(function, "provider_add", body)

    assert (status, answered["code"]) == (400, "invalid-request")
    assert [problem["pointer"] for problem in answered["problems"]] == [pointer]


def test_the_twenty_first_provider_is_refused(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(secret(*(item(id=f"p{number}") for number in range(20))))

    assert places(call(function, "provider_add")[1]) == [("emailProviders", "providers-too-many")]


# -- PUT --------------------------------------------------------------------------------------------------------------


def test_P5_a_provider_is_replaced(function: Function) -> None:
    status, body = call(function, "provider_put")

    assert (status, body["name"], body["priority"]) == (200, "Updated SendGrid Config", 2)
    assert (body["createdAt"], body["updatedAt"]) == (PRIMARY["createdAt"], "2026-01-02T03:04:05Z")
    first, second = stored(function)["emailProviders"]
    assert first["config"] == {"apiKey": "SG.Zx7f3a9c-updated"}
    assert second == BACKUP


def test_P8_a_provider_is_disabled_by_one_field(function: Function) -> None:
    status, body = call(function, "provider_put", {"enabled": False})

    assert (status, body["enabled"], function.service.api.probes) == (200, False, [])
    assert stored(function)["emailProviders"][0]["config"] == SENDGRID


@pytest.mark.parametrize("config", [{}, {"apiKey": {"set": True}}])
def test_SH16_an_omitted_key_is_kept(function: Function, config: dict[str, object]) -> None:
    assert call(function, "provider_put", {"config": config})[0] == 200
    assert stored(function)["emailProviders"][0]["config"] == SENDGRID


@pytest.mark.parametrize("config", [{}, {"apiKey": {"set": True}}])
@pytest.mark.parametrize("enabled", [True, False])
def test_SH7_SH16_an_omitted_key_is_not_kept_for_another_destination(
    function: Function, config: dict[str, object], *, enabled: bool
) -> None:
    given = {"enabled": enabled, "config": {**config, "baseUrl": "https://api.evil.example"}}

    status, body = call(function, "provider_put", given)

    assert (status, places(body)) == (400, [("emailProviders.primary.apiKey", "entry-not-kept")])
    assert (function.service.api.probes, function.writer.promoted) == ([], [])


def test_the_kind_of_a_provider_cannot_be_changed(function: Function) -> None:
    assert places(call(function, "provider_put", {"provider": "mailgun"})[1])[0] == ("/provider", "unknown-field")


def test_the_last_enabled_provider_cannot_be_disabled_without_a_relay(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(secret(PRIMARY))

    status, body = call(function, "provider_put", {"enabled": False})

    assert (status, places(body)) == (400, [("emailProviders", "providers-none-enabled")])


@pytest.mark.parametrize("body", ["", "{", "[]", "{}"])
def test_an_empty_change_is_400(function: Function, body: str) -> None:
    assert call(function, "provider_put", body)[0] == 400


# -- DELETE -----------------------------------------------------------------------------------------------------------


def test_P5_a_removed_provider_is_deleted_with_its_key(function: Function) -> None:
    status, body = call(function, "provider_delete")

    assert (status, body) == (
        200,
        {"id": "primary", "removed": True, "state": "unverified", "version_id": "promoted-1"},
    )
    assert stored(function)["emailProviders"] == [BACKUP]
    assert (function.writer.forgotten, function.service.api.probes) == (["version-1"], [])


def test_removing_the_last_provider_beside_a_relay_removes_the_list(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(secret(PRIMARY, **VALID_ENTRIES))

    assert call(function, "provider_delete")[0] == 200
    assert stored(function) == VALID_ENTRIES


def test_removing_the_only_provider_returns_to_the_server_transport(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(secret(PRIMARY, database="x"))

    assert call(function, "provider_delete")[1]["state"] == "server"
    assert stored(function) == {**SENDER, "database": "x"}
    assert function.get()["state"] == "server"
    assert (function.writer.forgotten, function.validations.sends) == (["version-1"], [ValidationRequest((ACME,))])


def test_removing_the_only_provider_does_not_switch_mail_on(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(secret(PRIMARY, emailEnabled="false"))

    status, body = call(function, "provider_delete")

    assert (status, body["state"]) == (200, "invalid")
    assert stored(function) == {**SENDER, "emailEnabled": "false"}
    assert [problem["code"] for problem in function.get()["problems"]] == ["email-disabled"]


def test_the_only_provider_beside_a_misspelled_relay_is_not_removed(function: Function) -> None:
    relay = {name: value for name, value in VALID_ENTRIES.items() if name != "smtpHost"}
    function.secrets.answers[ACME] = fakes.secret(secret(PRIMARY, **relay, smtp_host="mail.acme.example"))

    status, body = call(function, "provider_delete")

    assert (status, places(body)) == (400, [("smtp_host", "entry-misspelled")])
    assert function.writer.promoted == []


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_providers_leaves_mail_switched_off(function: Function, name: str) -> None:
    function.secrets.answers[ACME] = fakes.secret(secret(PRIMARY, BACKUP, emailEnabled="false"))

    assert call(function, name)[0] in (200, 201)
    assert stored(function)["emailEnabled"] == "false"
    assert function.get()["state"] == "invalid"


def test_the_last_enabled_provider_beside_disabled_ones_is_not_removed(function: Function) -> None:
    function.secrets.answers[ACME] = fakes.secret(secret(PRIMARY, item(id="off", enabled=False)))

    status, body = call(function, "provider_delete")

    assert (status, places(body)) == (400, [("emailProviders", "providers-none-enabled")])
