"""Check access: the token must be for the request's project, and have one of the route's scopes."""

import re
from collections.abc import Collection, Mapping

from mailer.api.request_headers import header
from mailer.errors import Forbidden, InvalidRequest
from mailer.problem import Problem
from mailer.project import EVERY_PROJECT, ProjectId, parse_project_id

_JSON = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json\s*(?:;|\Z)", re.IGNORECASE)
_MAX_SHOWN = 64
# A token for every project is valid for this one, too.
_ANY_PROJECT = "any"


def allowed_project(caller: Mapping[str, object] | None, path_project: str, *, scopes: tuple[str, ...]) -> ProjectId:
    """Return the requested project if the caller may use it with one of `scopes`.

    `caller` is the authorizer's context. Raises `Forbidden`, also if there is no context, and
    `InvalidRequest` if the project id of the path is malformed.
    """
    claimed = caller.get("project_id") if caller else None
    granted = str(caller.get("scope", "")).split() if caller else []
    if claimed != EVERY_PROJECT and claimed != path_project:
        raise Forbidden("The token is for another project.")
    if not any(scope in granted for scope in scopes):
        raise Forbidden(f"The token lacks the scope {' or '.join(scopes)}.")
    project_id = parse_project_id(path_project)
    if project_id is None:
        remedy = "A project's id has 1 to 64 letters, digits, hyphens and underscores."
        raise InvalidRequest(Problem("project-id-malformed", remedy, pointer=""))
    return project_id


def demand_scope(caller: Mapping[str, object] | None, scope: str) -> None:
    """Refuse a token without the scope; raises `Forbidden`."""
    if scope not in (str(caller.get("scope", "")).split() if caller else []):
        raise Forbidden(f"The token lacks the scope {scope}.")


def demand_operator(caller: Mapping[str, object] | None, *, scopes: tuple[str, ...]) -> None:
    """Refuse every caller but the operator with one of `scopes`; raises `Forbidden`."""
    demand_caller(caller)
    if caller is None or caller.get("project_id") != EVERY_PROJECT:
        raise Forbidden("The token is not for every project: only the operator may do this.")
    allowed_project(caller, _ANY_PROJECT, scopes=scopes)


def named_project(caller: Mapping[str, object], parameters: Mapping[str, str]) -> str:
    """Return the project of a request whose path names no project: from the query, otherwise from the token.

    The project is not checked here. Raises `InvalidRequest` if the query names no project and the token is for every
    project.
    """
    claimed = str(caller.get("project_id", ""))
    named = parameters.get("projectId", claimed)
    if named == EVERY_PROJECT:
        remedy = "Name the project with ?projectId=...: the token is for every project."
        raise InvalidRequest(Problem("project-required", remedy, parameter="projectId"))
    return named


def unknown_parameters(parameters: Mapping[str, str], known: Collection[str]) -> list[Problem]:
    """Return a problem for each unknown query parameter."""
    remedy = f"Remove it. Known parameters: {', '.join(known)}."
    shown = (name[:_MAX_SHOWN].encode("ascii", "replace").decode() for name in parameters if name not in known)
    return [Problem("unknown-parameter", remedy, parameter=name) for name in shown]


def demand_parameters(parameters: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse unknown query parameters; raises `InvalidRequest`."""
    if problems := unknown_parameters(parameters, known):
        raise InvalidRequest(*problems)


def demand_caller(caller: Mapping[str, object] | None) -> None:
    """Refuse a request without a token; raises `Forbidden`. Project and scopes are not checked."""
    if not caller or not caller.get("project_id"):
        raise Forbidden("The request has no token.")


def demand_json(headers: Mapping[str, str]) -> None:
    """Refuse a body whose content type is not JSON; raises `InvalidRequest`. A missing content type means JSON."""
    content_type = header(headers, "content-type")
    if content_type is not None and not _JSON.match(content_type):
        remedy = "Send JSON, with the header Content-Type: application/json."
        raise InvalidRequest(Problem("content-type-unsupported", remedy, pointer=""))
