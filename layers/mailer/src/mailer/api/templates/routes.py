"""/v1/projects/{projectId}/templates: list, show, store and remove a project's templates."""

from mailer.api import scopes
from mailer.api.config.ports import ConfigPorts
from mailer.api.emails.query import demand_no_body
from mailer.api.exchange import Answer, answer
from mailer.api.route import IF_MATCH, IF_NONE_MATCH, Request, Route
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
    answer_removed,
    answer_template,
    templates_view,
)
from mailer.errors import ContentUnavailable, TemplateChanged, TemplateNotFound
from mailer.observation.configuration import observe_template
from mailer.service.manage_templates import find_template, remove_template, store_template

_TEMPLATES = "/v1/projects/{projectId}/templates"
_TAG = "Templates"


def _list(request: Request, ports: ConfigPorts) -> Answer:
    query = parse_templates_query(request.query)
    return answer(templates_view(ports.sending.templates.page(request.project, after=query.after, limit=query.limit)))


def _show(request: Request, ports: ConfigPorts) -> Answer:
    return answer_template(find_template(request.project, request.path("name"), templates=ports.sending.templates))


def _store(request: Request, ports: ConfigPorts) -> Answer:
    body = request.json_body()
    stored = store_template(
        request.project,
        parse_new_name(request.path("name")),
        parse_template(body),
        only_if=parse_precondition(request.headers, may_be_new=True),
        now=ports.sending.now().timestamp(),
        templates=ports.sending.templates,
    )
    request.observe(observe_template(stored.summary))
    return answer_template(stored)


def _remove(request: Request, ports: ConfigPorts) -> Answer:
    demand_no_body(request.body())
    only_if = parse_precondition(request.headers, may_be_new=False)
    removed = remove_template(request.project, request.path("name"), only_if=only_if, templates=ports.sending.templates)
    request.observe(observe_template(removed, is_removed=True))
    return answer_removed(removed)


ROUTES: tuple[Route[ConfigPorts], ...] = (
    Route(
        key=f"GET {_TEMPLATES}",
        scopes=(scopes.READ_CONFIGURATION, scopes.SEND),
        serve=_list,
        name="listTemplates",
        tag=_TAG,
        summary="List the stored templates by name",
        answers={200: ListedTemplates},
        query=PARAMETERS,
        errors=(ContentUnavailable,),
    ),
    Route(
        key=f"GET {_TEMPLATES}/{{name}}",
        scopes=(scopes.READ_CONFIGURATION, scopes.SEND),
        serve=_show,
        name="showTemplate",
        tag=_TAG,
        summary="Show a template",
        answers={200: ShownTemplate},
        answer_headers=("ETag",),
        errors=(TemplateNotFound, ContentUnavailable),
    ),
    Route(
        key=f"PUT {_TEMPLATES}/{{name}}",
        scopes=(scopes.WRITE_CONFIGURATION,),
        serve=_store,
        name="storeTemplate",
        tag=_TAG,
        summary="Store a template",
        request=TemplateBody,
        answers={200: ShownTemplate},
        headers=(IF_MATCH, IF_NONE_MATCH),
        answer_headers=("ETag",),
        errors=(TemplateChanged, ContentUnavailable),
    ),
    Route(
        key=f"DELETE {_TEMPLATES}/{{name}}",
        scopes=(scopes.WRITE_CONFIGURATION,),
        serve=_remove,
        name="removeTemplate",
        tag=_TAG,
        summary="Remove a template",
        answers={200: RemovedTemplate},
        headers=(IF_MATCH,),
        errors=(TemplateNotFound, TemplateChanged, ContentUnavailable),
    ),
)
