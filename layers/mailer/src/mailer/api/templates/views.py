"""Stored templates as API callers see them."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from mailer.api.body import Always, Body, Time, fill
from mailer.api.emails.history import time_view
from mailer.api.emails.query import MAX_LIMIT
from mailer.api.exchange import Answer, answer
from mailer.message.address import Mailbox
from mailer.template.placeholder import paths
from mailer.template.template import StoredTemplate, Template, TemplatePage, TemplateSummary


class ShownMailbox(Body, frozen=True, kw_only=True):
    """A mailbox. A template's From may have a name only."""

    email: str | UnsetType = UNSET
    name: str | None


class ListedTemplate(Body, frozen=True, kw_only=True):
    """A template in a list."""

    name: str
    etag: str
    updated_at: Time


class ShownTemplate(ListedTemplate, frozen=True, kw_only=True):
    """A stored template."""

    subject: str | None
    text: str | None
    html: str | None
    sender: ShownMailbox | None = field(name="from")
    reply_to: tuple[ShownMailbox, ...]
    defaults: Annotated[Mapping[str, object], Meta(description="Values for placeholders.")]
    placeholders: Annotated[tuple[str, ...], Meta(description="The placeholders in subject, text and HTML.")]


class RemovedTemplate(Body, frozen=True, kw_only=True):
    """A template that was removed."""

    name: str
    removed: Always = True


class ListedTemplates(Body, frozen=True, kw_only=True):
    """A page of templates, by name."""

    templates: Annotated[tuple[ListedTemplate, ...], Meta(max_length=MAX_LIMIT)]
    cursor: Annotated[str | None, Meta(description="The cursor of the next page; null on the last page.")]


def answer_template(stored: StoredTemplate) -> Answer:
    """Answer with a template. Its fields have the same shape as in a request to store it."""
    template, summary = stored.template, stored.summary
    shown = fill(
        ShownTemplate,
        summary,
        template,
        etag=_etag(summary),
        updated_at=time_view(summary.updated_at),
        sender=_sender_view(template),
        reply_to=tuple(map(_mailbox_view, template.reply_to)),
        placeholders=_placeholders(template),
    )
    return answer(shown).with_headers(ETag=_etag(summary))


def templates_view(page: TemplatePage) -> ListedTemplates:
    """Show a page of templates."""
    listed = (
        ListedTemplate(name=summary.name, etag=_etag(summary), updated_at=time_view(summary.updated_at))
        for summary in page.templates
    )
    return ListedTemplates(templates=tuple(listed), cursor=page.cursor)


def _etag(summary: TemplateSummary) -> str:
    return f'"{summary.etag}"'


def _sender_view(template: Template) -> ShownMailbox | None:
    if template.sender is not None:
        return _mailbox_view(template.sender)
    return ShownMailbox(name=template.sender_name) if template.sender_name is not None else None


def _mailbox_view(mailbox: Mailbox) -> ShownMailbox:
    return ShownMailbox(email=str(mailbox.address), name=mailbox.display_name)


def _placeholders(template: Template) -> tuple[str, ...]:
    texts = (template.subject, template.text, template.html)
    return tuple(dict.fromkeys(path for text in texts if text for path in paths(text)))
