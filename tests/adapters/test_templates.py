"""Each system e-mail in each language: its text, and that no value changes its structure."""

import re
from copy import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailer.adapters.templates import JinjaTemplates, TemplateFault
from mailer.message.address import FORBIDDEN
from mailer.system_email.content import Content, Values
from mailer.system_email.event import EventType
from mailer.system_email.locale import Language

from tests.support.composing import composed, make_draft, read, read_content, read_text, structure

TEMPLATES = JinjaTemplates()
LINK = "https://app.platform.example/setpassword/4711/t0k3n?a=1&b=2"
CODE = "7Q2-93XK"
VALUES = Values(
    platform="Example Platform",
    host="app.platform.example",
    name="Ada Lovelace",
    project="Acme",
    inviter="Grace Hopper",
    link=LINK,
    code=CODE,
    valid_until="a certain time",
)
LEAST = replace(VALUES, name=None, project=None, inviter=None, link=None, code=None, valid_until=None)
EVERY = [(type_, language) for type_ in EventType for language in Language]
VOID = {"meta", "br"}

every_mail = pytest.mark.parametrize(("type_", "language"), EVERY)


class Page(HTMLParser):
    """The HTML as a mail client reads it: tags, links and visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def values(self, tag: str, attribute: str) -> list[str]:
        return [value for found, name, value in self.attributes if (found, name) == (tag, attribute)]


def render(type_: EventType, language: Language, values: Values = VALUES) -> Content:
    return TEMPLATES.render(type_, language, values)


@every_mail
def test_a_mail_shows_link_and_code_in_both_forms(type_: EventType, language: Language) -> None:
    content = render(type_, language)
    page = Page(content.html)

    assert f"\n{LINK}\n" in content.text
    assert f"\n    {CODE}\n" in content.text
    assert page.values("a", "href") == [LINK, LINK]
    assert LINK in page.text, "beside the button, for who cannot or would not use it"
    assert CODE in page.text


@every_mail
def test_a_mail_names_the_platform_the_project_and_the_requester(type_: EventType, language: Language) -> None:
    content = render(type_, language)

    for text in (content.text, Page(content.html).text):
        flat = " ".join(text.split())
        assert all(name in flat for name in ("Example Platform", "Acme", "Grace Hopper", "Ada Lovelace"))
        assert "a certain time" in flat


@every_mail
def test_a_mail_with_only_required_values_is_complete(type_: EventType, language: Language) -> None:
    content = render(type_, language, LEAST)
    page = Page(content.html)

    for text in (content.subject, content.text, page.text):
        assert not re.search(r"None|\{|\}|  ,| ,| \.(?:\s|$)|\(\)", text)
        assert "Example Platform" in text
    assert page.values("a", "href") == []
    assert "a certain time" not in content.text
    assert "\n\n\n" not in content.text


@every_mail
def test_W25_the_subject_is_the_projects_or_the_platforms(type_: EventType, language: Language) -> None:
    assert "Acme" in render(type_, language).subject
    assert "Example Platform" in render(type_, language, LEAST).subject


@every_mail
def test_SH14_no_secret_is_in_the_subject_or_the_preview(type_: EventType, language: Language) -> None:
    content = render(type_, language)
    preview = Page(content.html).text.partition("Example Platform")[0]

    for secret in (CODE, LINK, "t0k3n"):
        assert secret not in content.subject
        assert secret not in preview


@every_mail
def test_the_html_uses_only_what_mail_clients_support(type_: EventType, language: Language) -> None:
    html = render(type_, language).html
    page = Page(html)

    assert html.startswith("<!DOCTYPE html>\n")
    assert page.open == []
    assert page.values("html", "lang") == [language.value]
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert all(role == "presentation" for role in page.values("table", "role"))
    assert len(page.values("table", "role")) == len([tag for tag, _ in page.tags if tag == "table"])
    assert len([tag for tag, _ in page.tags if tag == "h1"]) == 1
    assert not {"img", "script", "link", "iframe", "form", "input", "object", "svg"} & {tag for tag, _ in page.tags}
    assert not re.search(r"url\(|@import|@font-face|src=|\son\w+=", html)
    assert len(html) < 100_000, "Gmail cuts longer ones"
    assert max(map(len, html.splitlines())) < 998


@every_mail
def test_the_text_fits_a_screen(type_: EventType, language: Language) -> None:
    text = render(type_, language).text

    assert all(len(line) <= 72 for line in text.splitlines() if line != LINK)
    assert text.endswith(".\n")
    assert "\n\n\n" not in text


def test_the_languages_have_different_texts() -> None:
    for type_ in EventType:
        english, german = render(type_, Language.EN), render(type_, Language.DE)
        assert english.subject != german.subject
        assert english.text != german.text


def test_the_mail_states_its_validity() -> None:
    def validity(**changes: str | None) -> str:
        text = render(EventType.PASSWORD_RESET_REQUESTED, Language.EN, replace(VALUES, **changes)).text  # type: ignore[arg-type]  # names of texts
        return next(line for line in text.splitlines() if "a certain time" in line)

    assert validity() == "The link and the code are valid until a certain time."
    assert validity(code=None) == "The link is valid until a certain time."
    assert validity(link=None) == "The code is valid until a certain time."


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</title></td></table>",
    "<!-- --><!--[if mso]>",
    "{{7*7}}",
    "{% raw %}",
    "{# #}",
    "${7*7}",
    "{0.__class__}",
    "%(x)s %s",
    "&lt;b&gt; &amp;",
    "\\",
]


@every_mail
@pytest.mark.parametrize("value", HOSTILE)
def test_IN17_IN18_a_name_stays_text(type_: EventType, language: Language, value: str) -> None:
    plain = render(type_, language)
    content = render(type_, language, replace(VALUES, name=value, project=value, inviter=value, platform=value))
    page = Page(content.html)

    assert page.tags == Page(plain.html).tags
    assert page.values("a", "href") == [LINK, LINK]
    assert page.open == []
    assert " ".join(value.split()) in page.text
    assert value in content.subject
    assert "49" not in content.text.replace(LINK, "").replace(CODE, "")


@every_mail
@pytest.mark.parametrize("value", ["Ada", "Zoë \U0001f600", *HOSTILE])
def test_IN28_a_composed_mail_parses_back_to_its_parts(type_: EventType, language: Language, value: str) -> None:
    content = render(type_, language, replace(VALUES, name=value, project=value, inviter=value))

    message = read(composed(make_draft(subject=content.subject, text=content.text, html=content.html)))

    assert read_text(str(message["Subject"])) == content.subject
    assert structure(message) == ["multipart/alternative", ["text/plain"], ["text/html"]]
    parts = [part for part in message.walk() if not part.is_multipart()]
    assert [read_content(part).decode().replace("\r\n", "\n") for part in parts] == [content.text, content.html]


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60).filter(
    lambda text: not FORBIDDEN.search(text) and bool(text.strip())
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(EVERY), NAMES, NAMES, NAMES)
def test_IN17_IN20_no_name_changes_the_structure(
    mail: tuple[EventType, Language], name: str, project: str, inviter: str
) -> None:
    content = render(*mail, replace(VALUES, name=name, project=project, inviter=inviter))

    assert Page(content.html).tags == Page(render(*mail).html).tags
    assert "\n" not in content.subject
    assert not FORBIDDEN.search(content.subject)


@pytest.mark.parametrize("project", ["a\nBcc: b@c.example", "a\rb", "a\u2028b", "a\u202eb", "x" * 300])
def test_IN20_a_subject_that_is_not_one_line_is_not_sent(project: str) -> None:
    with pytest.raises(TemplateFault):
        render(EventType.USER_INVITED, Language.EN, replace(VALUES, project=project))
