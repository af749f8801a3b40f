"""/v1/projects/{projectId}/templates: list, show, store and remove a project's templates."""

from functools import partial

from mailer.api.config.ports import ConfigPorts
from mailer.api.emails.query import demand_no_body
from mailer.api.exchange import Answer, answer
from mailer.api.route import IF_MATCH, IF_NONE_MATCH, Need, Request, Route, RouteGroup
from mailer.api.scopes import READ_CONFIGURATION, SEND, WRITE_CONFIGURATION
from mailer.api.templates.requests import (
    PARAMETERS,
    TemplateBody,
    parse_new_name,
    parse_precondition,
    parse_template,
    parse_templates_query,
)
from mailer.api.templates.views import (
    ListedTemplates,
    RemovedTemplate,
    ShownTemplate,
    answer_template,
    templates_view,
)
from mailer.errors import ContentUnavailable, TemplateChanged, TemplateNotFound
from mailer.observation.templates import observe_template
from mailer.service import manage_templates as managing

_TEMPLATES = RouteGroup(
    "Templates",
    "/v1/projects/{projectId}/templates",
    reading=Need((READ_CONFIGURATION, SEND), (TemplateNotFound, ContentUnavailable)),
    changing=Need((WRITE_CONFIGURATION,), (TemplateNotFound, TemplateChanged, ContentUnavailable)),
)


@_TEMPLATES.route("GET", answers={200: ListedTemplates}, query=PARAMETERS, errors=(ContentUnavailable,))
def list_templates(request: Request, ports: ConfigPorts) -> Answer:
    """List the stored templates by name."""
    query = parse_templates_query(request.query)
    return answer(templates_view(ports.sending.templates.page(request.project, after=query.after, limit=query.limit)))


@_TEMPLATES.route("GET /{name}", answers={200: ShownTemplate}, answer_headers=("ETag",))
def show_template(request: Request, ports: ConfigPorts) -> Answer:
    """Show a template."""
    name, templates = request.path("name"), ports.sending.templates
    return answer_template(managing.find_template(request.project, name, templates=templates))


@_TEMPLATES.route(
    "PUT /{name}",
    request=TemplateBody,
    answers={200: ShownTemplate},
    headers=(IF_MATCH, IF_NONE_MATCH),
    answer_headers=("ETag",),
    errors=(TemplateChanged, ContentUnavailable),
)
def store_template(request: Request, ports: ConfigPorts) -> Answer:
    """Store a template."""
    body = request.json_body()
    stored = managing.store_template(
        request.project,
        parse_new_name(request.path("name")),
        parse_template(body),
        only_if=parse_precondition(request.headers, may_be_new=True),
        now=ports.sending.now().timestamp(),
        templates=ports.sending.templates,
    )
    request.log(observe_template, stored.summary)
    return answer_template(stored)


@_TEMPLATES.route("DELETE /{name}", answers={200: RemovedTemplate}, headers=(IF_MATCH,))
def remove_template(request: Request, ports: ConfigPorts) -> Answer:
    """Remove a template."""
    demand_no_body(request.body())
    only_if = parse_precondition(request.headers, may_be_new=False)
    templates = ports.sending.templates
    removed = managing.remove_template(request.project, request.path("name"), only_if=only_if, templates=templates)
    request.log(partial(observe_template, is_removed=True), removed)
    return answer(RemovedTemplate(name=removed.name))


ROUTES: tuple[Route[ConfigPorts], ...] = (list_templates, show_template, store_template, remove_template)
