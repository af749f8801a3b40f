"""A route: its key, the scopes it needs, the function that serves it, and its documentation."""

from collections.abc import Callable, Mapping
from functools import cached_property
from http import HTTPStatus

import msgspec
from msgspec import field

from mailer.api.access import (
    allowed_project,
    demand_caller,
    demand_json,
    demand_operator,
    demand_parameters,
    named_project,
)
from mailer.api.body import Body
from mailer.api.exchange import Answer, HttpApiEvent, answer_error
from mailer.api.problems import PROBLEM_JSON, ProblemDocument, status_of
from mailer.errors import Forbidden, InvalidRequest, MailerError, NotFound
from mailer.observation.record import Observation
from mailer.project import ProjectId

# For a day, repeated requests with the same key are served once.
IDEMPOTENCY_KEY = "Idempotency-Key"
PREFER = "Prefer"
IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
LIMIT_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
# The project's parameter in the path. If the path has none and the token is for every project, it is in the query.
PROJECT_PARAMETER = "projectId"

# Every route may raise these errors; `Route.errors` has the others.
COMMON_ERRORS: tuple[type[MailerError], ...] = (InvalidRequest, Forbidden, NotFound)

# The lease on a message must end after the function has certainly ended.
_LEASE_MARGIN_SECONDS = 5.0


class Request(msgspec.Struct, frozen=True):
    """A request whose caller was allowed to make it.

    By `deadline` the work ends, and until `record_by` the write of its outcome is tried; both are times of `clock`.
    """

    event: HttpApiEvent
    admitted_project: ProjectId | None
    deadline: float
    record_by: float
    seconds_left: float
    clock: Callable[[], float]
    observe: Callable[[Observation], None]

    @property
    def project(self) -> ProjectId:
        """The project of the request. Requests to routes without scopes, or for the operator, have no project."""
        if self.admitted_project is None:
            msg = f"{self.event.route_key} is about no project"
            raise AssertionError(msg)
        return self.admitted_project

    def log(self, observation: Observation) -> None:
        """Write an audit line with the caller and the project, or the event's project if the route has none."""
        self.observe(observation.asked_by(self.event.subject, self.admitted_project or self.event.project))

    @property
    def instance(self) -> str:
        """The id of the request."""
        return self.event.instance

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields; their names may be in upper or lower case."""
        return self.event.headers

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the query."""
        return self.event.query_string_parameters or {}

    @property
    def lease_seconds(self) -> float:
        """How long this request keeps the lease on its message: until the function has ended."""
        return self.seconds_left + _LEASE_MARGIN_SECONDS

    def path(self, name: str) -> str:
        """Return a parameter of the path, unchecked."""
        return self.event.path_parameters[name]

    def body(self) -> bytes | str:
        """Return the body as it was sent; raises `InvalidRequest`."""
        return self.event.octets()

    def json_body(self) -> bytes | str:
        """Return the body, still encoded; raises `InvalidRequest` if its content type is not JSON."""
        demand_json(self.headers)
        return self.body()

    def has_time(self) -> bool:
        """Tell whether the deadline is in the future."""
        return self.clock() < self.deadline


class ErrorShape(msgspec.Struct, frozen=True):
    """How a route answers an error; `refuse` gets the error and the request's id.

    Only the documentation reads `body`, `statuses` (by the code of an error), `content_type` and `headers`.
    """

    refuse: Callable[[MailerError, str], Answer]
    body: type[Body]
    statuses: Callable[[str], tuple[HTTPStatus, ...]] = lambda code: (status_of(code),)
    content_type: str = "application/json"
    headers: tuple[str, ...] = ("Retry-After",)


PROBLEM_DOCUMENT = ErrorShape(
    refuse=lambda error, instance: answer_error(error, instance=instance),
    body=ProblemDocument,
    content_type=PROBLEM_JSON,
)


