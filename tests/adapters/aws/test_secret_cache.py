"""The secret store's cache: how long an answer is used, and which answer is used during an outage."""

import gc
import json
import logging
import threading
from collections.abc import Callable

import pytest
from mailer.project import ProjectId
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import (
    SecretAbsent,
    SecretAnswer,
    SecretPresent,
    SecretUnavailable,
    Unavailability,
)

from tests.support.fake_aws import Answer, Behaviour, FakeAws, Request, Reset, refusal
from tests.support.secret_setup import ACME, NOT_FOUND, OTHER, PREFIX, RELAY, Script, Setup, value


def test_sh13_a_read_requests_only_the_current_version_of_its_own_secret() -> None:
    with FakeAws(Script(value())) as fake:
        Setup(fake.url).read()

        assert fake.operations == ["GetSecretValue"]
        assert fake.requests[0].json() == {"SecretId": "project-smtp/acme", "VersionStage": "AWSCURRENT"}


@pytest.mark.parametrize("first", [pytest.param(value(), id="present"), pytest.param(NOT_FOUND, id="SH10-absent")])
def test_an_answer_by_which_mail_leaves_is_kept_for_less_than_five_seconds(first: Answer) -> None:
    with FakeAws(Script(first)) as fake:
        setup = Setup(fake.url)
        setup.read()
        asked = len(fake.requests)
        setup.advance(4.9)
        setup.read()
        assert len(fake.requests) == asked

        setup.advance(0.1)
        setup.read()

        assert len(fake.requests) == 2 * asked


def test_a_refresh_reads_again_even_if_the_answer_is_fresh() -> None:
    with FakeAws(Script(value(), value(version="v2"))) as fake:
        setup = Setup(fake.url)
        setup.read()

        assert setup.read(refresh=True) == SecretPresent(SecretStr(RELAY), "v2")
        assert setup.read() == SecretPresent(SecretStr(RELAY), "v2")
        assert len(fake.requests) == 2


@pytest.mark.parametrize("standing", ["monotonic", "wall"])
def test_a_stopped_monotonic_clock_does_not_extend_the_cache(standing: str) -> None:
    with FakeAws(Script(value(), value(version="v2"))) as fake:
        setup = Setup(fake.url)
        setup.read()
        (setup.wall if standing == "monotonic" else setup.monotonic).advance(60)

        assert setup.read() == SecretPresent(SecretStr(RELAY), "v2")


def test_a_wall_clock_that_is_set_back_does_not_extend_the_cache() -> None:
    with FakeAws(Script(value(), value(version="v2"))) as fake:
        setup = Setup(fake.url)
        setup.read()
        setup.wall.advance(-3600)
        setup.monotonic.advance(60)

        assert setup.read() == SecretPresent(SecretStr(RELAY), "v2")


def test_fc19_an_absent_secret_is_never_served_stale() -> None:
    script = Script(NOT_FOUND)
    with FakeAws(script) as fake:
        setup = Setup(fake.url)
        assert setup.read() == SecretAbsent()
        script.behaviours = [refusal("InternalServiceError", status=500)]
        setup.advance(60)

        assert setup.read() == SecretUnavailable(Unavailability.SERVICE_ERROR)


def test_fc19_a_secret_that_activates_nothing_is_never_served_stale() -> None:
    with FakeAws(Script(value("{}"), refusal("InternalServiceError", status=500))) as fake:
        setup = Setup(fake.url)
        setup.read()
        setup.advance(60)

        assert setup.read() == SecretUnavailable(Unavailability.SERVICE_ERROR)


@pytest.mark.parametrize(
    "outage",
    [
        pytest.param(refusal("InternalServiceError", status=500), id="service-error"),
        pytest.param(refusal("ThrottlingException"), id="throttled"),
        pytest.param(Reset(), id="reset"),
    ],
)
def test_sh11_a_relay_configuration_is_used_for_five_minutes_of_an_outage(outage: Behaviour) -> None:
    with FakeAws(Script(value(), outage)) as fake:
        setup = Setup(fake.url)
        setup.read()
        setup.advance(300)
        assert setup.read() == SecretPresent(SecretStr(RELAY), "v1")

        setup.advance(1)

        assert isinstance(setup.read(), SecretUnavailable)


