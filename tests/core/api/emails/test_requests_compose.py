"""Every request that the API takes can be composed, however hostile its header values are; the others are refused."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.api.emails.request import parse_email_request
from mailer.api.fields.header import RULES
from mailer.errors import InvalidRequest
from mailer.message.message import Message

from tests.support.composing import composed, read

# The work on one request is milliseconds. A regular expression that backtracks needs minutes.
_MAX_SECONDS = 2.0
SPACES = st.sampled_from([0, 1, 2, 70, 75, 76, 77, 500, 890, 898, 899, 900, 901, 990, 1500]).map(" ".__mul__)
LENGTHS = st.sampled_from([1, 60, 400, 880, 886, 887, 888, 889, 890, 900])
IDS = LENGTHS.map(lambda length: f"<{'a' * length}@b.example>")
URIS = LENGTHS.map(lambda length: f"<https://a.example/{'u' * length}>")
WORDS = st.sampled_from(["a", "=?utf-8?q?=0d=0a?=", "é", '"', "\\", "x" * 950, "<a@b>", ",", "(", ":", ";"])


def spaced(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return values of some items with runs of spaces before, between and after them."""
    return st.lists(st.tuples(items, SPACES), min_size=1, max_size=6).map(
        lambda pairs: "".join(item + spaces for item, spaces in pairs)
    )


VALUES: dict[str, st.SearchStrategy[str]] = {
    "References": spaced(IDS),
    "In-Reply-To": spaced(IDS),
    "List-Unsubscribe": spaced(URIS | URIS.map(lambda uri: f"{uri},")),
    "List-Id": st.tuples(spaced(WORDS), st.just("<news.good.example>")).map("".join),
    "Feedback-ID": spaced(WORDS),
    "Importance": spaced(st.sampled_from(["high", "low"])),
    "Comments": spaced(WORDS),
    "Keywords": spaced(WORDS),
    "X-A": spaced(WORDS),
    f"X-{'A' * 62}": spaced(WORDS),
}


def message_of(**fields: object) -> Message:
    """Return the composed message of a request; raises `InvalidRequest` if the API refuses it."""
    body = json.dumps({"to": "ann@example.net", "subject": "Hello", "text": "Hello.", **fields})
    return composed(parse_email_request(body).draft)


def taken(name: str, value: str) -> bool:
    """Return whether the API takes a header; if it does, its message is composed within the time."""
    began = time.process_time()
    try:
        octets = message_of(headers={name: value}).as_bytes()
    except InvalidRequest:
        return False
    finally:
        assert time.process_time() - began < _MAX_SECONDS
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    return True


@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
def test_every_header_value_that_the_api_takes_is_composed(name: str, data: st.DataObject) -> None:
    taken(name, data.draw(VALUES[name]))


def test_every_header_with_a_grammar_has_hostile_values() -> None:
    fixed = {"auto-submitted", "list-unsubscribe-post", "precedence", "priority"}
    assert set(RULES) <= {name.lower() for name in VALUES} | fixed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("References", "<a@b.example>{}<c@d.example>"),
        ("In-Reply-To", "<a@b.example>{}<c@d.example>"),
        ("List-Unsubscribe", "<https://a.example>,{}<mailto:u@a.example>"),
        ("List-Id", "Our{}news <news.good.example>"),
    ],
)
def test_a_run_of_spaces_is_kept_if_it_fits_a_line_and_refused_otherwise(name: str, value: str) -> None:
    kept = value.format(" " * 100)

    assert read(message_of(headers={name: kept}))[name].replace("\r\n", "") == kept
    assert not taken(name, value.format(" " * 1500))


@given(
    subject=spaced(WORDS).map(lambda text: text[:500]),
    name=spaced(WORDS).map(lambda text: text[:200]),
    filename=spaced(WORDS).map(lambda text: text[:255]),
)
def test_every_subject_name_and_filename_that_the_api_takes_is_composed(subject: str, name: str, filename: str) -> None:
    recipient = {"email": "ann@example.net", "name": name}
    file = {"filename": filename, "content": "QQ=="}
    try:
        octets = message_of(to=recipient, reply_to=recipient, subject=subject, attachments=[file]).as_bytes()
    except InvalidRequest:
        return
    assert max(map(len, octets.split(b"\r\n"))) <= 998
