"""Lifecycle events are read, or refused with all problems."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mailer.errors import InvalidRequest
from mailer.message.address import Address
from mailer.system_email.contract import parse_event
from mailer.system_email.event import MAX_EVENT, EventType, LifecycleEvent, User
from mailer.system_email.poison import identify, poison_record

from tests.support import canaries
from tests.support.lifecycle import APP_BASE_URL, CODE, LINK, envelope, event_body, event_detail, lifecycle_event


def problems(body: str | bytes) -> list[tuple[str | None, str]]:
    with pytest.raises(InvalidRequest) as raised:
        parse_event(body, app_base_url=APP_BASE_URL)
    return [(problem.pointer, problem.code) for problem in raised.value.problems]


@pytest.mark.parametrize("type_", EventType)
def test_an_event_with_all_fields_is_read(type_: EventType) -> None:
    assert lifecycle_event(type_) == LifecycleEvent(
        type=type_,
        request_id="request-1",
        project_id="acme",  # type: ignore[arg-type]  # as it is written
        user=User(Address("ada", "example.net"), "Ada Lovelace", "en"),
        link=LINK,
        code=CODE,
        expires_at=1767326645.0,
        project_name="Acme",
        invited_by="Grace Hopper",
    )


def test_an_event_with_only_required_fields_is_read() -> None:
    body = json.dumps({"detail-type": "MfaReset", "detail": {"requestId": "r", "user": {"email": "a@b.example"}}})

    event = parse_event(body, app_base_url=APP_BASE_URL)

    assert event == LifecycleEvent(EventType.MFA_RESET, "r", User(Address("a", "b.example")))


def test_null_and_blank_names_are_absent() -> None:
    event = lifecycle_event(user={"email": "a@b.example", "name": "", "locale": None}, invitedBy="  ")

    assert (event.user.name, event.user.locale, event.invited_by) == (None, None, None)


def test_unknown_fields_of_the_envelope_are_ignored() -> None:
    body = json.dumps(envelope(event_detail(), **{"replay-name": "again"}))

    assert parse_event(body, app_base_url=APP_BASE_URL) == lifecycle_event()


NEEDS = [
    ("UserInvited", ("link",), "/detail/link"),
    ("MfaCodeRequested", ("code",), "/detail/code"),
    ("PasswordResetRequested", ("link", "code"), "/detail/link"),
    ("EmailVerificationRequested", ("link", "code"), "/detail/link"),
]


@pytest.mark.parametrize(("type_", "missing", "pointer"), NEEDS)
def test_an_event_without_its_link_or_code_is_refused(type_: str, missing: tuple[str, ...], pointer: str) -> None:
    assert problems(event_body(type_, **dict.fromkeys(missing))) == [(pointer, "required")]


@pytest.mark.parametrize("type_", ["PasswordResetRequested", "EmailVerificationRequested"])
@pytest.mark.parametrize("missing", ["link", "code"])
def test_AU12_a_link_or_a_code_is_enough(type_: str, missing: str) -> None:
    lifecycle_event(type_, **{missing: None})


@pytest.mark.parametrize("type_", ["MfaReset", "EmailAddressChanged"])
def test_a_notice_needs_no_link_and_no_code(type_: str) -> None:
    lifecycle_event(type_, link=None, code=None)


def test_all_problems_are_reported_at_once() -> None:
    body = json.dumps(
        envelope(
            {
                "projectId": "a/b",
                "user": {"name": "Ada\nBcc: x", "email": "no-at-sign", "colour": "red"},
                "link": "https://evil.example/",
                "code": "12",
                "expiresAt": "tomorrow",
                "projectName": 1,
                "extra": True,
            },
            "UserDeleted",
        )
    )

    assert problems(body) == [
        ("/detail-type", "unknown-event-type"),
        ("/detail/extra", "unknown-field"),
        ("/detail/requestId", "required"),
        ("/detail/user/colour", "unknown-field"),
        ("/detail/user/name", "control-character"),
        ("/detail/user/email", "address-malformed"),
        ("/detail/projectId", "project-id-malformed"),
        ("/detail/link", "link-not-allowed"),
        ("/detail/code", "code-malformed"),
        ("/detail/expiresAt", "time-malformed"),
        ("/detail/projectName", "wrong-type"),
    ]


ONE_PROBLEM = [
    ({"requestId": None}, "/detail/requestId", "required"),
    ({"requestId": ""}, "/detail/requestId", "blank"),
    ({"requestId": 7}, "/detail/requestId", "wrong-type"),
    ({"requestId": "x" * 257}, "/detail/requestId", "too-long"),
    ({"requestId": "a\u200bb"}, "/detail/requestId", "control-character"),
    ({"requestId": "a\x7fb"}, "/detail/requestId", "control-character"),
    ({"projectId": ""}, "/detail/projectId", "project-id-malformed"),
    ({"projectId": "../acme"}, "/detail/projectId", "project-id-malformed"),
    ({"projectId": 7}, "/detail/projectId", "project-id-malformed"),
    ({"user": None}, "/detail/user", "required"),
    ({"user": {"email": "mıke@example.net"}}, "/detail/user/email", "smtputf8-unsupported"),  # noqa: RUF001 -- dotless
    ({"user": {"email": "a@b.example, c@d.example"}}, "/detail/user/email", "address-malformed"),
    ({"user": {"email": "a@b.example", "name": "x" * 201}}, "/detail/user/name", "too-long"),
    ({"user": {"email": "a@b.example", "name": "a\u202eb"}}, "/detail/user/name", "control-character"),
    ({"user": {"email": "a@b.example", "locale": "x" * 65}}, "/detail/user/locale", "too-long"),
    ({"link": 7}, "/detail/link", "wrong-type"),
    ({"link": ""}, "/detail/link", "link-not-allowed"),
    ({"code": 123456}, "/detail/code", "wrong-type"),
    ({"code": "123"}, "/detail/code", "code-malformed"),
    ({"code": "1234567890123"}, "/detail/code", "code-malformed"),
    ({"code": "12 34"}, "/detail/code", "code-malformed"),
    ({"code": "１２３４"}, "/detail/code", "code-malformed"),  # noqa: RUF001 -- full-width digits
    ({"expiresAt": True}, "/detail/expiresAt", "time-malformed"),
    ({"expiresAt": "2026-01-02T03:04:05"}, "/detail/expiresAt", "time-malformed"),
    ({"expiresAt": "2026-02-30T03:04:05Z"}, "/detail/expiresAt", "time-malformed"),
    ({"expiresAt": 1767326645000}, "/detail/expiresAt", "time-malformed"),
    ({"expiresAt": -1}, "/detail/expiresAt", "time-malformed"),
    ({"expiresAt": 10**400}, "/detail/expiresAt", "time-malformed"),
    ({"invitedBy": "a\r\nb"}, "/detail/invitedBy", "control-character"),
    ({"invitedBy": {"name": "Ada"}}, "/detail/invitedBy", "wrong-type"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "pointer", "code"), ONE_PROBLEM)
def test_each_wrong_field_is_reported_with_its_pointer(changes: dict[str, object], pointer: str, code: str) -> None:
    assert problems(event_body(**changes)) == [(pointer, code)]


TIMES = ["2026-01-02T04:04:05Z", "2026-01-02t05:04:05.000+01:00", "2026-01-01T23:04:05-05:00", 1767326645, 1767326645.0]


@pytest.mark.parametrize("time", TIMES)
def test_a_time_is_rfc_3339_or_seconds(time: object) -> None:
    assert lifecycle_event(expiresAt=time).expires_at == 1767326645.0


def test_a_required_link_that_is_not_allowed_is_one_problem() -> None:
    assert problems(event_body("UserInvited", link="https://evil.example/x")) == [("/detail/link", "link-not-allowed")]


def test_IN25_the_address_is_used_unchanged() -> None:
    event = lifecycle_event(user={"email": "MIKE@Example.net"})

    assert event.user.email == Address("MIKE", "Example.net")


def test_a_user_must_be_an_object() -> None:
    assert problems(event_body(user="ada@example.net"))[0] == ("/detail/user", "wrong-type")


HOSTILE: list[tuple[str | bytes, str]] = [
    ("", "invalid-json"),
    ("{", "invalid-json"),
    ("[1]", "wrong-type"),
    ('"text"', "wrong-type"),
    ("null", "wrong-type"),
    ('{"a":"\ud800"}', "invalid-json"),
    ('{"a":"\\ud800"}', "invalid-json"),
    (b'{"a":"\xff"}', "invalid-json"),
    ("[" * 100_000, "invalid-json"),
    ('{"detail":1,"detail":{}}', "duplicate-field"),
    ('{"a":"' + "x" * MAX_EVENT + '"}', "body-too-large"),
    ("x" * 1024 * 1024, "body-too-large"),
    ('{"version":"1"}', "unknown-version"),
]


@pytest.mark.parametrize(("body", "code"), HOSTILE, ids=range(len(HOSTILE)))
def test_QD4_a_hostile_body_is_refused(body: str | bytes, code: str) -> None:
    assert problems(body)[0][1] == code


NAMES = st.sampled_from(
    ["id", "detail-type", "detail", "requestId", "projectId", "user", "link", "code", "expiresAt", "email", "name", "x"]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from([LINK, CODE, "a@b.example"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(NAMES, children, max_size=5),
    max_leaves=12,
)


def read_or_refuse(body: str | bytes) -> None:
    """Read the body; a refusal must not repeat its link."""
    try:
        parse_event(body, app_base_url=APP_BASE_URL)
    except InvalidRequest as invalid:
        record = json.dumps(poison_record(body, invalid.problems))
        assert canaries.TOKEN not in record


@settings(max_examples=300)
@given(JSON.map(json.dumps) | JSON.map(lambda detail: json.dumps(envelope(detail))) | st.text() | st.binary())
@example('{"detail-type":["UserInvited"]}')
@example('{"detail":{"requestId":{}}}')
def test_every_body_is_read_or_refused(body: str | bytes) -> None:
    read_or_refuse(body)


@settings(max_examples=300)
@given(st.sampled_from(EventType), NAMES, JSON)
def test_every_detail_is_read_or_refused(type_: EventType, name: str, value: object) -> None:
    read_or_refuse(json.dumps(envelope({**event_detail(), name: value}, type_)))


def test_QD4_a_failure_record_has_only_the_reason_and_the_names_of_the_event() -> None:
    body = event_body(link=f"https://evil.example/{canaries.TOKEN}")
    with pytest.raises(InvalidRequest) as raised:
        parse_event(body, app_base_url=APP_BASE_URL)

    record = poison_record(body, raised.value.problems)

    (problem,) = raised.value.problems
    assert record == {
        "reason": "link-not-allowed",
        "problems": [{"pointer": "/detail/link", "code": "link-not-allowed", "detail": problem.detail}],
        "eventId": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detailType": "PasswordResetRequested",
        "source": "identity",
        "time": "2026-01-02T03:04:05Z",
        "requestId": "request-1",
        "projectId": "acme",
    }


def test_a_link_that_is_not_allowed_is_the_reason_before_all_others() -> None:
    body = event_body(requestId=None, link="https://evil.example/")
    with pytest.raises(InvalidRequest) as raised:
        parse_event(body, app_base_url=APP_BASE_URL)

    assert poison_record(body, raised.value.problems)["reason"] == "link-not-allowed"


def test_SH14_identify_repeats_only_well_formed_names() -> None:
    detail = event_detail(requestId=LINK, projectId=LINK)
    body = json.dumps(envelope(detail, LINK, id="ada@example.net", source=LINK, time=LINK))

    assert identify(body) == {}


def test_SH14_a_pointer_does_not_repeat_a_malformed_field_name() -> None:
    body = event_body(**{f"a/{canaries.TOKEN}": 1, "ada@example.net": 1, "extra": 1})
    with pytest.raises(InvalidRequest) as raised:
        parse_event(body, app_base_url=APP_BASE_URL)

    listed = poison_record(body, raised.value.problems)["problems"]

    assert [problem["pointer"] for problem in listed] == ["/detail", "/detail", "/detail/extra"]  # type: ignore[attr-defined]  # a list
