"""Access to each route by the scopes and the project of a token."""

from typing import Any

import pytest
from aws_lambda_powertools import Logger

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
    ("GET", "/email-config", ("email-config:read",)),
    ("PUT", "/email-config", ("email-config:write",)),
    ("DELETE", "/email-config", ("email-config:write",)),
    ("POST", "/email-config/validate", ("email-config:read", "email-config:write")),
    ("POST", "/email-config/test", ("email-config:write",)),
]


def status(log: Logger, method: str, route: str, caller: dict[str, Any] | None) -> int:
    """Return the status for a caller with this authorizer context."""
    is_config = route.startswith("/email-config")
    event = load_event("project_config.get" if is_config else "send.project_relay")
    path = f"/v1/projects/acme{route}"
    event["rawPath"] = path
    event["requestContext"]["http"].update(path=path, method=method)
    event["requestContext"]["authorizer"] = {} if caller is None else {"lambda": caller}
    function = ConfigFunction(log) if is_config else SendFunction(log)
    answered: int = function.call(with_route(event))[0]
    return answered


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
