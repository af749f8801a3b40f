"""Configuration files with comments and trailing commas are read, within bounds and without a quotation."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from project_smtp_cli.importing.imported import NotImportable
from project_smtp_cli.importing.json5_file import MAX_TEXT, read

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_strict_json_reads_as_strict_json(value: object) -> None:
    assert read(json.dumps(value)) == value


@given(st.text(st.sampled_from('{}[]",:/*\\\n\t a1\x00'), max_size=40) | st.text(max_size=40))
def test_every_text_is_read_or_refused(text: str) -> None:
    try:
        found = read(text)
    except NotImportable:
        return
    assert not is_strict(text) or found == json.loads(text)


def is_strict(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_an_escaped_surrogate_pair_is_one_character() -> None:
    assert read(r"""{a: "\ud83d\ude00",}""") == {"a": "\N{GRINNING FACE}"}


def test_comments_and_trailing_commas_are_ignored() -> None:
    assert read('{ // one\n"a": [1, 2,], /* two ] */\n}') == {"a": [1, 2]}


def test_a_comment_inside_a_text_is_text() -> None:
    assert read('{"url": "https://host/*x*/", "next": "a, ]"}') == {"url": "https://host/*x*/", "next": "a, ]"}


def test_a_tab_inside_a_text_is_kept() -> None:
    assert read('["a\tb"]') == ["a\tb"]


def test_a_byte_order_mark_is_skipped() -> None:
    assert read('\ufeff{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("text", ["[,]", "{,}", "[1,,2]", '{"a":,}', ",", "[1],", '["a" "b"]', "[1 / 2]", ""])
def test_other_mistakes_are_refused(text: str) -> None:
    with pytest.raises(NotImportable, match="not JSON"):
        read(text)


def test_a_number_of_five_thousand_digits_is_refused() -> None:
    with pytest.raises(NotImportable):
        read(f"[{'9' * 5000}]")


def test_a_repeated_name_is_refused() -> None:
    with pytest.raises(NotImportable, match="twice"):
        read('{"a": 1, "a": 2}')


@pytest.mark.parametrize("text", ['{"a": 1}\n/* and so', '{"a": 1,\n"b: 2\n}'], ids=["comment", "text"])
def test_a_part_without_an_end_names_its_line(text: str) -> None:
    with pytest.raises(NotImportable, match="line 2"):
        read(text)


def test_a_mistake_is_reported_with_its_line_and_column() -> None:
    with pytest.raises(NotImportable, match="line 3, column 6"):
        read('{ // one\n/* two */\n"a": oops}')


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_deep_nesting_is_refused(opening: str) -> None:
    with pytest.raises(NotImportable, match="deeply"):
        read(opening * 10_000)


def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(NotImportable, match="256 KB"):
        read(" " * (MAX_TEXT + 1))


@pytest.mark.parametrize(
    "text",
    ["/" * 250_000, "/*" * 125_000, "," * 250_000, '"\\' * 125_000, "[1," + "\n" * 250_000, "// x\n" * 50_000],
    ids=["slashes", "openings", "commas", "escapes", "lines", "comments"],
)
def test_a_hostile_file_is_refused_in_bounded_time(text: str) -> None:
    start = time.process_time()

    with pytest.raises(NotImportable):
        read(text)

    assert time.process_time() - start < 10


@pytest.mark.parametrize("text", ['{"password": hunter2}', '{"hunter2": 1, "hunter2": 2}', '{"a": "hunter2'])
def test_an_error_does_not_quote_the_file(text: str) -> None:
    with pytest.raises(NotImportable) as refused:
        read(text)

    assert "hunter2" not in str(refused.value)
