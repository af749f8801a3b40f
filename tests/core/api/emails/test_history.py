"""Every record can be shown to a caller, and every query gives a page or is refused."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.api.emails.history import email_view, page_view
from mailer.api.emails.query import MAX_LIMIT, demand_no_body, parse_email_id, parse_page_query
from mailer.errors import InvalidRequest, NotFound
from mailer.ledger.record import AttemptRecord, AttemptResult, RecipientRecord, Record, SenderRecord, State
from mailer.message.address import parse_address
from mailer.ports import Page
from mailer.smtp.outcome import Accepted, Cause, Deferred, Failure, Phase, Rejected, RelayError, RelayFault, Unknown
from mailer.smtp.reply import Reply

from tests.support.projects import ACME
from tests.support.shown import shown

REPLIES = st.builds(Reply, st.integers(200, 599), st.text(max_size=20), st.none() | st.just("4.7.1"))
FAILURES = st.builds(Failure, st.sampled_from(Phase), st.sampled_from(Cause), st.none() | REPLIES)
VERDICTS = st.one_of(
    st.none(),
    st.builds(Accepted, REPLIES),
    st.builds(Rejected, FAILURES),
    st.builds(Deferred, FAILURES),
    st.builds(Unknown, FAILURES),
    st.builds(RelayError, st.sampled_from(RelayFault), FAILURES),
)
TIMES = st.floats(0, 4_000_000_000)
ATTEMPTS = st.builds(
    AttemptRecord,
    at=TIMES,
    transport=st.sampled_from(["project-smtp", "server-ses"]),
    version_id=st.none() | st.just("version-1"),
    endpoint=st.none() | st.just("mail.acme.example:587"),
    result=st.none() | st.sampled_from(AttemptResult),
    failure=st.none() | FAILURES,
)
RECORDS = st.builds(
    Record,
    id=st.just("0" * 32),
    project_id=st.just(ACME),
    state=st.sampled_from(State),
    created_at=TIMES,
    updated_at=TIMES,
    expires_at=TIMES,
    due_at=st.none() | TIMES,
    recipients=st.lists(
        st.builds(RecipientRecord, st.just(parse_address("ada@example.net")), VERDICTS), max_size=3
    ).map(tuple),
    attempts=st.lists(ATTEMPTS, max_size=3).map(tuple),
    sender=st.none()
    | st.builds(SenderRecord, st.none() | st.just("a@b.example"), st.just("c@d.example"), st.just("x")),
)
STATUSES = {"pending", "accepted", "rejected", "deferred", "unknown", "error"}


@given(RECORDS)
def test_every_record_can_be_shown(record: Record) -> None:
    view = shown(email_view(record))

    assert view["status"] in {state.value for state in State} - {"claimed"}
    assert {each["status"] for each in view["recipients"]} <= STATUSES
    assert len(view["attempts"]) == len(record.attempts)
    assert view["created_at"].endswith("Z")
    # The host and port of the relay are not shown.
    assert "mail.acme.example" not in json.dumps(view)


@given(RECORDS)
def test_a_summary_has_the_same_members_as_the_message(record: Record) -> None:
    (summary,) = shown(page_view(Page((record,))))["emails"]
    whole = shown(email_view(record))

    assert summary.pop("recipient_count") == len(record.recipients)
    assert summary == {name: whole[name] for name in summary}


@given(RECORDS)
def test_the_end_of_a_lease_is_not_a_next_attempt(record: Record) -> None:
    waits = record.state in {State.DEFERRED, State.HELD, State.UNKNOWN} and record.due_at is not None

    assert (email_view(record).next_attempt_at is not None) == waits


PARAMETERS = st.dictionaries(
    st.sampled_from(["status", "cursor", "limit"]) | st.text(max_size=5),
    st.sampled_from([*State, "1", "100", "101", "00", "٣", "-1"]) | st.text(max_size=8),
    max_size=4,
)


@given(PARAMETERS)
def test_every_query_is_a_page_or_an_invalid_request(parameters: dict[str, str]) -> None:
    with suppress(InvalidRequest):
        query = parse_page_query(parameters)
        assert 1 <= query.limit <= MAX_LIMIT
        assert query.state is not State.CLAIMED
        assert set(parameters) <= {"status", "cursor", "limit"}


def test_a_query_has_at_most_a_hundred_problems() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_page_query({f"parameter{number}": "" for number in range(1000)})

    assert len(caught.value.problems) == 100


@pytest.mark.parametrize("name", ["\ud800", "é", "x" * 1000])
def test_a_parameter_is_named_in_ascii_and_cut(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_page_query({name: ""})

    (problem,) = caught.value.problems
    assert problem.parameter in ("?", "x" * 64)


@given(st.text(max_size=34) | st.from_regex(r"[0-9a-f]{32}", fullmatch=True))
def test_an_id_is_32_hexadecimal_digits(text: str) -> None:
    is_id = len(text) == 32 and set(text) <= set("0123456789abcdef")

    try:
        parsed = parse_email_id(text)
    except NotFound:
        parsed = None
    assert (parsed == text) == is_id


@pytest.mark.parametrize("body", ["", "{}", " {} \n", b"", b"{}"])
def test_an_empty_body_counts_as_no_body(body: str | bytes) -> None:
    demand_no_body(body)


@pytest.mark.parametrize("body", ["null", "[]", '{"a":1}', b"x"])
def test_any_other_body_is_refused(body: str | bytes) -> None:
    with pytest.raises(InvalidRequest):
        demand_no_body(body)
