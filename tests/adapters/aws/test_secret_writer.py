"""The writer of secrets: a version replaces a known one or does not become current."""

import json
import uuid
from collections.abc import Mapping

import pytest
from mailer.adapters.aws.secret_writer import SecretsManagerWriter
from mailer.adapters.aws.session import AwsSession
from mailer.errors import ProjectSmtpInvalid, SecretsUnavailable
from mailer.ports import SecretChanged
from mailer.project import ProjectId
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import SecretPresent

from tests.adapters.conftest import Aws
from tests.support.fake_aws import Answer, Close, FakeAws, refusal, success
from tests.support.secret_stage import ACME, PREFIX, RELAY, Script, Stage

NEW = SecretStr('{"smtpHost": "new.example.com"}')
TOKEN, OLD = "0" * 32, "1" * 32


def writer(url: str, *, prefix: str = PREFIX) -> SecretsManagerWriter:
    return SecretsManagerWriter(AwsSession(endpoint_url=url).secrets_manager, prefix=prefix)


def drawn(url: str) -> SecretsManagerWriter:
    """A writer with a known id for the next version."""
    return SecretsManagerWriter(AwsSession(endpoint_url=url).secrets_manager, prefix=PREFIX, new_token=lambda: TOKEN)


@pytest.fixture
def project() -> ProjectId:
    return ProjectId(f"p-{uuid.uuid4().hex}")


def create(aws: Aws, project: ProjectId, text: str = RELAY) -> str:
    return aws.secrets.create_secret(Name=PREFIX + project, SecretString=text)["VersionId"]


def labels(aws: Aws, project: ProjectId) -> Mapping[str, list[str]]:
    """The versions that have labels."""
    stages = aws.secrets.describe_secret(SecretId=PREFIX + project)["VersionIdsToStages"]
    return {version: list(names) for version, names in stages.items() if names}


# -- against moto's Secrets Manager -----------------------------------------------------------------------------------


def test_a_first_secret_is_made(aws: Aws, project: ProjectId) -> None:
    version = writer(aws.url).promote(project, NEW, replaces=None)

    assert Stage(aws.url).read(project) == SecretPresent(NEW, version)


def test_a_secret_without_a_value_gets_its_first_version(aws: Aws, project: ProjectId) -> None:
    aws.secrets.create_secret(Name=PREFIX + project)

    version = writer(aws.url).promote(project, NEW, replaces=None)

    assert Stage(aws.url).read(project) == SecretPresent(NEW, version)


def test_SH5_a_new_version_replaces_the_given_one(aws: Aws, project: ProjectId) -> None:
    old = create(aws, project)

    new = writer(aws.url).promote(project, NEW, replaces=old)

    assert Stage(aws.url).read(project) == SecretPresent(NEW, new)
    assert labels(aws, project) == {old: ["AWSPREVIOUS"], new: ["AWSCURRENT"]}


def test_a_version_after_another_is_promoted_in_turn(aws: Aws, project: ProjectId) -> None:
    second = writer(aws.url).promote(project, NEW, replaces=create(aws, project))

    third = writer(aws.url).promote(project, SecretStr(RELAY), replaces=second)

    assert labels(aws, project) == {second: ["AWSPREVIOUS"], third: ["AWSCURRENT"]}


def test_a_forgotten_version_has_no_label_left(aws: Aws, project: ProjectId) -> None:
    new = writer(aws.url).promote(project, NEW, replaces=create(aws, project), forgets=True)

    assert labels(aws, project) == {new: ["AWSCURRENT"]}


def test_a_concurrent_change_stays(aws: Aws, project: ProjectId) -> None:
    seen = create(aws, project)
    theirs = aws.secrets.put_secret_value(SecretId=PREFIX + project, SecretString="{}")["VersionId"]

    with pytest.raises(SecretChanged):
        writer(aws.url).promote(project, NEW, replaces=seen)

    assert labels(aws, project) == {seen: ["AWSPREVIOUS"], theirs: ["AWSCURRENT"]}


def test_a_concurrently_created_secret_stays(aws: Aws, project: ProjectId) -> None:
    theirs = create(aws, project)

    with pytest.raises(SecretChanged):
        writer(aws.url).promote(project, NEW, replaces=None)

    assert labels(aws, project) == {theirs: ["AWSCURRENT"]}


def test_a_concurrently_deleted_secret_is_not_created_again(aws: Aws, project: ProjectId) -> None:
    seen = create(aws, project)
    aws.secrets.delete_secret(SecretId=PREFIX + project, ForceDeleteWithoutRecovery=True)

    with pytest.raises(SecretChanged):
        writer(aws.url).promote(project, NEW, replaces=seen)


def test_a_secret_scheduled_for_deletion_is_not_created_again(aws: Aws, project: ProjectId) -> None:
    create(aws, project)
    aws.secrets.delete_secret(SecretId=PREFIX + project)

    with pytest.raises(ProjectSmtpInvalid) as refused:
        writer(aws.url).promote(project, NEW, replaces=None)

    assert [problem.code for problem in refused.value.problems] == ["secret-scheduled-for-deletion"]


