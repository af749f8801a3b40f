"""Stored templates as HTTP callers see them."""

from mailer.api.emails.history import time_view
from mailer.api.exchange import Answer, answer
from mailer.message.address import Mailbox
from mailer.template.placeholder import paths
from mailer.template.template import StoredTemplate, Template, TemplatePage, TemplateSummary


def answer_template(stored: StoredTemplate) -> Answer:
    """Answer with a template, its name and what it has placeholders for; what it was made of can be put again."""
    template = stored.template
    view = {
        **_summary_view(stored.summary),
        "subject": template.subject,
        "text": template.text,
        "html": template.html,
        "from": _sender_view(template),
        "reply_to": [_mailbox_view(mailbox) for mailbox in template.reply_to],
        "defaults": template.defaults,
        "placeholders": _placeholders(template),
    }
    return answer(view).with_headers(ETag=f'"{stored.summary.etag}"')


def answer_removed(summary: TemplateSummary) -> Answer:
    """Answer that a template is gone."""
    return answer({"name": summary.name, "removed": True})


def templates_view(page: TemplatePage) -> dict[str, object]:
    """Show a page of templates; `cursor` is where the next one begins."""
    return {"templates": [_summary_view(summary) for summary in page.templates], "cursor": page.cursor}


def _summary_view(summary: TemplateSummary) -> dict[str, object]:
    return {"name": summary.name, "etag": f'"{summary.etag}"', "updated_at": time_view(summary.updated_at)}


def _sender_view(template: Template) -> dict[str, str | None] | None:
    if template.sender is not None:
        return _mailbox_view(template.sender)
    return {"name": template.sender_name} if template.sender_name is not None else None


def _mailbox_view(mailbox: Mailbox) -> dict[str, str | None]:
    return {"email": str(mailbox.address), "name": mailbox.display_name}


def _placeholders(template: Template) -> list[str]:
    texts = (template.subject, template.text, template.html)
    return list(dict.fromkeys(path for text in texts if text for path in paths(text)))
