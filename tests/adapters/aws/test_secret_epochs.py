"""The secret cache and epochs: after news of a change no earlier reading is used, whatever the store returns."""

import pytest
from mailer.ledger.epoch import Epoch, PendingChange
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import SecretAbsent, SecretPresent, SecretUnavailable, Unavailability

from tests.fakes import FakeClock
from tests.support.fake_aws import FakeAws, refusal
from tests.support.secret_setup import NOT_FOUND, RELAY, Script, Setup, value

START = FakeClock().seconds
NEWER = value(version="v2")
AFTER_CHANGE = Epoch(number=2, version_id="v2", changed_at=START, replaced=("v1",))


def present(version: str) -> SecretPresent:
    return SecretPresent(SecretStr(RELAY), version)


def test_a_reading_of_an_older_epoch_is_not_used() -> None:
    with FakeAws(Script(value(), NEWER)) as fake:
        setup = Setup(fake.url)
        assert setup.read(epoch=Epoch(1)) == present("v1")

        assert setup.read(epoch=Epoch(2)) == present("v2")


def test_within_an_epoch_the_reading_is_kept() -> None:
    with FakeAws(Script(value(), NEWER)) as fake:
        setup = Setup(fake.url)
        setup.read(epoch=Epoch(1))

        assert setup.read(epoch=Epoch(1)) == present("v1")
        assert len(fake.requests) == 1


def test_a_late_reader_of_an_older_epoch_gets_the_newer_reading() -> None:
    with FakeAws(Script(NEWER)) as fake:
        setup = Setup(fake.url)
        setup.read(epoch=Epoch(2))

        assert setup.read(epoch=Epoch(1)) == present("v2")
        assert len(fake.requests) == 1


def test_after_news_an_outage_is_not_bridged_by_the_reading_from_before() -> None:
    with FakeAws(Script(value(), refusal("ThrottlingException"))) as fake:
        setup = Setup(fake.url)
        setup.read(epoch=Epoch(1))

        assert setup.read(epoch=Epoch(2)) == SecretUnavailable(Unavailability.THROTTLED)
        assert setup.read(epoch=Epoch(2)) == SecretUnavailable(Unavailability.THROTTLED)


def test_while_a_change_is_pending_every_message_reads_the_store() -> None:
    pending = Epoch(1, pending=(PendingChange(1, START + 100),))
    with FakeAws(Script(value(), value(), NEWER)) as fake:
        setup = Setup(fake.url)

        assert [setup.read(epoch=pending) for _ in range(3)] == [present("v1"), present("v1"), present("v2")]


def test_while_a_change_is_pending_an_outage_is_not_bridged() -> None:
    pending = Epoch(1, pending=(PendingChange(1, START + 100),))
    with FakeAws(Script(value(), refusal("ThrottlingException"))) as fake:
        setup = Setup(fake.url)
        setup.read(epoch=pending)

        assert setup.read(epoch=pending) == SecretUnavailable(Unavailability.THROTTLED)


@pytest.mark.parametrize("old", [pytest.param(value(), id="old version"), pytest.param(NOT_FOUND, id="not created")])
def test_a_store_that_returns_the_state_before_the_change_is_read_again(old: object) -> None:
    answers = [old, old] if old is NOT_FOUND else [old]  # a missing secret takes two requests
    with FakeAws(Script(*answers, NEWER)) as fake:
        setup = Setup(fake.url)

        assert setup.read(epoch=AFTER_CHANGE) == present("v2")
        assert setup.pauses == [0.1]


@pytest.mark.parametrize("old", [pytest.param(value(), id="old version"), pytest.param(NOT_FOUND, id="not created")])
def test_a_store_that_keeps_returning_the_old_state_is_unavailable(old: object) -> None:
    with FakeAws(Script(old)) as fake:  # type: ignore[arg-type]  # one of two answers
        setup = Setup(fake.url)

        assert setup.read(epoch=AFTER_CHANGE) == SecretUnavailable(Unavailability.SERVICE_ERROR)
        assert setup.read(epoch=AFTER_CHANGE, refresh=True) == SecretUnavailable(Unavailability.SERVICE_ERROR)


def test_an_old_state_is_not_stored_by_a_refresh_without_the_ledger() -> None:
    with FakeAws(Script(NEWER, value(), value(), value(), value(), NEWER)) as fake:
        setup = Setup(fake.url)
        setup.read(epoch=AFTER_CHANGE)

        assert isinstance(setup.read(epoch=None, refresh=True), SecretUnavailable)
        assert setup.read(epoch=AFTER_CHANGE) == present("v2")


def test_a_secret_deleted_in_the_console_is_absent_a_minute_after_a_change() -> None:
    with FakeAws(Script(NOT_FOUND)) as fake:
        setup = Setup(fake.url)
        setup.advance(60)

        assert setup.read(epoch=AFTER_CHANGE) == SecretAbsent()
