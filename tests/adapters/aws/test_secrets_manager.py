"""The secret store: how each answer of Secrets Manager is read."""

import uuid

import pytest
from mailer.adapters.aws.secrets_manager import SecretsManagerReader
from mailer.adapters.aws.session import AwsSession
from mailer.errors import SecretsUnavailable
from mailer.project import ProjectId
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import (
    SecretAbsent,
    SecretPresent,
    SecretUnavailable,
    SecretUnusable,
    Unavailability,
)

from tests.adapters.conftest import Aws
from tests.support.fake_aws import Answer, Behaviour, Close, FakeAws, Hang, Reset, refusal, success
from tests.support.secret_setup import ACME, NOT_FOUND, OTHER, PREFIX, RELAY, Script, Setup, value

# -- what moto's Secrets Manager answers ------------------------------------------------------------------------------


@pytest.fixture
def project() -> ProjectId:
    return ProjectId(f"p-{uuid.uuid4().hex}")


def test_a_secret_is_present_with_its_text_and_version(aws: Aws, project: ProjectId) -> None:
    version = aws.secrets.create_secret(Name=PREFIX + project, SecretString=RELAY)["VersionId"]

    assert Setup(aws.url).read(project) == SecretPresent(SecretStr(RELAY), version)


def test_a_secret_that_was_never_created_is_absent(aws: Aws, project: ProjectId) -> None:
    assert Setup(aws.url).read(project) == SecretAbsent()


def test_fc4_a_secret_without_a_value_is_unusable_not_absent(aws: Aws, project: ProjectId) -> None:
    aws.secrets.create_secret(Name=PREFIX + project)

    answer = Setup(aws.url).read(project)

    assert isinstance(answer, SecretUnusable)
    assert answer.problem.code == "secret-without-value"


def test_fc5_a_secret_scheduled_for_deletion_is_unusable(aws: Aws, project: ProjectId) -> None:
    aws.secrets.create_secret(Name=PREFIX + project, SecretString=RELAY)
    aws.secrets.delete_secret(SecretId=PREFIX + project)

    answer = Setup(aws.url).read(project)

    assert isinstance(answer, SecretUnusable)
    assert answer.problem.code == "secret-scheduled-for-deletion"


def test_a_secret_deleted_at_once_is_absent(aws: Aws, project: ProjectId) -> None:
    aws.secrets.create_secret(Name=PREFIX + project, SecretString=RELAY)
    aws.secrets.delete_secret(SecretId=PREFIX + project, ForceDeleteWithoutRecovery=True)

    assert Setup(aws.url).read(project) == SecretAbsent()


def test_fc6_a_binary_secret_is_unusable(aws: Aws, project: ProjectId) -> None:
    aws.secrets.create_secret(Name=PREFIX + project, SecretBinary=b"\xff\xfe{}")

    answer = Setup(aws.url).read(project)

    assert isinstance(answer, SecretUnusable)
    assert answer.problem.code == "secret-binary"


@pytest.mark.parametrize("text", ["not json", "[]", "7", '"text"', "\ufeff{}", " "])
def test_fc6_any_text_is_present_and_left_to_the_parser(aws: Aws, project: ProjectId, text: str) -> None:
    aws.secrets.create_secret(Name=PREFIX + project, SecretString=text)

    answer = Setup(aws.url).read(project)

    assert isinstance(answer, SecretPresent)
    assert answer.text.reveal() == text


def test_sh5_a_pending_version_is_not_read(aws: Aws, project: ProjectId) -> None:
    aws.secrets.create_secret(Name=PREFIX + project, SecretString=RELAY)
    aws.secrets.put_secret_value(SecretId=PREFIX + project, SecretString="{}", VersionStages=["AWSPENDING"])

    answer = Setup(aws.url).read(project)

    assert isinstance(answer, SecretPresent)
    assert answer.text.reveal() == RELAY


def test_sh5_the_next_read_after_a_rotation_has_the_new_version(aws: Aws, project: ProjectId) -> None:
    aws.secrets.create_secret(Name=PREFIX + project, SecretString=RELAY)
    setup = Setup(aws.url)
    before = setup.read(project)
    version = aws.secrets.put_secret_value(SecretId=PREFIX + project, SecretString="{}")["VersionId"]
    setup.advance(60)

    after = setup.read(project)

    assert isinstance(before, SecretPresent)
    assert after == SecretPresent(SecretStr("{}"), version)


