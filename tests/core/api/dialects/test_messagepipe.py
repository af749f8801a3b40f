"""MessagePipe's send API: one message, or one for each recipient."""

import pytest
from mailer.api.dialects.dialect import read_in_dialect
from mailer.api.dialects.messagepipe import DIALECT, read_bulk, refuse, show, show_bulk
from mailer.api.problems import InternalError
from mailer.errors import InvalidRequest, SecretsUnavailable
from mailer.service.sending.accept_emails import BatchItem

from tests.support.dialects import body_of, problems_of, sent

MESSAGE = {"templateId": "welcome", "to": "ada@example.net", "subject": "Hi", "variables": {"name": "Ada"}}
BULK: dict[str, object] = {"templateId": "welcome", "recipients": ["ada@example.net", "bob@example.net"]}


def test_template_variables_and_preferred_provider_work_as_in_our_api() -> None:
    request, _ = read_in_dialect(DIALECT, {**MESSAGE, "preferredProvider": "primary"})

    assert request.use is not None
    assert (request.use.template, request.use.values) == ("welcome", {"name": "Ada"})
    assert request.draft.preferred_provider == "primary"


@pytest.mark.parametrize(
    ("changed", "pointer", "code"),
    [
        ({"to": "no-at-sign"}, "/to", "address-malformed"),
        ({"templateId": 7}, "/templateId", "wrong-type"),
        ({"variables": ["x"]}, "/variables", "wrong-type"),
        ({"preferredProvider": ""}, "/preferredProvider", "blank"),
        ({"html": "<p>"}, "/html", "unknown-field"),
    ],
)
def test_each_problem_points_into_the_caller_s_request(changed: dict[str, object], pointer: str, code: str) -> None:
    assert problems_of(DIALECT, {**MESSAGE, **changed})[pointer] == code


def bulk_problems(body: object) -> dict[str | None, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_bulk(body)
    return {problem.pointer: problem.code for problem in caught.value.problems}


def test_each_recipient_of_a_bulk_gets_a_separate_message() -> None:
    requests, recipients, _ = read_bulk(BULK)

    assert [list(map(str, request.draft.to)) for request in requests] == [["ada@example.net"], ["bob@example.net"]]
    assert recipients == ("ada@example.net", "bob@example.net")


def test_a_problem_of_one_recipient_of_a_bulk_points_to_the_recipient() -> None:
    assert bulk_problems({**BULK, "recipients": ["ada@example.net", "no-at-sign"]}) == {
        "/recipients/1": "address-malformed"
    }


def test_a_problem_of_every_message_of_a_bulk_is_reported_once() -> None:
    assert bulk_problems({**BULK, "variables": 7}) == {"/variables": "wrong-type"}


@pytest.mark.parametrize("recipients", [None, [], "ada@example.net", ["a@b.example"] * 101])
def test_a_bulk_has_one_to_a_hundred_recipients(recipients: object) -> None:
    assert bulk_problems({**BULK, "recipients": recipients}) == {"/recipients": "required"}


def test_the_answer_is_message_and_id() -> None:
    answer = show(sent("m1", "sent", 1))

    assert (answer.status, body_of(answer)) == (200, {"message": "Email sent successfully", "messageId": "m1"})


def test_a_bulk_is_answered_for_each_recipient() -> None:
    answer = show_bulk(("a@b.example", "c@d.example"), (BatchItem("m1"), BatchItem(None, "ledger-unavailable")))

    body = body_of(answer)
    assert (answer.status, body["message"], body["success"]) == (202, "1 of 2 emails queued", False)
    assert body["results"] == [
        {"recipient": "a@b.example", "success": True, "messageId": "m1", "provider": None, "deliveryLogId": "m1"},
        {
            "recipient": "c@d.example",
            "success": False,
            "messageId": None,
            "provider": None,
            "deliveryLogId": None,
            "error": "ledger-unavailable",
        },
    ]


def test_an_error_has_status_message_and_code() -> None:
    answer = refuse(SecretsUnavailable())

    assert (answer.status, body_of(answer)["statusCode"], body_of(answer)["code"]) == (503, 503, "secrets-unavailable")
    assert answer.headers["Retry-After"] == "30"


def test_an_internal_error_has_the_same_shape() -> None:
    assert body_of(refuse(InternalError(), "request-1"))["code"] == "internal-error"


def test_a_list_among_the_recipients_is_refused() -> None:
    body = {"recipients": [["ada@example.net", "bob@example.net"]], "templateId": "welcome"}
    with pytest.raises(InvalidRequest) as caught:
        read_bulk(body)

    assert [(each.pointer, each.code) for each in caught.value.problems] == [("/recipients/0", "wrong-type")]
