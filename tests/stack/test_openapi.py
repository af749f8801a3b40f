"""The embedded stack answers as docs/openapi.json says: to its examples and to requests drawn from it."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mailer.relay.provider import ProviderKind
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from local.token import EVERY_SCOPE
from tests.support import described_setup
from tests.support.described import DOCUMENT, demand_described, keys, request_example
from tests.support.described_setup import Setup, headers_for, scopes
from tests.support.embedded import Running

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 6
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {
    operation.label: operation
    for found in SCHEMA.get_all_operations()
    if isinstance(found, Ok) and (operation := found.ok())
}
# In a drawn request these name the stack's own relay, and no other host.
HOSTS, PORTS = ("smtpHost", "host"), ("smtpPort", "port")
ELSEWHERE = ("smtpService", "smtpOauthTokenUrl", "emailProviders", "baseUrl", "servername")
WELL_KNOWN = {"to": "ada@example.com", "subject": "Drawn", "text": "From the description."}


@pytest.fixture(scope="module")
def setup(embedded_stack: Running) -> Setup:
    return described_setup.make_setup(embedded_stack)


def body_for(setup: Setup, key: str) -> object | None:
    """The example of a route, with the stack's relay in place of another."""
    example = request_example(key)
    if isinstance(example, dict) and "entries" in example:
        return {"entries": setup.entries}
    return setup.provider if isinstance(example, dict) and "provider" in example else example


def in_order() -> list[str]:
    """Every route: the providers' first, and DELETE last."""
    return sorted(keys(), key=lambda key: ("/providers" not in key, key.startswith("DELETE")))


def test_every_route_answers_its_example_as_described(embedded_stack: Running) -> None:
    setup = described_setup.make_setup(embedded_stack)
    statuses: dict[str, int] = {}
    for key in in_order():
        answer = setup.ask(key, body_for(setup, key))
        demand_described(key, answer)
        statuses[key] = answer.status

    # A sent message can be neither retried nor cancelled, and our own route has removed the provider before.
    assert {key for key, status in statuses.items() if status >= 300} == {
        "POST /v1/projects/{projectId}/emails/{emailId}/retry",
        "POST /v1/projects/{projectId}/emails/{emailId}/cancel",
        "DELETE /email-config/providers/{providerId}",
    }


@pytest.mark.parametrize("key", [key for key in keys() if scopes(key)])
def test_a_route_needs_one_of_its_described_scopes(setup: Setup, key: str) -> None:
    def is_forbidden(scope: str) -> bool:
        answer = setup.ask(key, {"unknown": True}, token=setup.token_for(key, scope))
        return answer.status == 403

    others = [scope for scope in EVERY_SCOPE.split() if scope not in scopes(key)]
    assert is_forbidden(" ".join(others))
    assert not any(map(is_forbidden, scopes(key)))


@pytest.mark.parametrize("key", keys())
def test_a_drawn_request_gets_an_answer_of_the_document(setup: Setup, key: str) -> None:
    operation = OPERATIONS[key]
    names = {name: value for name, value in setup.parameters.items() if f"{{{name}}}" in key}
    drawn = st.one_of(
        *(
            operation.as_strategy(generation_mode=mode, path_parameters=names)
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        )
    )

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=drawn, is_well_known=st.booleans())
    def ask(case: Case[Any], *, is_well_known: bool) -> None:
        case.body = tame(case.body, setup)
        if is_well_known and key.endswith("/emails") and isinstance(case.body, dict):
            case.body = {**WELL_KNOWN, **{name: case.body[name] for name in ("tags", "html") if name in case.body}}
        case.call_and_validate(
            base_url=setup.running.stack.api_url, headers=headers_for(key, setup.token_for(key)), checks=CHECKS
        )

    ask()


def tame(value: Any, setup: Setup) -> Any:
    if isinstance(value, list):
        return [tame(each, setup) for each in value]
    if not isinstance(value, dict):
        return value
    tamed = {name: tame(each, setup) for name, each in value.items() if name not in ELSEWHERE}
    relay = setup.running.stack.relay
    tamed |= {name: relay.host for name in HOSTS if name in tamed}
    # A port without a relay would answer 503, which finds no error.
    tamed |= {name: relay.starttls_port for name in PORTS if str(tamed.get(name)).isdigit()}
    if tamed.get("provider") in [kind for kind in ProviderKind if kind is not ProviderKind.SMTP]:
        tamed["enabled"] = False
    return tamed
