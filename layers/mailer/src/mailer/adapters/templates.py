"""The platform's own e-mails, rendered by Jinja2 from the templates in the package.

Each template has its sentences once. A layout renders them as HTML or as text, so the two cannot differ. Values are
never read as templates, and they are escaped in HTML.
"""

import re
from pathlib import Path

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mailer.message.address import FORBIDDEN
from mailer.system_email.content import Content, Values
from mailer.system_email.event import EventType
from mailer.system_email.locale import Language

MAX_SUBJECT = 250

_TEMPLATES = Path(__file__).parent.parent / "system_email" / "templates"
_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
_STYLES = {
    "font": _FONT,
    "paragraph": f"margin:0 0 18px 0;{_FONT}font-size:16px;line-height:25px;color:#1b1f27;word-break:break-word;",
    "small": f"margin:0 0 18px 0;{_FONT}font-size:14px;line-height:21px;color:#667085;word-break:break-word;",
    # This fills the rest of the preview, so that the preview does not show the e-mail's text or its code.
    "filler": "\u034f\u00a0" * 120,
}
_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


class TemplateFault(Exception):
    """A template rendered something that cannot be sent; the template must be corrected."""


class JinjaTemplates:
    """Implements `Templates`."""

    def __init__(self) -> None:
        loader = FileSystemLoader(_TEMPLATES)
        self._html = _environment(loader, is_html=True)
        self._plain = _environment(loader, is_html=False)

    def render(self, type: EventType, language: Language, values: Values) -> Content:
        """Return the rendered e-mail; raises `TemplateFault`."""
        name = f"{language}/{_WORD_START.sub('_', type.value).lower()}.j2"
        shown = {**msgspec.structs.asdict(values), **_STYLES, "language": language.value}
        subject = self._plain.get_template(name).render(shown, layout="layout.subject").removesuffix("\n")
        if FORBIDDEN.search(subject) or not subject.strip() or len(subject) > MAX_SUBJECT:
            msg = f"the subject of {name} is not one line of text"
            raise TemplateFault(msg)
        return Content(
            subject=subject,
            text=self._plain.get_template(name).render(shown, layout="layout.txt"),
            html=self._html.get_template(name).render(shown, layout="layout.html"),
        )


def _environment(loader: FileSystemLoader, *, is_html: bool) -> Environment:
    return Environment(
        loader=loader,
        autoescape=is_html,  # noqa: S701 -- text and subjects are not markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
