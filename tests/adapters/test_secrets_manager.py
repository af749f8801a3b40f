"""The secret store: what Secrets Manager answers, and what that means for a project's mail."""

import gc
import json
import logging
import threading
import uuid
from collections.abc import Callable

import pytest
from mailer.adapters.aws_session import AwsSession
from mailer.adapters.elapsed import Clocks
from mailer.adapters.secrets_manager import SecretsManagerStore
from mailer.project import ProjectId
from mailer.resolution import (
    SecretAbsent,
    SecretAnswer,
    SecretPresent,
    SecretUnavailable,
    SecretUnusable,
    Unavailability,
)
from mailer.secret_str import SecretStr

from tests.adapters.conftest import Aws
from tests.fakes import FakeClock
from tests.support.fake_aws import Answer, Behaviour, Close, FakeAws, Hang, Request, Reset, refusal, success

PREFIX = "project-smtp/"
ACME = ProjectId("acme")
OTHER = ProjectId("other")
RELAY = '{"smtpHost": "relay.example.com"}'


class Stage:
    """A store on a given endpoint, with clocks that a test moves."""

    def __init__(self, url: str, **options: float) -> None:
        self.monotonic, self.wall = FakeClock(), FakeClock()
        self.store = SecretsManagerStore(
            AwsSession(endpoint_url=url).secrets_manager,
            prefix=PREFIX,
            chooses_relay=lambda text: "smtpHost" in text.reveal(),
            clocks=Clocks(self.monotonic, self.wall),
            **options,  # type: ignore[arg-type] # capacity is an int, the others are seconds
        )

    def read(self, project_id: ProjectId = ACME, *, refresh: bool = False) -> SecretAnswer:
        return self.store.current(project_id, deadline=self.monotonic() + 20, refresh=refresh)

    def advance(self, seconds: float) -> None:
        self.monotonic.advance(seconds)
        self.wall.advance(seconds)


def value(text: str = RELAY, *, name: str = PREFIX + ACME, version: str = "v1") -> Answer:
    return success(Name=name, SecretString=text, VersionId=version, VersionStages=["AWSCURRENT"])


NOT_FOUND = refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")


