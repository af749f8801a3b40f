import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from project_smtp_cli.importing.imported import NotImportable
from project_smtp_cli.importing.tolerant_json import read

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
SPACES: st.SearchStrategy[str] = st.sampled_from(
    ["", " ", "\t", "\n", "\r\n", '// a comment, "}\n', "/* another ] */", "/***/", "/* // */"]
)


def loosely(value: object, data: st.DataObject) -> str:
    """The value as somebody might have written it: comments anywhere between tokens, commas after the last."""

    def space() -> str:
        return data.draw(SPACES)

    def joined(parts: list[str], opening: str, closing: str) -> str:
        is_loose = data.draw(st.booleans())
        last = f",{space()}" if parts and is_loose else ""
        return f"{opening}{space()}{f'{space()},{space()}'.join(parts)}{space()}{last}{closing}"

    match value:
        case dict():
            parts = [f"{json.dumps(name)}{space()}:{space()}{loosely(item, data)}" for name, item in value.items()]
            return joined(parts, "{", "}")
        case list():
            return joined([loosely(item, data) for item in value], "[", "]")
        case _:
            return json.dumps(value)


@given(VALUES, st.data())
def test_comments_and_trailing_commas_change_no_value(value: object, data: st.DataObject) -> None:
    assert read(f"{data.draw(SPACES)}{loosely(value, data)}{data.draw(SPACES)}") == value


@given(VALUES)
def test_strict_json_reads_as_strict_json(value: object) -> None:
    assert read(json.dumps(value, ensure_ascii=False)) == value


@given(st.text(st.sampled_from('{}[]",:/*\\\n\t a1\x00'), max_size=40) | st.text(max_size=40))
def test_nothing_breaks_the_reader(text: str) -> None:
    try:
        found = read(text)
    except NotImportable:
        return
    assert not is_strict(text) or found == json.loads(text)


@given(st.text(st.sampled_from('{}[]",:1 \n'), max_size=30))
def test_nothing_is_tolerated_but_what_is_said(text: str) -> None:
    try:
        found = read(text)
    except NotImportable:
        return
    # Without comments only commas can have been dropped, and only before a closing bracket.
    assert found == json.loads(text) if is_strict(text) else "," in text


def is_strict(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_a_comment_inside_a_text_is_text() -> None:
    assert read('{"url": "https://host/*x*/", "next": "a, ]"}') == {"url": "https://host/*x*/", "next": "a, ]"}


def test_an_escaped_quotation_mark_ends_no_text() -> None:
    assert read(r'{"a": "\\\" // ,]"}') == {"a": '\\" // ,]'}


def test_a_tab_inside_a_text_is_kept() -> None:
    assert read('["a\tb"]') == ["a\tb"]


def test_a_byte_order_mark_is_skipped() -> None:
    assert read('\ufeff{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    "text",
    ["[,]", "{,}", "[1,,]", "[1,,2]", '{"a":,}', ",", "[1],", '["a" "b"]', "{a: 1}", "['a']", "[1 / 2]", "[0x10]", ""],
)
def test_other_mistakes_stay_mistakes(text: str) -> None:
    with pytest.raises(NotImportable, match="not JSON"):
        read(text)


@pytest.mark.parametrize("text", ["[NaN]", "[Infinity]", "[-Infinity]", f"[{'9' * 5000}]"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(NotImportable):
        read(text)


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(NotImportable, match="twice"):
        read('{"a": 1, "a": 2}')


def test_a_comment_without_an_end_names_its_line() -> None:
    with pytest.raises(NotImportable, match="line 2"):
        read('{"a": 1}\n/* and so')


def test_a_text_without_an_end_names_its_line() -> None:
    with pytest.raises(NotImportable, match="line 2"):
        read('{"a": 1,\n"b: 2\n}')


def test_a_mistake_is_named_where_it_stands_in_the_file() -> None:
    with pytest.raises(NotImportable, match="line 3, column 6"):
        read('{ // one\n/* two */\n"a": oops}')


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_refused(opening: str) -> None:
    with pytest.raises(NotImportable, match="deeper"):
        read(opening * 10_000)


def test_a_file_over_a_megabyte_is_refused() -> None:
    with pytest.raises(NotImportable, match="1 MB"):
        read(" " * (1024 * 1024 + 1))


@pytest.mark.parametrize(
    "text",
    ["/" * 300_000, "/*" * 150_000, "," * 300_000, '"\\' * 150_000, "[1," + "\n" * 250_000, "// x\n" * 50_000],
    ids=["slashes", "openings", "commas", "escapes", "lines", "comments"],
)
def test_a_hostile_file_costs_little(text: str) -> None:
    start = time.process_time()

    with pytest.raises(NotImportable):
        read(text)

    assert time.process_time() - start < 10


def test_a_mistake_repeats_nothing_of_the_file() -> None:
    with pytest.raises(NotImportable) as refused:
        read('{"password": hunter2}')

    assert "hunter2" not in str(refused.value)