# -- failures of Secrets Manager --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        pytest.param("AccessDeniedException", 400, Unavailability.ACCESS_DENIED, id="FC2-access-denied"),
        pytest.param("UnrecognizedClientException", 400, Unavailability.ACCESS_DENIED, id="FC2-unknown-key"),
        pytest.param("ExpiredTokenException", 400, Unavailability.ACCESS_DENIED, id="FC2-expired"),
        pytest.param("DecryptionFailure", 400, Unavailability.DECRYPTION_FAILED, id="FC3-decryption"),
        pytest.param("KMSAccessDeniedException", 400, Unavailability.DECRYPTION_FAILED, id="FC3-kms-denied"),
        pytest.param("InternalServiceError", 500, Unavailability.SERVICE_ERROR, id="FC3-internal"),
        pytest.param("ThrottlingException", 400, Unavailability.THROTTLED, id="FC3-throttled"),
        pytest.param("Anything", 429, Unavailability.THROTTLED, id="FC3-429"),
        pytest.param("InvalidParameterException", 400, Unavailability.SERVICE_ERROR, id="FC3-parameter"),
        pytest.param("UnknownCode", 418, Unavailability.SERVICE_ERROR, id="FC3-unknown-code"),
    ],
)
def test_a_refusal_is_unavailable_and_never_absent(code: str, status: int, reason: Unavailability) -> None:
    with FakeAws(Script(refusal(code, status=status))) as fake:
        assert Setup(fake.url).read() == SecretUnavailable(reason)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        pytest.param(Reset(), Unavailability.SERVICE_ERROR, id="FC3-reset"),
        pytest.param(Close(), Unavailability.SERVICE_ERROR, id="FC3-closed"),
        pytest.param(Answer(503, b"<html>"), Unavailability.SERVICE_ERROR, id="FC3-503-html"),
        pytest.param(Answer(200, b'{"Name": "project-s'), Unavailability.SERVICE_ERROR, id="FC3-broken-json"),
        pytest.param(Answer(200, b"[]"), Unavailability.SERVICE_ERROR, id="FC3-list"),
        pytest.param(Answer(200, b""), Unavailability.SERVICE_ERROR, id="FC3-empty"),
        pytest.param(success(Name=PREFIX + ACME, VersionId="v"), Unavailability.SERVICE_ERROR, id="FC3-no-value"),
        pytest.param(value(name=PREFIX + OTHER), Unavailability.SERVICE_ERROR, id="TI4-another-secret"),
    ],
)
def test_a_broken_answer_is_unavailable_and_never_absent(behaviour: Behaviour, reason: Unavailability) -> None:
    with FakeAws(Script(behaviour)) as fake:
        assert Setup(fake.url).read() == SecretUnavailable(reason)


def test_fc3_a_read_timeout_is_unavailable() -> None:
    with FakeAws(Script(Hang())) as fake:
        assert Setup(fake.url).read() == SecretUnavailable(Unavailability.TIMEOUT)


def test_fc3_a_closed_port_is_unavailable() -> None:
    with FakeAws(Script(Hang())) as fake:
        url = fake.url

    assert Setup(url).read() == SecretUnavailable(Unavailability.SERVICE_ERROR)


def test_fc3_missing_credentials_are_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with FakeAws(Script(value())) as fake:
        assert Setup(fake.url).read() == SecretUnavailable(Unavailability.ACCESS_DENIED)


@pytest.mark.parametrize(
    "described",
    [
        pytest.param(refusal("AccessDeniedException"), id="denied"),
        pytest.param(refusal("InternalServiceError", status=500), id="internal"),
        pytest.param(Answer(200, b"{"), id="broken"),
        pytest.param(Reset(), id="reset"),
    ],
)
def test_fc4_without_a_description_no_secret_is_absent(described: Behaviour) -> None:
    with FakeAws(lambda request: NOT_FOUND if request.operation == "GetSecretValue" else described) as fake:
        assert isinstance(Setup(fake.url).read(), SecretUnavailable)


def test_fc4_a_value_that_comes_between_the_two_calls_is_unavailable_not_invalid() -> None:
    described = success(Name=PREFIX + ACME, VersionIdsToStages={"v1": ["AWSCURRENT"]})
    with FakeAws(lambda request: NOT_FOUND if request.operation == "GetSecretValue" else described) as fake:
        assert Setup(fake.url).read() == SecretUnavailable(Unavailability.SERVICE_ERROR)


def test_an_invalid_request_about_a_secret_that_has_a_value_is_unavailable() -> None:
    described = success(Name=PREFIX + ACME, VersionIdsToStages={"v1": ["AWSCURRENT"]})
    invalid = refusal("InvalidRequestException", "The secret is managed by another service.")
    with FakeAws(lambda request: invalid if request.operation == "GetSecretValue" else described) as fake:
        assert Setup(fake.url).read() == SecretUnavailable(Unavailability.SERVICE_ERROR)


def test_a_description_of_another_secret_is_unavailable() -> None:
    described = success(Name=PREFIX + OTHER)
    with FakeAws(lambda request: NOT_FOUND if request.operation == "GetSecretValue" else described) as fake:
        assert Setup(fake.url).read() == SecretUnavailable(Unavailability.SERVICE_ERROR)


def test_after_the_deadline_there_is_no_request() -> None:
    with FakeAws(Script(value())) as fake:
        setup = Setup(fake.url)

        assert setup.store.current(ACME, epoch=None, deadline=setup.monotonic()) == SecretUnavailable(
            Unavailability.TIMEOUT
        )
        assert fake.requests == []


# -- whether a secret exists ------------------------------------------------------------------------------------------


def reader(url: str) -> SecretsManagerReader:
    return SecretsManagerReader(AwsSession(endpoint_url=url).secrets_manager, PREFIX)


def test_a_secret_exists_with_or_without_a_value_and_until_it_is_deleted(aws: Aws, project: ProjectId) -> None:
    assert not reader(aws.url).exists(project)
    aws.secrets.create_secret(Name=PREFIX + project)
    assert reader(aws.url).exists(project)
    aws.secrets.delete_secret(SecretId=PREFIX + project)
    assert reader(aws.url).exists(project)


@pytest.mark.parametrize("answer", [refusal("ThrottlingException"), refusal("AccessDeniedException")])
def test_without_an_answer_it_is_not_known_whether_a_secret_exists(answer: Answer) -> None:
    with FakeAws(Script(answer)) as fake, pytest.raises(SecretsUnavailable):
        reader(fake.url).exists(ACME)
