"""Complete a draft with a stored template and values, before it is sent, queued or explained.

A value of the request wins over the template's, and a value of the template wins over the configuration's default. A
later change of the template does not affect accepted messages.
"""

from collections.abc import Callable
from copy import replace

from mailer.errors import TemplateNotFound
from mailer.input.inspection import Inspection
from mailer.message.address import Mailbox
from mailer.message.draft import MAX_SUBJECT, Draft, TemplateUse
from mailer.template.placeholder import Filling, Values, read_values
from mailer.template.template import StoredTemplate, Template, TemplateName, parse_template_name

# Returns a template of the message's own project, or None.
type FindTemplate = Callable[[TemplateName], StoredTemplate | None]


def complete_draft(draft: Draft, use: TemplateUse | None, *, find: FindTemplate) -> Draft:
    """Return the complete draft. Without `use` the draft is returned as it is.

    Raises `InvalidRequest`, `TemplateNotFound` and `LedgerUnavailable`.
    """
    if use is None:
        return draft
    template = _template(use, find)
    inspection = Inspection().at(use.place)
    # The defaults were validated when the template was stored.
    defaults = read_values(template.defaults, "", Inspection())
    filled = _fill(_merge(draft, template), {**defaults, **use.values}, inspection)
    inspection.finish()
    return filled


def _template(use: TemplateUse, find: FindTemplate) -> Template:
    if use.template is None:
        return Template()
    name = parse_template_name(use.template)
    found = find(name) if name is not None else None
    if found is None:
        raise TemplateNotFound(f"{use.place}/template")
    return found.template


def _merge(draft: Draft, template: Template) -> Draft:
    """Add the template's fields that the draft omits. An empty text or html in the draft replaces the template's."""
    sender, name = draft.sender, draft.sender_name
    if sender is None:
        sender = template.sender
        if sender is not None and name is not None:
            sender, name = Mailbox(sender.address, name), None
        elif sender is None:
            name = name or template.sender_name
    return replace(
        draft,
        subject=draft.subject or template.subject or "",
        text=template.text if draft.text is None else draft.text,
        html=template.html if draft.html is None else draft.html,
        sender=sender,
        sender_name=name,
        reply_to=draft.reply_to or template.reply_to,
    )


def _fill(draft: Draft, values: Values, inspection: Inspection) -> Draft:
    filling = Filling(values, inspection)
    subject = filling.subject(draft.subject)
    text = filling.text(draft.text) if draft.text else None
    html = filling.html(draft.html) if draft.html else None
    if not draft.subject:
        inspection.report("/subject", "required", "Give a subject: the template has none.")
    elif not subject.strip():
        inspection.report("/subject", "blank", "Give at least one character that is not a space.")
    elif len(subject) > MAX_SUBJECT:
        inspection.report("/subject", "too-long", f"A subject with its values has at most {MAX_SUBJECT} characters.")
    if not text and not html:
        inspection.report("/text", "required", "Give a text, an html or both, one of them not empty.")
    if not html:
        for index, attachment in enumerate(draft.attachments):
            if attachment.content_id is not None:
                pointer = f"/attachments/{index}/content_id"
                inspection.report(pointer, "html-required", "Remove it, or give the html that shows it.")
    return replace(draft, subject=subject, text=text or None, html=html or None)
