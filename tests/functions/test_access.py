"""Access to each route by the scopes and the project of a token."""

from typing import Any

import pytest
from aws_lambda_powertools import Logger
from mailer.api.tables import project_config, send

from tests.functions.conftest import load_event
from tests.functions.test_send import Function as SendFunction
from tests.support.config_function import Function as ConfigFunction
from tests.support.gateway import with_route

SCOPES = ("email:send", "email:read", "email-config:read", "email-config:write", "email:override-transport")
EMAIL = f"/emails/{0:032x}"
ROUTES = [
    ("POST", "/emails", ("email:send",)),
    ("POST", "/emails/batch", ("email:send",)),
    ("POST", "/emails/explain", ("email:send",)),
    ("GET", "/emails", ("email:read",)),
    ("GET", EMAIL, ("email:read",)),
    ("POST", f"{EMAIL}/retry", ("email:send",)),
    ("POST", f"{EMAIL}/cancel", ("email:send",)),
    ("POST", "/emails/forget", ("email-config:write",)),
    ("GET", "/email-config", ("email-config:read",)),
    ("PUT", "/email-config", ("email-config:write",)),
    ("DELETE", "/email-config", ("email-config:write",)),
    ("POST", "/email-config/held", ("email-config:write",)),
    ("POST", "/email-config/validate", ("email-config:read", "email-config:write")),
    ("POST", "/email-config/test", ("email-config:write",)),
    ("GET", "/email-config/providers", ("email-config:read",)),
    ("POST", "/email-config/providers", ("email-config:write",)),
    ("GET", "/email-config/providers/backup", ("email-config:read",)),
    ("PUT", "/email-config/providers/backup", ("email-config:write",)),
    ("DELETE", "/email-config/providers/backup", ("email-config:write",)),
    ("GET", "/templates", ("email-config:read", "email:send")),
    ("GET", "/templates/welcome", ("email-config:read", "email:send")),
    ("PUT", "/templates/welcome", ("email-config:write",)),
    ("DELETE", "/templates/welcome", ("email-config:write",)),
]


def status(log: Logger, method: str, route: str, caller: dict[str, Any] | None) -> int:
    """Return the status for a caller with this authorizer context."""
    is_config = not route.startswith("/emails")
    event = event_for(method, route)
    event["requestContext"]["authorizer"] = {} if caller is None else {"lambda": caller}
    function = ConfigFunction(log) if is_config else SendFunction(log)
    answered: int = function.call(event)[0]
    return answered


def event_for(method: str, route: str) -> dict[str, Any]:
    event = load_event("send.project_relay" if route.startswith("/emails") else "project_config.get")
    path = f"/v1/projects/acme{route}"
    event["rawPath"] = path
    event["requestContext"]["http"].update(path=path, method=method)
    return with_route(event)


def test_the_list_has_every_route_of_a_project() -> None:
    keys = {route.key for table in (send.TABLE, project_config.TABLE) for route in table.every()}

    assert {event_for(method, route)["routeKey"] for method, route, _ in ROUTES} == {
        key for key in keys if "/v1/projects/{projectId}/" in key
    }


@pytest.mark.parametrize("project_id", ["acme", "*"])
@pytest.mark.parametrize("granted", SCOPES)
@pytest.mark.parametrize(("method", "route", "scopes"), ROUTES)
def test_AU2_a_route_accepts_only_its_scope(
    log: Logger, method: str, route: str, scopes: tuple[str, ...], granted: str, project_id: str
) -> None:
    caller = {"project_id": project_id, "scope": granted, "subject": "tester"}

    assert (status(log, method, route, caller) != 403) == (granted in scopes)


@pytest.mark.parametrize(
    "caller",
    [
        None,
        {},
        {"scope": " ".join(SCOPES)},
        {"project_id": None, "scope": " ".join(SCOPES)},
        {"project_id": "other", "scope": " ".join(SCOPES)},
        {"project_id": "**", "scope": " ".join(SCOPES)},
        {"project_id": ["acme"], "scope": " ".join(SCOPES)},
        {"project_id": "acme"},
    ],
)
@pytest.mark.parametrize(("method", "route"), [(method, route) for method, route, _ in ROUTES])
def test_AU3_no_route_accepts_another_projects_caller(
    log: Logger, method: str, route: str, caller: dict[str, Any] | None
) -> None:
    assert status(log, method, route, caller) == 403
