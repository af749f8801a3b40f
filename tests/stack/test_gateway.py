"""The stack's HTTP API in front of fake functions."""

import json
from dataclasses import dataclass, field

import pytest

from local.client import find
from local.environment import EventTooLarge, FunctionFailed, StillRunning
from local.gateway import FAILED, FORBIDDEN, NOT_FOUND, TIMED_OUT, TOO_LARGE, UNAUTHORIZED, Gateway
from local.http_server import Request, Response
from local.template import Authorizer, Route

AUTHORIZER = Authorizer("Authorize", ("authorization",), cache_seconds=30)
ROUTES = (
    Route("GET", "/things/{thing}", "Things", AUTHORIZER),
    Route("GET", "/things/all", "All", AUTHORIZER),
    Route("ANY", "/files/{path+}", "Files", None),
)
ALLOWED = {"isAuthorized": True, "context": {"project_id": "acme"}}


@dataclass
class FakeFunction:
    """Returns its answer, or raises it."""

    answer: object
    events: list[object] = field(default_factory=list)

    def __call__(self, event: object, *, patience_seconds: float) -> object:
        self.events.append(event)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Api:
    def __init__(self, *, authorizer: object = ALLOWED, answer: object = "done") -> None:
        self.authorizer = FakeFunction(authorizer)
        self.functions = {name: FakeFunction(answer) for name in ("Things", "All", "Files")}
        self.now = 0.0
        functions = {"Authorize": self.authorizer, **self.functions}
        self._gateway = Gateway(ROUTES, functions, region="us-east-1", monotonic=lambda: self.now)

    def get(self, target: str, token: str | None = "Bearer one", method: str = "GET") -> Response:
        headers = (("Authorization", token),) if token is not None else ()
        return self._gateway(Request(method, target, headers))

    def calls(self) -> dict[str, int]:
        return {name: len(function.events) for name, function in self.functions.items() if function.events}


def test_a_route_calls_its_function_with_decoded_parameters() -> None:
    api = Api()

    api.get("/things/a%2Fb?x=1")

    assert find(api.functions["Things"].events[0], "pathParameters") == {"thing": "a/b"}


def test_the_more_specific_route_is_chosen() -> None:
    api = Api()

    api.get("/things/all")

    assert api.calls() == {"All": 1}


def test_a_greedy_parameter_matches_slashes_and_any_method() -> None:
    api = Api()

    api.get("/files/a/b", method="DELETE")

    assert find(api.functions["Files"].events[0], "pathParameters") == {"path": "a/b"}


@pytest.mark.parametrize("target", ["/", "/things", "/things/", "/things/a/b", "/xthings/a"])
def test_a_path_without_a_route_is_not_found(target: str) -> None:
    assert Api().get(target) == NOT_FOUND


def test_another_method_is_not_found() -> None:
    assert Api().get("/things/a", method="POST") == NOT_FOUND


@pytest.mark.parametrize("token", [None, ""])
def test_without_identity_the_authorizer_is_not_called(token: str | None) -> None:
    api = Api()

    assert api.get("/things/a", token) == UNAUTHORIZED
    assert api.authorizer.events == []


def test_a_refusal_is_forbidden_and_reaches_no_function() -> None:
    api = Api(authorizer={"isAuthorized": False})

    assert api.get("/things/a") == FORBIDDEN
    assert api.calls() == {}


@pytest.mark.parametrize("answer", [None, {}, {"isAuthorized": "true"}, FunctionFailed()])
def test_an_authorizer_that_does_not_decide_is_a_failure(answer: object) -> None:
    api = Api(authorizer=answer)

    assert api.get("/things/a") == FAILED
    assert api.calls() == {}


def test_a_decision_is_cached_per_identity_for_its_seconds() -> None:
    api = Api()

    for token, now in (("one", 0.0), ("one", 29.9), ("two", 29.9), ("one", 30.0)):
        api.now = now
        api.get("/things/a", token)

    assert [find(event, "identitySource", 0) for event in api.authorizer.events] == ["one", "two", "one"]


def test_a_failure_to_decide_is_not_cached() -> None:
    api = Api(authorizer=FunctionFailed())

    api.get("/things/a")
    api.get("/things/a")

    assert len(api.authorizer.events) == 2


def test_a_route_without_an_authorizer_calls_none() -> None:
    api = Api()

    assert api.get("/files/a", None).status == 200
    assert api.authorizer.events == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (FunctionFailed(), FAILED),
        (StillRunning(), TIMED_OUT),
        (EventTooLarge(), TOO_LARGE),
        ({"statusCode": "soon"}, FAILED),
    ],
)
def test_the_gateway_answers_for_a_function_that_fails(answer: object, expected: Response) -> None:
    assert Api(answer=answer).get("/things/a") == expected


def test_the_gateways_own_answers_are_json() -> None:
    assert json.loads(NOT_FOUND.body) == {"message": "Not Found"}