def test_every_project_with_a_secret_is_listed_page_by_page(aws: Aws) -> None:
    prefix = f"{uuid.uuid4().hex}/"
    names = [f"p{number}" for number in range(120)]
    for name in (*names, "not/a-project"):
        aws.secrets.create_secret(Name=prefix + name, SecretString="{}")
    aws.secrets.delete_secret(SecretId=f"{prefix}p7")

    assert sorted(writer(aws.url, prefix=prefix).projects()) == sorted(names)


# -- against answers that moto does not give --------------------------------------------------------------------------


@pytest.mark.parametrize("replaces", [OLD, None])
def test_a_secret_scheduled_for_deletion_accepts_no_value(replaces: str | None) -> None:
    script = Script(
        refusal("InvalidRequestException", "currently marked deleted"),
        success(Name=PREFIX + ACME, DeletedDate=1.0, VersionIdsToStages={OLD: ["AWSCURRENT"]}),
    )
    with FakeAws(script) as cloud, pytest.raises(ProjectSmtpInvalid):
        drawn(cloud.url).promote(ACME, NEW, replaces=replaces)

    assert cloud.operations[1:] == ["DescribeSecret"]


def test_a_move_whose_first_answer_was_lost_has_happened() -> None:
    script = Script(
        success(VersionId=TOKEN),
        refusal("InvalidParameterException", "AWSCURRENT is attached to another version"),
        success(Name=PREFIX + ACME, VersionIdsToStages={TOKEN: ["AWSCURRENT", "AWSPENDING"]}),
        success(),
    )
    with FakeAws(script) as cloud:
        assert drawn(cloud.url).promote(ACME, NEW, replaces=OLD) == TOKEN


@pytest.mark.parametrize("answer", [refusal("ThrottlingException"), Close()])
def test_a_version_that_keeps_its_pending_label_is_still_current(answer: Answer | Close) -> None:
    with FakeAws(Script(success(VersionId=TOKEN), success(), answer)) as cloud:
        assert drawn(cloud.url).promote(ACME, NEW, replaces=OLD) == TOKEN


def test_a_failed_removal_of_a_version_is_reported() -> None:
    script = Script(success(VersionId=TOKEN), success(), success(), refusal("ThrottlingException"))
    with FakeAws(script) as cloud, pytest.raises(SecretsUnavailable):
        drawn(cloud.url).promote(ACME, NEW, replaces=OLD, forgets=True)


def test_a_move_that_came_too_late_leaves_no_pending_version() -> None:
    script = Script(
        success(VersionId=TOKEN),
        refusal("InvalidParameterException", "AWSCURRENT is attached to another version"),
        success(Name=PREFIX + ACME, VersionIdsToStages={TOKEN: ["AWSPENDING"], "theirs": ["AWSCURRENT"]}),
        success(),
    )
    with FakeAws(script) as cloud, pytest.raises(SecretChanged):
        drawn(cloud.url).promote(ACME, NEW, replaces=OLD)

    assert cloud.requests[-1].json() == {
        "SecretId": "project-smtp/acme",
        "VersionStage": "AWSPENDING",
        "RemoveFromVersionId": TOKEN,
    }


def test_a_creation_whose_first_answer_was_lost_has_happened() -> None:
    script = Script(
        refusal("ResourceExistsException"), success(Name=PREFIX + ACME, VersionIdsToStages={TOKEN: ["AWSCURRENT"]})
    )
    with FakeAws(script) as cloud:
        assert drawn(cloud.url).promote(ACME, NEW, replaces=None) == TOKEN


@pytest.mark.parametrize("answer", [refusal("AccessDeniedException"), refusal("KMSNotFoundException"), Close()])
@pytest.mark.parametrize("replaces", [OLD, None])
def test_a_store_that_refuses_is_unavailable(answer: object, replaces: str | None) -> None:
    with FakeAws(lambda _: answer) as cloud:  # type: ignore[arg-type,return-value]  # the parameters are behaviours
        with pytest.raises(SecretsUnavailable):
            drawn(cloud.url).promote(ACME, NEW, replaces=replaces)
        with pytest.raises(SecretsUnavailable):
            drawn(cloud.url).projects()


def test_the_secret_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with (
        FakeAws(lambda _: refusal("AccessDeniedException")) as cloud,
        caplog.at_level("DEBUG"),
        pytest.raises(SecretsUnavailable),
    ):
        drawn(cloud.url).promote(ACME, NEW, replaces=OLD)

    assert "new.example.com" not in json.dumps([record.getMessage() for record in caplog.records])


def test_a_first_secret_is_made_under_the_operator_s_key(aws: Aws, project: ProjectId) -> None:
    key_arn = "arn:aws:kms:us-east-1:123456789012:key/1234"
    client = AwsSession(endpoint_url=aws.url).secrets_manager
    SecretsManagerWriter(client, prefix=PREFIX, key_arn=key_arn).promote(project, NEW, replaces=None)

    assert aws.secrets.describe_secret(SecretId=PREFIX + project)["KmsKeyId"] == key_arn
