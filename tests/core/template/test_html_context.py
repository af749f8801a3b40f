"""Values in HTML are always text."""

import time
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mailer.errors import InvalidRequest
from mailer.input.inspection import Inspection
from mailer.template.html_context import regions
from mailer.template.placeholder import Filling, check_html

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "--><script>",
    "--!>",
    "-",
    ">",
    "</title><script>",
    "]]>",
    "lt;script>",
    "#60;",
    "&lt;",
    "{x}",
    "`",
    "a b",
    "\r\n",
    "javascript:alert(1)",
    "",
]
VALUES = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
TEMPLATE = """<!DOCTYPE html><html><head><title>Hi {x}</title><style>a{color:red} @media print{b{c:d}}</style></head>
<body class="{x}"><!-- for {x}- --><p title='{x}' data-x="a{x}b">Hello {x}, &{x}; {x}&{x} < {x} &#{x}</p>
<!--[if mso]><v:rect fillcolor="{x}">{x}</v:rect>{x}<![endif]--><a href="https://acme.example/?q={x}">{x}</a><br/>{x}
<img alt="{x}" src="https://acme.example/{x}.png"><textarea>{x}</textarea></body></html>"""


class Structure(HTMLParser):
    """The structure that a parser reads in an HTML text: elements, attributes, texts, and the attributes' values."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.shape: list[object] = []
        self.values: list[str | None] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, [name for name, _ in attrs]))
        self.values.extend(value for _, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        self.shape.append(tag)

    def handle_comment(self, data: str) -> None:
        self.shape.append("comment")

    def handle_decl(self, decl: str) -> None:
        self.shape.append(decl)

    def unknown_decl(self, data: str) -> None:
        self.shape.append(data)

    def handle_pi(self, data: str) -> None:
        self.shape.append(data)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def filled(html: str, **values: str) -> str:
    inspection = Inspection()
    result = Filling(values, inspection).html(html)
    inspection.finish()
    return result


def refusal(html: str, **values: str) -> list[tuple[str, str | None]]:
    with pytest.raises(InvalidRequest) as refused:
        filled(html, **values)
    return [(problem.code, problem.pointer) for problem in refused.value.problems]


@given(VALUES)
@example("lt;script>")
def test_no_value_changes_elements_or_attributes(value: str) -> None:
    assert Structure(filled(TEMPLATE, x=value)).shape == Structure(filled(TEMPLATE, x="x")).shape


@given(VALUES)
def test_a_browser_reads_the_value_as_given(value: str) -> None:
    structure = Structure(filled('<p title="{x}">{x}</p>&{x}', x=value))

    assert structure.values == [value]
    assert "".join(structure.texts) == f"{value}&{value}"


@pytest.mark.parametrize("value", [each for each in HOSTILE if each])
def test_no_value_ends_a_comment(value: str) -> None:
    inside = filled("<!--{x}-{x}-->", x=value).removeprefix("<!--").removesuffix("-->")

    assert "-->" not in inside
    assert "--!>" not in inside
    assert "<" not in inside


@pytest.mark.parametrize(
    "html",
    [
        "<{x}>",
        "<{x}",
        "</{x}>",
        "<a{x}>",
        "<a {x}>",
        "<a {x}='y'>",
        "<a title={x}>",
        "<a title='y'{x}>",
        "<a onclick='f({x})'>",
        '<a onclick="{x}">',
        "<a unknown='{x}'>",
        "<iframe srcdoc='{x}'></iframe>",
        "<img srcset='{x}'>",
        "<meta content='0;url={x}'>",
        "<base href='{x}'>",
        "<script>{x}</script>",
        "<script src='https://acme.example/{x}'></script>",
        "<SCRIPT >var a = '{x}'</SCRIPT>",
        "<style>a { color: {x} }</style>",
        "<noscript>{x}</noscript>",
        "<plaintext>{x}",
        "<title></ti{x}</title>",
        "<title>{x}",
        "<!{x}>",
        "<!DOCTYPE {x}>",
        "<?{x}?>",
        "<!--{x}",
        "<!-{x}-->",
        "<a title='{x}",
        "<a title='{x}>",
        "<a href='javascript:{x}'>",
        "<a href='java&Tab;script&colon;f({x})'>",
        "<a href='data:text/html,{x}'>",
    ],
)
def test_a_placeholder_where_no_value_is_safe_is_refused(html: str) -> None:
    assert refusal(html, x="x") == [("placeholder-misplaced", "/html")]


@pytest.mark.parametrize("html", ["<style>a{color:{x}}</style>", "<a {x}>", "<script>{x}</script>", "<!{x}>"])
def test_a_misplaced_placeholder_is_refused_without_values(html: str) -> None:
    inspection = Inspection()

    check_html(html, "/html", inspection)

    with pytest.raises(InvalidRequest):
        inspection.finish()


def test_doubled_braces_are_allowed_anywhere() -> None:
    assert filled("<style>a{{x}}</style><a {{x}}>") == "<style>a{x}</style><a {x}>"


@pytest.mark.parametrize(
    "value",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " javascript:alert(1)",
        "\x01javascript:alert(1)",
        "java\nscript:alert(1)",
        "java\tscript:alert(1)",
        "vbscript:x",
        "data:text/html,<script>",
        "blob:x",
        "file:///etc/passwd",
        "x:y",
    ],
)
@pytest.mark.parametrize("html", ["<a href='{x}'>", '<img src="{x}/a">', "<td background=' {x}'>"])
def test_no_value_makes_an_address_run_code(html: str, value: str) -> None:
    assert refusal(html, x=value) == [("not-allowed-here", "/template_data/x")]


def test_no_values_form_a_scheme_together() -> None:
    assert refusal("<a href='java{x}'>", x="script:alert(1)") == [("not-allowed-here", "/template_data/x")]
    assert refusal("<a href='{x}{y}'>", x="javascript", y=":alert(1)") == [("not-allowed-here", "/template_data/x")]
    assert refusal("<a href='{x}:alert(1)'>", x="javascript") == [("not-allowed-here", "/template_data/x")]


@pytest.mark.parametrize(
    "value",
    [
        "https://acme.example/?a=b&c=d",
        "http://x",
        "mailto:a@b.example",
        "tel:+1",
        "cid:logo",
        "/path",
        "path?x=a:b",
        "",
        "#top",
    ],
)
def test_web_addresses_and_relative_addresses_are_inserted(value: str) -> None:
    assert Structure(filled("<a href='{x}'>", x=value)).values == [value]


def test_the_author_of_a_template_chooses_the_scheme() -> None:
    assert filled("<a href='acme-app:open?token={x}'>", x="a:b") == "<a href='acme-app:open?token=a:b'>"


@pytest.mark.parametrize("value", ["#ff0000", "red", "12.5px", "50%"])
def test_a_style_accepts_simple_values(value: str) -> None:
    assert filled("<p style='color: {x}'>", x=value) == f"<p style='color: {value}'>"


@pytest.mark.parametrize("value", ["red;background:url(//x)", "expression(x)", "a:b", "a/*", "\\75 rl"])
def test_no_value_adds_a_declaration_to_a_style(value: str) -> None:
    assert refusal("<p style='color: {x}'>", x=value) == [("not-allowed-here", "/template_data/x")]


def test_conditional_comments_are_read_as_markup() -> None:
    html = '<!--[if mso]><v:rect href="{x}" {y}><![endif]-->'

    assert ("placeholder-misplaced", "/html") in refusal(html, x="https://a", y="b")
    assert refusal('<!--[if mso]><v:rect href="{x}"><![endif]-->', x="javascript:x") == [
        ("not-allowed-here", "/template_data/x")
    ]


PIECES = (
    """< > </ <a <p> </p> title= href= ' " {x} / = <!-- --> -- - <! & &# <title> </title> <style> </style> [if t { }"""
)
MARKUP = st.lists(st.sampled_from([" ", *PIECES.split(), "<a ", "[if x]>"]), max_size=14).map("".join)
# The parser in this test stops at a marked section.
READABLE = MARKUP.filter(lambda html: "<![" not in html)


@given(MARKUP)
@example("<!--[if a]><!--[if b]>{x}-->")
def test_the_regions_are_the_whole_text(html: str) -> None:
    found = list(regions(html))

    assert "".join(html[region.start : region.end] for region in found) == html


@given(READABLE, VALUES)
@example("<title>{x}</title", "</title>")
def test_in_any_template_values_are_refused_or_change_nothing(html: str, value: str) -> None:
    inspection = Inspection()
    result = Filling({"x": value}, inspection).html(html)
    try:
        inspection.finish()
    except InvalidRequest:
        return

    assert Structure(result).shape == Structure(filled(html, x="x")).shape


@pytest.mark.parametrize(
    "piece", ["<", "<{", "<a ", '<a title="', "<!x>", "<!--[if a]>", "<title>", "{", "&", "{{a", '<a href="{x}">']
)
def test_any_template_is_read_in_time(piece: str) -> None:
    html = piece * (100_000 // len(piece))

    began = time.process_time()
    Filling({"x": "y"}, Inspection()).html(html)

    assert time.process_time() - began < 3.0
