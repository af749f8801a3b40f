"""Turn an HTTP API event (payload 2.0) into the gateway's answer."""

from collections.abc import Callable, Mapping
from typing import TypedDict

import msgspec

from mailer.api.exchange import RESERVE_SECONDS, Answer, HttpApiEvent, read_event, request_deadline
from mailer.api.problems import InternalError
from mailer.api.route import PROBLEM_DOCUMENT, Request, Route, RouteTable
from mailer.errors import MailerError, NotFound
from mailer.observation.metrics import CountMetric
from mailer.observation.record import Log, Observation, record_bug, record_observation
from mailer.observation.sending import observe_error
from mailer.project import ProjectId


class GatewayAnswer(TypedDict):
    """An answer in the form that the gateway needs."""

    statusCode: int
    headers: dict[str, str]
    body: str
    isBase64Encoded: bool


class Invocation(msgspec.Struct, frozen=True):
    """The function's logger, metrics and clock, and the seconds until the function is stopped."""

    log: Log
    count: CountMetric
    clock: Callable[[], float]
    seconds_left: float

    def observe(self, observation: Observation) -> None:
        """Write one log line and its metrics."""
        record_observation(observation, log=self.log, count=self.count)


def handle_event[Ports](
    event: Mapping[str, object], *, table: RouteTable[Ports], ports: Ports, invocation: Invocation
) -> GatewayAnswer:
    """Find the event's route, serve it and return the answer."""
    http = read_event(event)
    route = table.find(http.route_key)
    if route is None:
        return _to_gateway(PROBLEM_DOCUMENT.refuse(NotFound(), http.instance))
    return _to_gateway(_answer(http, route, ports, invocation))


def _answer[Ports](event: HttpApiEvent, route: Route[Ports], ports: Ports, invocation: Invocation) -> Answer:
    try:
        return route.serve(_request(event, route.admit(event), invocation), ports)
    except MailerError as error:
        invocation.observe(observe_error(error).asked_by(event.subject, event.project))
        return route.error_shape.refuse(error, event.instance)
    except Exception as error:  # noqa: BLE001 -- a bug is logged once, and the caller gets an answer
        record_bug(error, log=invocation.log)
        return route.error_shape.refuse(InternalError(), event.instance)


def _request(event: HttpApiEvent, project: ProjectId | None, invocation: Invocation) -> Request:
    now = invocation.clock()
    return Request(
        event,
        project,
        deadline=request_deadline(now, seconds_left=invocation.seconds_left),
        record_by=now + invocation.seconds_left - RESERVE_SECONDS,
        seconds_left=invocation.seconds_left,
        clock=invocation.clock,
        observe=invocation.observe,
    )


def _to_gateway(answer: Answer) -> GatewayAnswer:
    headers = {"Content-Type": answer.content_type, **answer.headers}
    return {"statusCode": answer.status, "headers": headers, "body": answer.body, "isBase64Encoded": False}
