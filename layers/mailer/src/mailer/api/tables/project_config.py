"""The routes of the function `project_config`."""

from mailer.api.config import provider_routes, routes
from mailer.api.config.ports import ConfigPorts
from mailer.api.route import Route, RouteTable
from mailer.api.templates import routes as template_routes


def _dialects() -> tuple[Route[ConfigPorts], ...]:
    from mailer.api.dialects import messagepipe_config  # noqa: PLC0415 -- most requests need no dialect

    return messagepipe_config.ROUTES


TABLE = RouteTable((*routes.ROUTES, *provider_routes.ROUTES, *template_routes.ROUTES), _dialects)
