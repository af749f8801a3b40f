"""The routes of the function `send`."""

from mailer.api.emails.routes import ROUTES
from mailer.api.route import Route, RouteTable
from mailer.ports import SendPorts


def _dialects() -> tuple[Route[SendPorts], ...]:
    from mailer.api.dialects import routes  # noqa: PLC0415 -- most requests need no dialect

    return routes.ROUTES


TABLE = RouteTable(ROUTES, _dialects)