def test_sh11_a_refresh_during_an_outage_is_unavailable() -> None:
    with FakeAws(Script(value(), refusal("ThrottlingException"))) as fake:
        setup = Setup(fake.url)
        setup.read()
        setup.advance(60)

        assert setup.read(refresh=True) == SecretUnavailable(Unavailability.THROTTLED)
        assert setup.read() == SecretPresent(SecretStr(RELAY), "v1")


@pytest.mark.parametrize("code", ["AccessDeniedException", "DecryptionFailure"])
def test_sh11_after_a_denied_read_no_cached_answer_is_used(code: str) -> None:
    with FakeAws(Script(value(), refusal(code))) as fake:
        setup = Setup(fake.url)
        setup.read()
        setup.advance(60)

        assert isinstance(setup.read(), SecretUnavailable)


def test_sh11_the_use_of_a_cached_answer_in_an_outage_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with FakeAws(Script(value(), refusal("ThrottlingException"))) as fake:
        setup = Setup(fake.url)
        setup.read()
        setup.advance(60)
        setup.read()

    assert "a cached secret bridges an outage of the store" in caplog.messages


def test_sh9_a_failure_is_kept_for_one_second() -> None:
    with FakeAws(Script(refusal("AccessDeniedException"), value())) as fake:
        setup = Setup(fake.url)
        setup.read()
        setup.advance(0.9)
        assert setup.read() == SecretUnavailable(Unavailability.ACCESS_DENIED)
        assert len(fake.requests) == 1

        setup.advance(0.1)

        assert setup.read() == SecretPresent(SecretStr(RELAY), "v1")


def test_sh9_concurrent_cold_reads_fetch_once() -> None:
    with FakeAws(Script(value())) as fake:
        setup = Setup(fake.url)
        answers = _at_once(*[setup.read] * 20)

        assert answers == [SecretPresent(SecretStr(RELAY), "v1")] * 20
        assert len(fake.requests) == 1


def test_ti4_concurrent_cold_reads_of_two_projects_do_not_cross() -> None:
    both_have_asked = threading.Barrier(2, timeout=10)

    def behave(request: Request) -> Behaviour:
        both_have_asked.wait()
        return value() if request.json()["SecretId"] == PREFIX + ACME else refusal("AccessDeniedException")

    with FakeAws(behave) as fake:
        setup = Setup(fake.url)

        assert _at_once(lambda: setup.read(ACME), lambda: setup.read(OTHER)) == [
            SecretPresent(SecretStr(RELAY), "v1"),
            SecretUnavailable(Unavailability.ACCESS_DENIED),
        ]


def test_the_cache_drops_the_least_recently_used_project() -> None:
    def behave(request: Request) -> Behaviour:
        return value(name=str(request.json()["SecretId"]))

    with FakeAws(behave) as fake:
        setup = Setup(fake.url, capacity=2)
        for name in ("a", "b", "a", "c", "a", "b"):
            setup.read(ProjectId(name))

        assert [str(request.json()["SecretId"])[-1] for request in fake.requests] == ["a", "b", "c", "b"]


def test_ti13_an_expired_answer_is_dropped_from_memory() -> None:
    def behave(request: Request) -> Behaviour:
        return value(name=str(request.json()["SecretId"]))

    def secrets_in_memory() -> int:
        gc.collect()
        return sum(isinstance(found, SecretPresent) for found in gc.get_objects())

    with FakeAws(behave) as fake:
        setup = Setup(fake.url)
        before = secrets_in_memory()
        for name in ("a", "b", "c"):
            setup.read(ProjectId(name))
        assert secrets_in_memory() == before + 3
        setup.advance(301)
        setup.read(OTHER)

        assert secrets_in_memory() == before + 1


def test_sh2_debug_logging_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    text = json.dumps({"smtpHost": "relay.example.com", "smtpPassword": "canary-7f3a"})
    with caplog.at_level(logging.DEBUG), FakeAws(Script(value(text))) as fake:
        answer = Setup(fake.url).read()

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
