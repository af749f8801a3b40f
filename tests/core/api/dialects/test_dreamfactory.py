# ruff: noqa: E501 -- tables read by row
"""DreamFactory's e-mail service: D8 to D14 and D17."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.api.dialects.dialect import read_in_dialect
from mailer.api.dialects.dreamfactory import DIALECT, demand_service, refuse, show, with_parameters
from mailer.api.problems import STATUS, InternalError
from mailer.errors import (
    InvalidRequest,
    KeyInFlight,
    MailerError,
    NotFound,
    RelayDeferred,
    RelayMisconfigured,
    RelayUnreachable,
)
from mailer.message.draft import TemplateUse
from mailer.problem import Problem
from mailer.smtp.outcome import Cause, Failure, Phase, RelayFault
from mailer.smtp.reply import make_reply

from tests.support.dialects import body_of, draft_of, problems_of, sent

MESSAGE: dict[str, object] = {
    "to": [{"email": "user1@example.net", "name": "User One"}],
    "subject": "Team Update",
    "body_text": "Here it is.",
}


def with_(**fields: object) -> dict[str, object]:
    return {**MESSAGE, **fields}


@pytest.mark.parametrize(
    ("to", "names"),
    [
        ([{"email": "a@b.example", "name": "A"}, {"email": "c@d.example"}], ["A <a@b.example>", "c@d.example"]),
        ([{"email": "a@b.example", "name": ""}], ["a@b.example"]),
        ({"email": "a@b.example"}, ["a@b.example"]),
        ("a@b.example", ["a@b.example"]),
        (["a@b.example", "C <c@d.example>"], ["a@b.example", "C <c@d.example>"]),
    ],
)
def test_D9_recipients_are_objects_or_strings_alone_or_in_a_list(to: object, names: list[str]) -> None:
    assert list(map(str, draft_of(DIALECT, with_(to=to, cc=to, bcc=to)).to)) == names


def test_D10_texts_are_body_text_and_body_html() -> None:
    draft = draft_of(DIALECT, with_(body_html="<p>Here it is.</p>"))

    assert (draft.subject, draft.text, draft.html) == ("Team Update", "Here it is.", "<p>Here it is.</p>")


def test_D11_sender_and_reply_to_have_two_fields_each() -> None:
    draft = draft_of(
        DIALECT,
        with_(from_name="Support", from_email="s@acme.example", reply_to_email="r@acme.example", reply_to_name="R"),
    )

    assert (str(draft.sender), *map(str, draft.reply_to)) == ("Support <s@acme.example>", "R <r@acme.example>")


def test_D11_a_from_name_alone_names_the_default_sender() -> None:
    draft = draft_of(DIALECT, with_(from_name="Support"))

    assert (draft.sender, draft.sender_name) == (None, "Support")


@pytest.mark.parametrize("template", [{"template": "welcome"}, {"template_id": "7"}, {"template_id": 7}])
def test_D13_placeholders_and_templates_work_as_in_our_api(template: dict[str, object]) -> None:
    request, _ = read_in_dialect(DIALECT, {"to": "a@b.example", "template_data": {"first_name": "Ada"}, **template})

    assert request.use == TemplateUse(str(*template.values()), {"first_name": "Ada"}, "")


def test_D13_a_problem_of_a_value_has_its_place() -> None:
    assert problems_of(DIALECT, with_(template_data={"first name": "Ada"})) == {"/template_data": "name-malformed"}


def test_D12_attachments_have_name_content_and_content_type() -> None:
    attachment = {"name": "invoice.pdf", "content": "JVBERg==", "content_type": "application/pdf"}

    [attached] = draft_of(DIALECT, with_(attachments=[attachment])).attachments

    assert (attached.filename, attached.content, attached.content_type) == ("invoice.pdf", b"%PDF", "application/pdf")


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"to": []}, "/to", "required"),
        ({"to": [{"email": "no-at-sign"}]}, "/to/0/email", "address-malformed"),
        ({"to": [{"address": "a@b.example"}]}, "/to/0/address", "unknown-field"),
        ({"body_text": ""}, "/body_text", "required"),
        ({"body_text": 7}, "/body_text", "wrong-type"),
        ({"subject": "a\nb"}, "/subject", "control-character"),
        ({"from_name": 7}, "/from_name", "wrong-type"),
        ({"from_name": "a\r\nb", "from_email": "a@b.example"}, "/from_name", "control-character"),
        ({"from_email": "no-at-sign"}, "/from_email", "address-malformed"),
        ({"reply_to_name": "R"}, "/reply_to_name", "required"),
        ({"reply_to_email": "r"}, "/reply_to_email", "address-malformed"),
        ({"import_url": "http://169.254.169.254/"}, "/import_url", "option-not-supported"),
        ({"attachments": [{"service": "files", "path": "a"}]}, "/attachments/0/service", "option-not-supported"),
        ({"attachments": [{"name": "../a", "content": ""}]}, "/attachments/0/name", "filename-unsafe"),
        ({"first_name": "Ada"}, "/first_name", "unknown-field"),
        ({"template_id": True}, "/template_id", "wrong-type"),
        ({"template_id": "x'--"}, "/template_id", "wrong-type"),
    ],
)  # fmt: skip
def test_each_problem_points_into_the_caller_s_request(fields: dict[str, object], pointer: str, code: str) -> None:
    assert problems_of(DIALECT, with_(**fields))[pointer] == code


def test_a_template_in_the_query_works_like_one_in_the_body() -> None:
    assert with_parameters({"to": "a"}, {"template": "welcome", "projectId": "acme"}) == {
        "to": "a",
        "template": "welcome",
    }
    assert with_parameters({"template": "mine"}, {"template": "other"}) == {"template": "mine"}


@pytest.mark.parametrize("name", ["Email", "smtp", "user", "..", ""])
def test_D1_a_project_has_only_the_documented_service(name: str) -> None:
    demand_service("email")
    with pytest.raises(NotFound):
        demand_service(name)


def test_D14_the_answer_is_the_count() -> None:
    answer = show(sent("m1", "sent", 3))

    assert (answer.status, body_of(answer)) == (200, {"count": 3})


def test_D14_a_deferred_message_counts_no_copy() -> None:
    answer = show(sent("m1", "deferred", 0))

    assert (answer.status, body_of(answer)) == (202, {"count": 0})


AUTH = Failure(Phase.AUTH, Cause.REPLY, make_reply(535, "5.7.8 no"))


def unreachable(phase: Phase, cause: Cause) -> RelayUnreachable:
    return RelayUnreachable(Failure(phase, cause), "-")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RelayMisconfigured(RelayFault.AUTH_REJECTED, AUTH, "-"), "Authentication failed"),
        (unreachable(Phase.CONNECT, Cause.REFUSED), "Connection refused"),
        (unreachable(Phase.RESOLVE, Cause.NAME_NOT_FOUND), "Connection refused"),
        (unreachable(Phase.CONNECT, Cause.TIMEOUT), "Connection timed out"),
        (RelayMisconfigured(RelayFault.TLS_FAILED, Failure(Phase.TLS, Cause.CERTIFICATE_EXPIRED), "-"), "Certificate error"),
        (RelayMisconfigured(RelayFault.TLS_FAILED, Failure(Phase.STARTTLS, Cause.STARTTLS_NOT_OFFERED), "-"), "Certificate error"),
    ],
)  # fmt: skip
def test_D17_an_error_of_the_table_is_500_with_its_message_cause_and_remedy(error: MailerError, message: str) -> None:
    answer = refuse(error)
    body = body_of(answer)["error"]

    assert (answer.status, body["code"], body["message"]) == (500, 500, message)
    assert body["context"]["cause"]
    assert body["context"]["remedy"]


def test_D17_every_row_has_its_own_remedy() -> None:
    rows = [AUTH, *(Failure(Phase.CONNECT, cause) for cause in (Cause.REFUSED, Cause.TIMEOUT, Cause.TLS_MISMATCH))]
    errors = [RelayMisconfigured(RelayFault.TLS_FAILED, failure, "-") for failure in rows]

    assert len({body_of(refuse(error))["error"]["context"]["remedy"] for error in errors}) == len(rows)


def test_D17_an_invalid_address_is_bad_request_invalid_email_format() -> None:
    answer = refuse(InvalidRequest(Problem("address-malformed", "Mend it.", pointer="/to/0/email")))

    assert (answer.status, body_of(answer)["error"]["message"]) == (400, "Bad Request: invalid email format.")
    assert body_of(answer)["error"]["context"]["problems"][0]["pointer"] == "/to/0/email"


def test_a_missing_body_is_reported_as_no_valid_data() -> None:
    answer = refuse(InvalidRequest(Problem("invalid-json", "-", pointer="")))

    assert body_of(answer)["error"]["message"] == "No valid data in request."


def test_a_retryable_error_has_retry_after() -> None:
    assert refuse(unreachable(Phase.CONNECT, Cause.TIMEOUT)).headers["Retry-After"] == "30"
    assert "Retry-After" not in refuse(RelayMisconfigured(RelayFault.AUTH_REJECTED, AUTH, "-")).headers


@pytest.mark.parametrize(
    "error",
    [KeyInFlight(), NotFound(), RelayDeferred(Failure(Phase.FINAL, Cause.REPLY, make_reply(451, "later")), "-", {})],
)
def test_an_error_without_a_row_in_the_table_keeps_its_status(error: MailerError) -> None:
    assert refuse(error).status == body_of(refuse(error))["error"]["code"] == STATUS[error.code]


def test_an_internal_error_has_the_same_shape_and_no_details() -> None:
    assert body_of(refuse(InternalError(), "request-1"))["error"]["context"] == {
        "code": "internal-error",
        "retryable": False,
        "request_id": "request-1",
    }


@given(
    st.dictionaries(
        st.sampled_from(("to", "cc", "attachments", "template_id", "from_email", "from_name", "body_text")),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda each: (
                st.lists(each, max_size=2)
                | st.dictionaries(st.sampled_from(("email", "name", "content")), each, max_size=2)
            ),
            max_leaves=5,
        ),
    )
)
def test_every_body_is_a_message_or_has_problems(fields: dict[str, object]) -> None:
    problems_of(DIALECT, fields)
