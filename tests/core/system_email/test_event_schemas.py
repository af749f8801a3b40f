"""docs/events/ and the SAM template hold the schemas that are generated from the types of the events."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft4Validator
from mailer.ledger.event import EventName
from mailer.system_email.event import EventType

from local.event_schemas import EVERY_TYPE, FOLDER, DetailType, render, schema, with_schemas
from tests.core.system_email.test_system_email_documentation import EXAMPLES
from tests.support.lifecycle import envelope, event_detail
from tests.support.sam_template import ROOT, mapping, read_template, resources

REGISTERED = {
    str(mapping(each)["SchemaName"]): mapping(each)
    for each in resources(read_template(), "AWS::EventSchemas::Schema").values()
}


def is_valid(event: object, type_: str) -> bool:
    return bool(Draft4Validator(schema(EventType(type_))).is_valid(event))


def test_each_event_has_a_schema_and_no_other_file_is_there() -> None:
    assert {path.name for path in (ROOT / FOLDER).iterdir()} == {f"{type_}.json" for type_ in EVERY_TYPE}


@pytest.mark.parametrize("type_", EVERY_TYPE)
def test_a_file_agrees_with_its_type(type_: DetailType) -> None:
    assert (ROOT / FOLDER / f"{type_}.json").read_text("utf-8") == render(type_), "run `make schemas`"


@pytest.mark.parametrize("type_", EVERY_TYPE)
def test_a_schema_is_valid_json_schema_draft_4(type_: DetailType) -> None:
    Draft4Validator.check_schema(schema(type_))


def test_the_template_agrees_with_the_generator() -> None:
    template = (ROOT / "template.yaml").read_text("utf-8")

    assert with_schemas(template) == template, "run `make schemas`"


@pytest.mark.parametrize("type_", EVERY_TYPE)
def test_the_template_registers_the_schema_of_the_file(type_: DetailType) -> None:
    registered = REGISTERED[type_]

    assert registered["Type"] == "JSONSchemaDraft4"
    assert json.loads(str(registered["Content"])) == json.loads((ROOT / FOLDER / f"{type_}.json").read_text("utf-8"))


def test_the_template_registers_no_other_schema() -> None:
    assert set(REGISTERED) == set(EVERY_TYPE)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: json.loads(example)["detail-type"])
def test_an_example_of_the_documentation_is_valid(example: str) -> None:
    event = json.loads(example)

    assert is_valid(event, event["detail-type"])


INVALID = [
    ("UserInvited", {"link": None}),
    ("MfaCodeRequested", {"code": None}),
    ("PasswordResetRequested", {"link": None, "code": None}),
    ("EmailVerificationRequested", {"link": None, "code": None}),
    ("MfaReset", {"requestId": None}),
    ("MfaReset", {"user": {"name": "Ada"}}),
    ("MfaReset", {"colour": "red"}),
    ("MfaReset", {"code": "123"}),
    ("MfaReset", {"projectId": "a/b"}),
]


@pytest.mark.parametrize(("type_", "changes"), INVALID)
def test_a_schema_refuses_what_the_model_refuses(type_: str, changes: dict[str, object]) -> None:
    assert not is_valid(envelope(event_detail(**changes), type_), type_)


@pytest.mark.parametrize("type_", EventType)
def test_a_schema_accepts_null_for_an_absent_field(type_: EventType) -> None:
    detail = {**event_detail(), "projectId": None, "invitedBy": None, "expiresAt": None}

    assert is_valid(envelope(detail, type_), type_)


def test_a_template_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="marks"):
        with_schemas(Path(__file__).read_text("utf-8"))


def test_a_published_event_is_valid() -> None:
    counts = {"recipients": 1, "accepted": 1, "rejected": 0, "unknown": 0, "attempts": 1}
    detail = {"id": "m1", "status": "sent", **counts, "enhancedCode": None}
    event = {"source": "project-smtp", "detail-type": "EmailSent", "detail": detail}

    assert Draft4Validator(schema(EventName.EMAIL_SENT)).is_valid(event)
    assert not Draft4Validator(schema(EventName.EMAIL_SENT)).is_valid({**event, "source": "identity"})
