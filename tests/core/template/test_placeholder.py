"""Placeholders and their values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.errors import InvalidRequest
from mailer.input.inspection import Inspection
from mailer.template.placeholder import MAX_OUTPUT, MAX_VALUE, MAX_VALUES, Filling, Values, paths, read_values

ADA = {"first_name": "Ada", "user.name": "Ada Lovelace", "n": "3"}
# A request never contains lone surrogates, because decoding refuses them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def filled_text(text: str, values: Values = ADA) -> str:
    inspection = Inspection()
    result = Filling(values, inspection).text(text)
    inspection.finish()
    return result


def filled_subject(text: str, values: Values = ADA) -> str:
    inspection = Inspection()
    result = Filling(values, inspection).subject(text)
    inspection.finish()
    return result


def problems_of(error: InvalidRequest) -> list[tuple[str, str | None]]:
    return [(problem.code, problem.pointer) for problem in error.problems]


def read(value: object) -> Values:
    inspection = Inspection()
    values = read_values(value, "/template_data", inspection)
    inspection.finish()
    return values


def test_a_name_is_replaced_by_its_value() -> None:
    assert filled_text("Hello {first_name}, {n} of {n}.") == "Hello Ada, 3 of 3."
    assert filled_subject("Hello {first_name}") == "Hello Ada"


def test_a_path_names_a_value_in_an_object() -> None:
    assert filled_text("{user.name}") == "Ada Lovelace"


def test_a_text_is_not_escaped() -> None:
    assert filled_text("{x}", {"x": "<b> & 'co'"}) == "<b> & 'co'"


@pytest.mark.parametrize(
    "text",
    [
        "a { color: red }",
        "@media print{a{color:red}}",
        "{}",
        "{ first_name }",
        "{0}",
        "{0.__class__}",
        "{first-name}",
        "{first_name",
        "first_name}",
        "{first_name.}",
        "{.first_name}",
        "{first_name!r}",
        "{first_name:>10}",
        "${x", "%(x)s", "{{7*7}}", "{{", "}}", "{{{",
        "{" + "a" * 65 + "}",
        "{a.b.c.d.e.f}",
    ],
)  # fmt: skip
def test_every_other_brace_is_literal(text: str) -> None:
    assert filled_text(text, {}) == text


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{first_name}}", "{first_name}"),
        ("{{{n}}}", "{{n}}"),
        ("{{n}", "{3"),
        ("{n}}", "3}"),
        ("{{n}}{n}", "{n}3"),
        ("a{width:{n}}", "a{width:3}"),
    ],
)
def test_doubled_braces_are_single_literal_braces(text: str, result: str) -> None:
    assert filled_text(text) == result


@pytest.mark.parametrize("value", ["{n}", "{{n}}", "{{7*7}}", "${x}", "{0.__class__}", "%(x)s"])
def test_values_are_not_searched_for_placeholders(value: str) -> None:
    assert filled_text("{x}{n}", {"x": value, "n": "3"}) == value + "3"


def test_a_name_without_a_value_is_an_error_with_its_pointer() -> None:
    with pytest.raises(InvalidRequest) as refused:
        filled_text("{a} {a} {user.email}")

    assert problems_of(refused.value) == [
        ("value-missing", "/template_data/a"),
        ("value-missing", "/template_data/user/email"),
    ]


def test_an_object_is_not_a_value() -> None:
    with pytest.raises(InvalidRequest) as refused:
        filled_text("{user}")

    assert problems_of(refused.value) == [("value-missing", "/template_data/user")]


@pytest.mark.parametrize("value", ["a\nb", "a\r\nBcc: x@y.example", "\x00", "\x85", "\u2028", "\u202e"])
def test_a_line_break_or_control_never_reaches_the_subject(value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        filled_subject("Hello {first_name}", {"first_name": value})

    assert problems_of(refused.value) == [("control-character", "/template_data/first_name")]


def test_a_text_may_have_values_of_several_lines() -> None:
    assert filled_text("{x}", {"x": "a\r\nb\tc"}) == "a\r\nb\tc"


def test_too_large_output_is_refused_before_it_is_built() -> None:
    with pytest.raises(InvalidRequest) as refused:
        filled_text("{x}" * 100_000, {"x": "x" * MAX_VALUE})

    assert problems_of(refused.value) == [("too-long", "/text")]


def test_the_limit_counts_octets() -> None:
    assert len(filled_text("{x}", {"x": "x" * MAX_OUTPUT})) == MAX_OUTPUT
    with pytest.raises(InvalidRequest):
        filled_text("{x}", {"x": "é" * (MAX_OUTPUT // 2 + 1)})


def test_subject_text_and_html_share_the_limit() -> None:
    inspection = Inspection()
    filling = Filling({"x": "x" * 600_000}, inspection)

    filling.text("{x}")
    filling.html("{x}")

    with pytest.raises(InvalidRequest) as refused:
        inspection.finish()
    assert problems_of(refused.value) == [("too-long", "/html")]


@given(TEXTS)
def test_a_text_without_placeholders_is_unchanged(text: str) -> None:
    if not paths(text) and "{{" not in text:
        assert filled_text(text, {}) == text


@given(st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True), TEXTS, max_size=5))
def test_every_value_is_inserted_unchanged_in_text(values: dict[str, str]) -> None:
    assert filled_text("|".join(f"{{{name}}}" for name in values), values) == "|".join(values.values())


# -- The values -------------------------------------------------------------------------------------------------------


def test_strings_numbers_and_booleans_are_values() -> None:
    given = {"a": "x", "b": 3, "c": 0.5, "d": True, "e": {"f": False, "g": {"h": "y"}}, "i": None}

    assert read(given) == {"a": "x", "b": "3", "c": "0.5", "d": "true", "e.f": "false", "e.g.h": "y"}


@pytest.mark.parametrize(
    ("value", "code", "pointer"),
    [
        ([], "wrong-type", "/template_data"),
        ("x", "wrong-type", "/template_data"),
        ({"a": ["x"]}, "wrong-type", "/template_data/a"),
        ({"a": {"b": [1]}}, "wrong-type", "/template_data/a/b"),
        ({"a-b": "x"}, "name-malformed", "/template_data"),
        ({"a.b": "x"}, "name-malformed", "/template_data"),
        ({"": "x"}, "name-malformed", "/template_data"),
        ({"1": "x"}, "name-malformed", "/template_data"),
        ({"a\n": "x"}, "name-malformed", "/template_data"),
        ({"é": "x"}, "name-malformed", "/template_data"),
        ({"a" * 65: "x"}, "name-malformed", "/template_data"),
        ({"a": "x\x00"}, "control-character", "/template_data/a"),
        ({"a": "x\x1b[2J"}, "control-character", "/template_data/a"),
        ({"a": "x" * (MAX_VALUE + 1)}, "too-long", "/template_data/a"),
        ({"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}, "too-deep", "/template_data/a/b/c/d/e"),
        ({f"a{n}": n for n in range(MAX_VALUES + 1)}, "too-many-values", "/template_data"),
    ],
)
def test_other_types_are_refused_as_values(value: object, code: str, pointer: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(value)

    assert problems_of(refused.value) == [(code, pointer)]


def test_paths_are_listed_in_order_without_duplicates() -> None:
    assert paths("{b} {a.c} {b} {{d}} {0}") == ("b", "a.c")