class Script:
    """Answers in turn; the last one for good."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.behaviours = list(behaviours)

    def __call__(self, request: Request) -> Behaviour:
        return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]


# -- what moto's Secrets Manager answers ------------------------------------------------------------------------------


@pytest.fixture
def project() -> ProjectId:
    return ProjectId(f"p-{uuid.uuid4().hex}")


def test_a_secret_is_present_with_its_text_and_version(aws: Aws, project: ProjectId) -> None:
    version = aws.secrets.create_secret(Name=PREFIX + project, SecretString=RELAY)["VersionId"]

    assert Stage(aws.url).read(project) == SecretPresent(SecretStr(RELAY), version)


def test_a_secret_that_was_never_made_is_absent(aws: Aws, project: ProjectId) -> None:
    assert Stage(aws.url).read(project) == SecretAbsent()


def test_fc4_a_secret_without_a_value_is_unusable_not_absent(aws: Aws, project: ProjectId) -> None:
    aws.secrets.create_secret(Name=PREFIX + project)

    answer = Stage(aws.url).read(project)

    assert isinstance(answer, SecretUnusable)
    assert answer.problem.code == "secret-without-value"


def test_fc5_a_secret_scheduled_for_deletion_is_unusable(aws: Aws, project: ProjectId) -> None:
    aws.secrets.create_secret(Name=PREFIX + project, SecretString=RELAY)
    aws.secrets.delete_secret(SecretId=PREFIX + project)

    answer = Stage(aws.url).read(project)

    assert isinstance(answer, SecretUnusable)
    assert answer.problem.code == "secret-scheduled-for-deletion"


def test_a_secret_deleted_at_once_is_absent(aws: Aws, project: ProjectId) -> None:
    aws.secrets.create_secret(Name=PREFIX + project, SecretString=RELAY)
    aws.secrets.delete_secret(SecretId=PREFIX + project, ForceDeleteWithoutRecovery=True)

    assert Stage(aws.url).read(project) == SecretAbsent()


def test_fc6_a_binary_secret_is_unusable(aws: Aws, project: ProjectId) -> None:
    aws.secrets.create_secret(Name=PREFIX + project, SecretBinary=b"\xff\xfe{}")

    answer = Stage(aws.url).read(project)

    assert isinstance(answer, SecretUnusable)
    assert answer.problem.code == "secret-binary"


@pytest.mark.parametrize("text", ["not json", "[]", "7", '"text"', "\ufeff{}", " "])
def test_fc6_any_text_is_present_and_left_to_the_parser(aws: Aws, project: ProjectId, text: str) -> None:
    aws.secrets.create_secret(Name=PREFIX + project, SecretString=text)

    answer = Stage(aws.url).read(project)

    assert isinstance(answer, SecretPresent)
    assert answer.text.reveal() == text


def test_sh5_a_pending_version_is_not_read(aws: Aws, project: ProjectId) -> None:
    aws.secrets.create_secret(Name=PREFIX + project, SecretString=RELAY)
    aws.secrets.put_secret_value(SecretId=PREFIX + project, SecretString="{}", VersionStages=["AWSPENDING"])

    answer = Stage(aws.url).read(project)

    assert isinstance(answer, SecretPresent)
    assert answer.text.reveal() == RELAY


def test_sh5_the_next_read_after_a_rotation_has_the_new_version(aws: Aws, project: ProjectId) -> None:
    aws.secrets.create_secret(Name=PREFIX + project, SecretString=RELAY)
    stage = Stage(aws.url)
    before = stage.read(project)
    version = aws.secrets.put_secret_value(SecretId=PREFIX + project, SecretString="{}")["VersionId"]
    stage.advance(60)

    after = stage.read(project)

    assert isinstance(before, SecretPresent)
    assert after == SecretPresent(SecretStr("{}"), version)


# -- what a failing Secrets Manager is taken for ----------------------------------------------------------------------


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
        pytest.param("NobodyKnows", 418, Unavailability.SERVICE_ERROR, id="FC3-unknown-code"),
    ],
)
def test_a_refusal_is_unavailable_and_never_absent(code: str, status: int, reason: Unavailability) -> None:
    with FakeAws(Script(refusal(code, status=status))) as fake:
        assert Stage(fake.url).read() == SecretUnavailable(reason)


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
        assert Stage(fake.url).read() == SecretUnavailable(reason)


def test_fc3_a_read_timeout_is_unavailable() -> None:
    with FakeAws(Script(Hang())) as fake:
        assert Stage(fake.url).read() == SecretUnavailable(Unavailability.TIMEOUT)


def test_fc3_nobody_listening_is_unavailable() -> None:
    with FakeAws(Script(Hang())) as fake:
        url = fake.url

    assert Stage(url).read() == SecretUnavailable(Unavailability.SERVICE_ERROR)


def test_fc3_no_credentials_are_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with FakeAws(Script(value())) as fake:
        assert Stage(fake.url).read() == SecretUnavailable(Unavailability.ACCESS_DENIED)


@pytest.mark.parametrize(
    "described",
    [
        pytest.param(refusal("AccessDeniedException"), id="denied"),
        pytest.param(refusal("InternalServiceError", status=500), id="internal"),
        pytest.param(Answer(200, b"{"), id="broken"),
        pytest.param(Reset(), id="reset"),
    ],
)
def test_fc4_without_a_description_nothing_is_absent(described: Behaviour) -> None:
    with FakeAws(lambda request: NOT_FOUND if request.operation == "GetSecretValue" else described) as fake:
        assert isinstance(Stage(fake.url).read(), SecretUnavailable)


def test_fc4_a_value_that_comes_between_the_two_calls_is_unavailable_not_invalid() -> None:
    described = success(Name=PREFIX + ACME, VersionIdsToStages={"v1": ["AWSCURRENT"]})
    with FakeAws(lambda request: NOT_FOUND if request.operation == "GetSecretValue" else described) as fake:
        assert Stage(fake.url).read() == SecretUnavailable(Unavailability.SERVICE_ERROR)


def test_an_invalid_request_about_a_secret_that_has_a_value_is_unavailable() -> None:
    described = success(Name=PREFIX + ACME, VersionIdsToStages={"v1": ["AWSCURRENT"]})
    invalid = refusal("InvalidRequestException", "The secret is managed by another service.")
    with FakeAws(lambda request: invalid if request.operation == "GetSecretValue" else described) as fake:
        assert Stage(fake.url).read() == SecretUnavailable(Unavailability.SERVICE_ERROR)


def test_a_description_of_another_secret_is_unavailable() -> None:
    described = success(Name=PREFIX + OTHER)
    with FakeAws(lambda request: NOT_FOUND if request.operation == "GetSecretValue" else described) as fake:
        assert Stage(fake.url).read() == SecretUnavailable(Unavailability.SERVICE_ERROR)


def test_a_passed_deadline_asks_nothing() -> None:
    with FakeAws(Script(value())) as fake:
        stage = Stage(fake.url)

        assert stage.store.current(ACME, deadline=stage.monotonic()) == SecretUnavailable(Unavailability.TIMEOUT)
        assert fake.requests == []


# -- the cache --------------------------------------------------------------------------------------------------------


def test_sh13_a_read_asks_for_the_current_version_of_its_own_secret_alone() -> None:
    with FakeAws(Script(value())) as fake:
        Stage(fake.url).read()

        assert fake.operations == ["GetSecretValue"]
        assert fake.requests[0].json() == {"SecretId": "project-smtp/acme", "VersionStage": "AWSCURRENT"}


@pytest.mark.parametrize("first", [pytest.param(value(), id="present"), pytest.param(NOT_FOUND, id="SH10-absent")])
def test_an_answer_is_kept_for_less_than_sixty_seconds(first: Answer) -> None:
    with FakeAws(Script(first)) as fake:
        stage = Stage(fake.url)
        stage.read()
        asked = len(fake.requests)
        stage.advance(59.9)
        stage.read()
        assert len(fake.requests) == asked

        stage.advance(0.1)
        stage.read()

        assert len(fake.requests) == 2 * asked


def test_a_refresh_asks_although_the_answer_is_fresh() -> None:
    with FakeAws(Script(value(), value(version="v2"))) as fake:
        stage = Stage(fake.url)
        stage.read()

        assert stage.read(refresh=True) == SecretPresent(SecretStr(RELAY), "v2")
        assert stage.read() == SecretPresent(SecretStr(RELAY), "v2")
        assert len(fake.requests) == 2


@pytest.mark.parametrize("standing", ["monotonic", "wall"])
def test_a_clock_that_stands_still_keeps_nothing_longer(standing: str) -> None:
    with FakeAws(Script(value(), value(version="v2"))) as fake:
        stage = Stage(fake.url)
        stage.read()
        (stage.wall if standing == "monotonic" else stage.monotonic).advance(60)

        assert stage.read() == SecretPresent(SecretStr(RELAY), "v2")


def test_a_wall_clock_set_back_keeps_nothing_longer() -> None:
    with FakeAws(Script(value(), value(version="v2"))) as fake:
        stage = Stage(fake.url)
        stage.read()
        stage.wall.advance(-3600)
        stage.monotonic.advance(60)

        assert stage.read() == SecretPresent(SecretStr(RELAY), "v2")


def test_fc19_an_absent_secret_is_never_served_stale() -> None:
    script = Script(NOT_FOUND)
    with FakeAws(script) as fake:
        stage = Stage(fake.url)
        assert stage.read() == SecretAbsent()
        script.behaviours = [refusal("InternalServiceError", status=500)]
        stage.advance(60)

        assert stage.read() == SecretUnavailable(Unavailability.SERVICE_ERROR)


def test_fc19_a_secret_that_activates_nothing_is_never_served_stale() -> None:
    with FakeAws(Script(value("{}"), refusal("InternalServiceError", status=500))) as fake:
        stage = Stage(fake.url)
        stage.read()
        stage.advance(60)

        assert stage.read() == SecretUnavailable(Unavailability.SERVICE_ERROR)


@pytest.mark.parametrize(
    "outage",
    [
        pytest.param(refusal("InternalServiceError", status=500), id="service-error"),
        pytest.param(refusal("ThrottlingException"), id="throttled"),
        pytest.param(Reset(), id="reset"),
    ],
)
def test_sh11_a_chosen_relay_bridges_an_outage_of_five_minutes(outage: Behaviour) -> None:
    with FakeAws(Script(value(), outage)) as fake:
        stage = Stage(fake.url)
        stage.read()
        stage.advance(300)
        assert stage.read() == SecretPresent(SecretStr(RELAY), "v1")

        stage.advance(1)

        assert isinstance(stage.read(), SecretUnavailable)


@pytest.mark.parametrize("code", ["AccessDeniedException", "DecryptionFailure"])
def test_sh11_a_decision_is_no_outage_to_bridge(code: str) -> None:
    with FakeAws(Script(value(), refusal(code))) as fake:
        stage = Stage(fake.url)
        stage.read()
        stage.advance(60)

        assert isinstance(stage.read(), SecretUnavailable)


def test_sh11_a_bridged_outage_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with FakeAws(Script(value(), refusal("ThrottlingException"))) as fake:
        stage = Stage(fake.url)
        stage.read()
        stage.advance(60)
        stage.read()

    assert "a cached secret bridges an outage of the store" in caplog.messages


def test_sh9_a_failure_is_kept_for_one_second() -> None:
    with FakeAws(Script(refusal("AccessDeniedException"), value())) as fake:
        stage = Stage(fake.url)
        stage.read()
        stage.advance(0.9)
        assert stage.read() == SecretUnavailable(Unavailability.ACCESS_DENIED)
        assert len(fake.requests) == 1

        stage.advance(0.1)

        assert stage.read() == SecretPresent(SecretStr(RELAY), "v1")


def test_sh9_concurrent_cold_reads_fetch_once() -> None:
    with FakeAws(Script(value())) as fake:
        stage = Stage(fake.url)
        answers = _at_once(*[stage.read] * 20)

        assert answers == [SecretPresent(SecretStr(RELAY), "v1")] * 20
        assert len(fake.requests) == 1


def test_ti4_concurrent_cold_reads_of_two_projects_do_not_cross() -> None:
    both_have_asked = threading.Barrier(2, timeout=10)

    def behave(request: Request) -> Behaviour:
        both_have_asked.wait()
        return value() if request.json()["SecretId"] == PREFIX + ACME else refusal("AccessDeniedException")

    with FakeAws(behave) as fake:
        stage = Stage(fake.url)

        assert _at_once(lambda: stage.read(ACME), lambda: stage.read(OTHER)) == [
            SecretPresent(SecretStr(RELAY), "v1"),
            SecretUnavailable(Unavailability.ACCESS_DENIED),
        ]


def test_the_cache_forgets_the_project_that_was_used_longest_ago() -> None:
    def behave(request: Request) -> Behaviour:
        return value(name=str(request.json()["SecretId"]))

    with FakeAws(behave) as fake:
        stage = Stage(fake.url, capacity=2)
        for name in ("a", "b", "a", "c", "a", "b"):
            stage.read(ProjectId(name))

        assert [str(request.json()["SecretId"])[-1] for request in fake.requests] == ["a", "b", "c", "b"]


def test_ti13_an_answer_of_no_more_use_is_dropped_from_memory() -> None:
    def behave(request: Request) -> Behaviour:
        return value(name=str(request.json()["SecretId"]))

    def secrets_in_memory() -> int:
        gc.collect()
        return sum(isinstance(found, SecretPresent) for found in gc.get_objects())

    with FakeAws(behave) as fake:
        stage = Stage(fake.url)
        before = secrets_in_memory()
        for name in ("a", "b", "c"):
            stage.read(ProjectId(name))
        assert secrets_in_memory() == before + 3
        stage.advance(301)
        stage.read(OTHER)

        assert secrets_in_memory() == before + 1


def test_sh2_debug_logging_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    text = json.dumps({"smtpHost": "relay.example.com", "smtpPassword": "canary-7f3a"})
    with caplog.at_level(logging.DEBUG), FakeAws(Script(value(text))) as fake:
        answer = Stage(fake.url).read()

    assert isinstance(answer, SecretPresent)
    assert "canary-7f3a" not in caplog.text
    assert "canary-7f3a" not in repr(answer)


def _at_once(*reads: Callable[[], SecretAnswer]) -> list[SecretAnswer]:
    answers: dict[int, SecretAnswer] = {}
    barrier = threading.Barrier(len(reads), timeout=10)

    def run(index: int) -> None:
        barrier.wait()
        answers[index] = reads[index]()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(reads))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    return [answers[index] for index in range(len(reads))]
