"""The messages of the queue of changed secrets."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.project import ProjectId
from mailer.secret.change import (
    MalformedChange,
    SecretChange,
    Unrelated,
    ValidateAllProjects,
    ValidateProjects,
    parse_secret_change,
)

PREFIX = "project-smtp/"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"


def call(name: str, /, *, source: str = "secretsmanager.amazonaws.com", **detail: object) -> str:
    """Return CloudTrail's record of a call, as EventBridge delivers it."""
    return json.dumps(
        {
            "version": "0",
            "detail-type": "AWS API Call via CloudTrail",
            "source": "aws.secretsmanager",
            "detail": {"eventSource": source, "eventName": name, **detail},
        }
    )


def parse(body: str) -> SecretChange:
    return parse_secret_change(body, prefix=PREFIX)


def validate(*project_ids: str) -> ValidateProjects:
    return ValidateProjects(tuple(map(ProjectId, project_ids)))


def test_a_release_continues_after_a_message() -> None:
    assert parse('{"project_id": "acme", "beyond": "01"}') == ValidateProjects((ProjectId("acme"),), "01")


@pytest.mark.parametrize(
    "name", ["PutSecretValue", "UpdateSecret", "DeleteSecret", "RestoreSecret", "UpdateSecretVersionStage"]
)
def test_each_change_of_a_secret_validates_its_project(name: str) -> None:
    assert parse(call(name, requestParameters={"secretId": "project-smtp/acme"})) == validate("acme")


@pytest.mark.parametrize(
    ("name", "time", "edited_at"),
    [
        ("PutSecretValue", "2026-01-01T09:00:00Z", 1_767_258_000.0),
        # The service deletes no secret, so a deletion came after the service's own change in the same second.
        ("DeleteSecret", "2026-01-01T09:00:00Z", 1_767_258_001.0),
        ("PutSecretValue", "yesterday", None),
        ("PutSecretValue", 7, None),
    ],
)
def test_the_time_of_an_edit_is_read(name: str, time: object, edited_at: float | None) -> None:
    change = parse(call(name, requestParameters={"secretId": "project-smtp/acme"}, eventTime=time))

    assert change == ValidateProjects((ProjectId("acme"),), edited_at=edited_at)


def test_a_new_secret_is_named_by_its_name() -> None:
    assert parse(call("CreateSecret", requestParameters={"name": "project-smtp/acme"})) == validate("acme")


@pytest.mark.parametrize(
    ("secret_id", "project_ids"),
    [
        ("project-smtp/acme", ["acme"]),
        ("project-smtp/acme-AbC123", ["acme-AbC123"]),
        (f"{ARN}project-smtp/acme", ["acme"]),
        (f"{ARN}project-smtp/acme-AbC123", ["acme", "acme-AbC123"]),
        (f"{ARN}project-smtp/acme-eu-AbC123", ["acme-eu", "acme-eu-AbC123"]),
        (f"{ARN}project-smtp/my-acmeco", ["my", "my-acmeco"]),
        ("arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:project-smtp/acme", ["acme"]),
    ],
)
def test_the_project_is_found_by_name_and_by_arn_with_or_without_suffix(secret_id: str, project_ids: list[str]) -> None:
    assert parse(call("PutSecretValue", requestParameters={"secretId": secret_id})) == validate(*project_ids)


@pytest.mark.parametrize(
    "body",
    [
        call("PutSecretValue", requestParameters={"secretId": "database/acme"}),
        call("PutSecretValue", requestParameters={"secretId": "project-smtp/a/b"}),
        call("PutSecretValue", requestParameters={"secretId": "project-smtp/"}),
        call("PutSecretValue", requestParameters={"secretId": f"{ARN}database-AbC123"}),
        call("GetSecretValue", requestParameters={"secretId": "project-smtp/acme"}),
        call("PutSecretValue", source="s3.amazonaws.com", requestParameters={"secretId": "project-smtp/acme"}),
        call("PutSecretValue", requestParameters={"secretId": "project-smtp/acme"}, errorCode="AccessDenied"),
    ],
)
def test_an_event_that_changes_no_project_is_unrelated(body: str) -> None:
    assert parse(body) == Unrelated()


@pytest.mark.parametrize("name", ["EndSecretVersionDelete", "RotationSucceeded"])
def test_events_of_secrets_manager_itself_validate_the_project(name: str) -> None:
    body = call(name, requestParameters=None, additionalEventData={"SecretId": f"{ARN}project-smtp/acme-AbC123"})

    assert parse(body) == validate("acme", "acme-AbC123")


def test_the_arn_in_the_response_decides_the_project() -> None:
    arn = f"{ARN}project-smtp/acme-eu-AbC123"
    body = call("PutSecretValue", requestParameters={"secretId": arn}, responseElements={"arn": arn})

    assert parse(body) == validate("acme-eu")


def test_a_message_can_name_one_project() -> None:
    assert parse('{"project_id": "acme"}') == validate("acme")


def test_a_message_can_mean_all_projects() -> None:
    assert parse('{"examine_all": true}') == ValidateAllProjects()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not-json"),
        ("{", "not-json"),
        ("[" * 100_000, "not-json"),
        ("[]", "unknown-kind"),
        ("null", "unknown-kind"),
        ("{}", "unknown-kind"),
        ('{"examine_all": false}', "unknown-kind"),
        ('{"project_id": "acme", "other": 1}', "unknown-kind"),
        ('{"project_id": 7}', "unknown-kind"),
        ('{"project_id": "a/b"}', "project-id-malformed"),
        ('{"project_id": "a/b", "beyond": "1"}', "project-id-malformed"),
        ('{"project_id": "acme", "beyond": ""}', "message-id-malformed"),
        ('{"project_id": "acme", "beyond": 7}', "unknown-kind"),
        ('{"project_id": "acme", "beyond": "1", "more": 1}', "unknown-kind"),
        (call("PutSecretValue"), "secret-not-named"),
        (call("PutSecretValue", requestParameters=None), "secret-not-named"),
        (call("PutSecretValue", requestParameters={"secretId": 7}), "secret-not-named"),
        (call("CreateSecret", requestParameters={"secretId": "project-smtp/acme"}), "secret-not-named"),
    ],
)
def test_a_malformed_message_has_a_reason(body: str, reason: str) -> None:
    assert parse(body) == MalformedChange(reason)


@given(st.text() | st.recursive(st.none() | st.text(), lambda inner: st.dictionaries(st.text(), inner)).map(json.dumps))
def test_parsing_a_message_never_raises(body: str) -> None:
    assert isinstance(parse(body), ValidateProjects | ValidateAllProjects | Unrelated | MalformedChange)


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.from_regex(r"[A-Za-z0-9]{6}", fullmatch=True))
def test_the_project_of_a_full_arn_is_always_validated(project_id: str, suffix: str) -> None:
    body = call("PutSecretValue", requestParameters={"secretId": f"{ARN}{PREFIX}{project_id}-{suffix}"})

    parsed = parse(body)

    assert isinstance(parsed, ValidateProjects)
    assert project_id in parsed.project_ids
