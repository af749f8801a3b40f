"""The authorizer: from headers to the gateway's simple response. Its log never shows a token."""

import json
import os
import subprocess
import sys
from copy import replace
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mailer.project import ProjectId
from mailer.token import KeysUnavailable, Principal, Refusal

from functions.authorize.app import Answer, AuthorizerEvent, create_handler
from tests.fakes import FakeTokenVerifier

TOKEN = "good.token.x"
ACME = Principal(ProjectId("acme"), frozenset({"email:send", "email:read"}), "user-1")
OPERATOR = Principal(None, frozenset(), "operator")


@dataclass
class Log:
    lines: list[tuple[str, str]] = field(default_factory=list)

    def info(self, msg: str, *, reason: str) -> None:
        self.lines.append((msg, reason))


def ask(headers: dict[str, str] | None, *, log: Log | None = None, principal: Principal = ACME) -> Answer:
    handler = create_handler(verifier=FakeTokenVerifier({TOKEN: principal}), log=log or Log())
    event: AuthorizerEvent = {"headers": headers}
    return handler(event, None)


@pytest.mark.parametrize("name", ["authorization", "Authorization"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_good_token_becomes_project_scopes_and_subject(name: str, scheme: str) -> None:
    assert ask({name: f"{scheme} {TOKEN}"}) == {
        "isAuthorized": True,
        "context": {"project_id": "acme", "scope": "email:read email:send", "subject": "user-1"},
    }


def test_au11_the_role_of_a_token_is_passed_on() -> None:
    principal = replace(ACME, role="marketing")

    assert ask({"authorization": f"Bearer {TOKEN}"}, principal=principal)["context"]["role"] == "marketing"


def test_the_operators_project_is_a_star() -> None:
    assert ask({"authorization": f"Bearer {TOKEN}"}, principal=OPERATOR)["context"]["project_id"] == "*"


def ask_on(route: str, headers: dict[str, str]) -> bool:
    handler = create_handler(verifier=FakeTokenVerifier({TOKEN: ACME}), log=Log())
    return handler({"routeKey": route, "headers": headers}, None)["isAuthorized"]


OWN, DREAMFACTORY, MESSAGEPIPE = "POST /v1/projects/{projectId}/emails", "POST /api/v2/{service}", "POST /email/send"
BEARER, KEY, API_KEY = {"authorization": f"Bearer {TOKEN}"}, {"x-dreamfactory-api-key": TOKEN}, {"x-api-key": TOKEN}


@pytest.mark.parametrize(
    ("route", "headers", "is_authorized"),
    [
        pytest.param(DREAMFACTORY, KEY, True, id="D8-the-key-is-the-token"),
        pytest.param(DREAMFACTORY, BEARER, False, id="D8-not-what-answers-are-not-kept-by"),
        pytest.param(DREAMFACTORY, BEARER | {"x-dreamfactory-api-key": "bad"}, False, id="D8-bad-key"),
        pytest.param(DREAMFACTORY, {"x-dreamfactory-api-key": f"Bearer {TOKEN}"}, False, id="D8-no-scheme"),
        pytest.param("POST /send", BEARER, True, id="C-bearer"),
        pytest.param("POST /send", API_KEY, False, id="C-no-key"),
        pytest.param(MESSAGEPIPE, API_KEY, True, id="P6-key"),
        pytest.param(MESSAGEPIPE, BEARER, True, id="P6-bearer"),
        pytest.param(MESSAGEPIPE, API_KEY | BEARER, False, id="P6-one-of-the-two"),
        pytest.param(MESSAGEPIPE, {}, False, id="P6-none"),
        pytest.param(OWN, KEY, False, id="own-no-foreign-key"),
        pytest.param(OWN, BEARER | {"x-api-key": "bad"}, True, id="own-header-is-read"),
    ],
)
def test_a_token_is_read_from_the_identity_header_of_its_route(
    route: str, headers: dict[str, str], is_authorized: bool
) -> None:
    assert ask_on(route, headers) is is_authorized


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        pytest.param(None, Refusal.MISSING, id="AU1-no-headers"),
        pytest.param({}, Refusal.MISSING, id="AU1-none"),
        pytest.param({"authorization": ""}, Refusal.MALFORMED, id="AU1-empty"),
        pytest.param({"authorization": TOKEN}, Refusal.MALFORMED, id="AU1-no-scheme"),
        pytest.param({"authorization": f"Basic {TOKEN}"}, Refusal.MALFORMED, id="AU1-basic"),
        pytest.param({"authorization": f"Bearer {TOKEN},Bearer {TOKEN}"}, Refusal.MALFORMED, id="AU1-two"),
        pytest.param({"authorization": f"Bearer {TOKEN}\n"}, Refusal.MALFORMED, id="AU1-line-end"),
        pytest.param(
            {"authorization": f"Bearer {TOKEN}", "Authorization": f"Bearer {TOKEN}"}, Refusal.MALFORMED, id="AU1-twice"
        ),
        pytest.param({"authorization": "Bearer other.token.x"}, Refusal.SIGNATURE, id="AU1-bad-token"),
    ],
)
def test_any_other_request_is_not_authorized_and_its_reason_is_logged(
    headers: dict[str, str] | None, refusal: Refusal
) -> None:
    log = Log()

    assert ask(headers, log=log) == {"isAuthorized": False}
    assert log.lines == [("token refused", refusal.value)]


def test_unreachable_keys_are_an_error_and_not_an_answer() -> None:
    class Unreachable:
        def verify(self, token: str) -> Principal:
            raise KeysUnavailable

    with pytest.raises(KeysUnavailable):
        create_handler(verifier=Unreachable(), log=Log())({"headers": {"authorization": f"Bearer {TOKEN}"}}, None)


def test_the_function_loads_neither_aws_clients_nor_an_smtp_client() -> None:
    printed = _run(
        "import sys, functions.authorize.app\n"
        "print(sorted({'boto3', 'botocore.session', 'aiosmtplib', 'asyncio'} & set(sys.modules)))"
    )

    assert (printed.returncode, printed.stdout.strip()) == (0, "[]")


def test_a_key_set_without_a_usable_key_stops_the_start_with_its_name() -> None:
    printed = _run("import functions.authorize.app", JWT_JWKS='{"keys": [{"kty": "RSA", "kid": "1"}]}')

    assert printed.returncode != 0
    assert "InvalidSettings: JWT_JWKS: " in printed.stderr


def _run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 -- our own interpreter, our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("path", sorted(Path("events").glob("authorize.*.json")), ids=lambda path: path.stem)
def test_the_function_understands_every_example_event(path: Path) -> None:
    event: AuthorizerEvent = json.loads(path.read_text())

    assert create_handler(verifier=FakeTokenVerifier(), log=Log())(event, None) == {"isAuthorized": False}
