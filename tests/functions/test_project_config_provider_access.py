"""/email-config/providers: preconditions, concurrent changes and access; the schemas."""

import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.secret.resolution import SecretPresent, SecretUnavailable, Unavailability
from mailer.smtp.outcome import Cause, Failure, Phase
from mailer.smtp.reply import make_reply

from tests import fakes
from tests.core.provider_texts import CONFIGS, item, secret
from tests.functions.conftest import Lines, load_event
from tests.support import canaries
from tests.support.config_function import Function, OvertakenWriter
from tests.support.gateway import with_route
from tests.support.projects import ACME, settings

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


# -- concurrent changes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_with_another_etag_is_409(function: Function, name: str) -> None:
    status, body = call(function, name, if_match='"version-0"')

    assert (status, body["code"]) == (409, "configuration-changed")
    assert (function.writer.promoted, function.service.api.probes) == ([], [])


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("if_match", ['"version-1"', "*"])
def test_a_change_with_the_current_etag_is_made(function: Function, name: str, if_match: str) -> None:
    assert call(function, name, if_match=if_match)[0] < 300


@pytest.mark.parametrize("if_match", ["version-1", 'W/"version-1"', '"a", "b"', '""', "x" * 100])
def test_a_malformed_precondition_is_400(function: Function, if_match: str) -> None:
    assert places(call(function, "provider_put", if_match=if_match)[1]) == [("", "precondition-malformed")]


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_lost_a_race_is_409(function: Function, name: str) -> None:
    function.writer = OvertakenWriter(function.secrets)

    assert call(function, name)[0] == 409


# -- access -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    "caller", [None, {"project_id": "acme", "scope": "email:send"}, {"project_id": "x", "scope": "email-config:write"}]
)
def test_AU2_AU3_another_project_or_scope_is_403(function: Function, name: str, caller: dict[str, str] | None) -> None:
    event = load_event(f"project_config.{name}")
    event["requestContext"]["authorizer"] = {"lambda": caller} if caller is not None else {}

    status, body = function.call(event)

    assert (status, body["code"]) == (403, "forbidden")
    assert (function.secrets.reads, function.writer.promoted) == ([], [])


@pytest.mark.parametrize("name", CHANGES)
def test_AU3_a_read_scope_changes_nothing(function: Function, name: str) -> None:
    event = load_event(f"project_config.{name}")
    event["requestContext"]["authorizer"]["lambda"]["scope"] = "email-config:read"

    assert (function.call(event)[0], function.writer.promoted) == (403, [])


@pytest.mark.parametrize("name", EVERY)
def test_disabled_project_relays_have_no_providers(function: Function, name: str) -> None:
    function.service.settings = settings(ALLOW_PROJECT_SMTP="false")

    status, body = call(function, name)

    assert (status, body["code"]) == (403, "project-smtp-disabled")
    assert function.secrets.reads == []


@pytest.mark.parametrize("name", EVERY)
def test_an_unavailable_store_is_503(function: Function, name: str) -> None:
    function.secrets.answers[ACME] = SecretUnavailable(Unavailability.THROTTLED)

    assert call(function, name)[0] == 503


def test_a_change_writes_an_audit_line_without_values(function: Function, lines: Lines) -> None:
    for name in CHANGES:
        call(function, name)

    written = lines.read()
    assert [(line["message"], line["provider"], line["subject"]) for line in written] == [
        ("provider stored", "new-provider", "events"),
        ("provider stored", "primary", "events"),
        ("provider removed", "primary", "events"),
    ]
    assert canaries.found_in(json.dumps(written)) == []
    assert "SG." not in json.dumps(written)


# -- schemas ----------------------------------------------------------------------------------------------------------


def test_every_schema_is_shown_for_any_valid_token(function: Function) -> None:
    event = load_event("project_config.schemas")
    event["requestContext"]["authorizer"]["lambda"] = {"project_id": "x", "scope": ""}

    status, body = function.call(event)

    assert (status, sorted(body["schemas"])) == (200, sorted(CONFIGS))


def test_a_schema_is_shown_by_its_name(function: Function) -> None:
    status, body = call(function, "schema")

    assert (status, body["required"]) == (200, ["apiKey", "domain"])


def test_an_unknown_schema_is_404(function: Function) -> None:
    event = load_event("project_config.schema")
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/v1/provider-schemas/postmark"
    event["pathParameters"] = {"provider": "postmark"}

    assert function.call(event)[0] == 404


@pytest.mark.parametrize("name", ["schemas", "schema"])
def test_AU1_without_a_token_no_schema_is_shown(function: Function, name: str) -> None:
    event = load_event(f"project_config.{name}")
    event["requestContext"]["authorizer"] = {}

    assert function.call(event)[0] == 403
