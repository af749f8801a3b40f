"""The gateway's choice of a route, for events that tests create."""

import re
from pathlib import Path
from typing import Any

from local.template import read_template

_ROUTES = sorted(
    read_template(Path(__file__).parents[2] / "template.yaml").routes, key=lambda route: route.path.count("{")
)
_PATTERNS = [
    (route.key, route.method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.path))) for route in _ROUTES
]


def with_route(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with the route key and path parameters that match its method and path."""
    method = event["requestContext"]["http"]["method"]
    for key, of_route, pattern in _PATTERNS:
        if method == of_route and (matched := pattern.fullmatch(event["rawPath"])):
            return {**event, "routeKey": key, "pathParameters": matched.groupdict()}
    return {**event, "routeKey": "$default", "pathParameters": {}}