class Route[Ports](msgspec.Struct, frozen=True, kw_only=True):
    """One route of the HTTP API.

    `key` is the gateway's route key (`POST /v1/projects/{projectId}/emails`). The token needs one of `scopes`; if
    `scopes` is empty, every valid token is enough. With `is_for_operator` the token must be for every project, and the
    route is about none. `query` and `headers` name the parameters and header fields that
    `serve` reads.
    Only the documentation reads `name` (the operation's id), `tag`, `summary`, `request` (the type of the JSON body),
    `answers` (types by status), `answer_headers` and `errors`.
    """

    key: str
    scopes: tuple[str, ...]
    serve: Callable[[Request, Ports], Answer]
    name: str
    tag: str
    summary: str
    query: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    request: object = None
    has_optional_body: bool = False
    answers: Mapping[int, object] = field(default_factory=dict)
    answer_headers: tuple[str, ...] = ()
    errors: tuple[type[MailerError], ...] = ()
    error_shape: ErrorShape = PROBLEM_DOCUMENT
    is_for_operator: bool = False

    def admit(self, event: HttpApiEvent) -> ProjectId | None:
        """Check access, and return the project of the request; None if the route has no project.

        Raises `Forbidden` and `InvalidRequest`. The body is not read before this check.
        """
        if not self.scopes:
            demand_caller(event.caller)
            return None
        if self.is_for_operator:
            demand_operator(event.caller, scopes=self.scopes)
            return None
        if f"{{{PROJECT_PARAMETER}}}" in self.key:
            return allowed_project(event.caller, event.path_parameters[PROJECT_PARAMETER], scopes=self.scopes)
        parameters = event.query_string_parameters or {}
        demand_parameters(parameters, self.query)
        return allowed_project(event.caller, named_project(event.caller, parameters), scopes=self.scopes)


class Need(msgspec.Struct, frozen=True):
    """The scopes and the errors of a route. The token needs one of the scopes."""

    scopes: tuple[str, ...] = ()
    errors: tuple[type[MailerError], ...] = ()


class RouteGroup(msgspec.Struct, frozen=True):
    """The common values of the routes below one path; `tag` is their heading in the documentation.

    `reading` has the default scopes and errors of GET routes, `changing` those of all other routes.
    """

    tag: str
    path: str
    reading: Need
    changing: Need
    query: tuple[str, ...] = ()
    error_shape: ErrorShape = PROBLEM_DOCUMENT
    is_for_operator: bool = False

    def route[Ports](
        self,
        key: str,
        *scopes: str,
        answers: Mapping[int, object],
        request: object = None,
        has_optional_body: bool = False,
        query: tuple[str, ...] = (),
        headers: tuple[str, ...] = (),
        answer_headers: tuple[str, ...] = (),
        errors: tuple[type[MailerError], ...] | None = None,
    ) -> Callable[[Callable[[Request, Ports], Answer]], Route[Ports]]:
        """Turn a function into a route; `key` is the method and the rest of the path (`POST /{emailId}/retry`).

        The documentation takes the operation's id from the function's name, and the summary from its docstring.
        """
        method, _, rest = key.partition(" ")
        need = self.reading if method == "GET" else self.changing

        def make(serve: Callable[[Request, Ports], Answer]) -> Route[Ports]:
            return Route(
                key=f"{method} {self.path}{rest}",
                scopes=scopes or need.scopes,
                serve=serve,
                name=_camel_case(serve.__name__),
                tag=self.tag,
                summary=(serve.__doc__ or "").removesuffix("."),
                request=request,
                has_optional_body=has_optional_body,
                query=(*self.query, *query),
                headers=headers,
                answers=answers,
                answer_headers=answer_headers,
                errors=need.errors if errors is None else errors,
                error_shape=self.error_shape,
                is_for_operator=self.is_for_operator,
            )

        return make


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


class RouteTable[Ports]:
    """The routes of one function. `load_dialects` imports the dialects' routes, which most requests do not need."""

    def __init__(self, own: tuple[Route[Ports], ...], load_dialects: Callable[[], tuple[Route[Ports], ...]]) -> None:
        self._own = {route.key: route for route in own}
        self._load_dialects = load_dialects

    @cached_property
    def _dialects(self) -> Mapping[str, Route[Ports]]:
        return {route.key: route for route in self._load_dialects()}

    def find(self, key: str) -> Route[Ports] | None:
        """Return the route with this key; imports the dialects if none of our own routes has this key."""
        return self._own.get(key) or self._dialects.get(key)

    def every(self) -> tuple[Route[Ports], ...]:
        """Return all routes, the dialects' included."""
        return (*self._own.values(), *self._dialects.values())
