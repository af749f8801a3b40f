"""The secret cache and epochs: after news of a change no earlier reading is used, whatever the store returns."""

import pytest
from mailer.ledger.epoch import Epoch, PendingChange, advance
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import SecretAbsent, SecretPresent, SecretUnavailable, Unavailability

from tests.fakes import FakeClock
from tests.support.fake_aws import Answer, FakeAws, refusal
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


def test_a_reading_from_a_pending_change_never_bridges_an_outage() -> None:
    # The report of the change was lost, so its announcement ends by itself.
    pending = Epoch(1, pending=(PendingChange(1, START + 120),))
    script = Script(value())
    with FakeAws(script) as fake:
        setup = Setup(fake.url)
        assert setup.read(epoch=pending) == present("v1")
        script.behaviours = [refusal("ThrottlingException")]
        setup.advance(121)

        assert setup.read(epoch=pending) == SecretUnavailable(Unavailability.THROTTLED)


def test_a_reading_from_after_a_pending_change_bridges_an_outage() -> None:
    pending = Epoch(1, pending=(PendingChange(1, START + 120),))
    script = Script(value())
    with FakeAws(script) as fake:
        setup = Setup(fake.url)
        setup.read(epoch=pending)
        script.behaviours = [NEWER]
        setup.advance(121)
        assert setup.read(epoch=pending) == present("v2")
        script.behaviours = [refusal("ThrottlingException")]
        setup.advance(60)

        assert setup.read(epoch=pending) == present("v2")


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

        assert setup.read(epoch=AFTER_CHANGE) == SecretUnavailable(Unavailability.OUTDATED)
        assert setup.read(epoch=AFTER_CHANGE, refresh=True) == SecretUnavailable(Unavailability.OUTDATED)


def test_an_old_state_is_not_stored_by_a_refresh_without_the_ledger() -> None:
    with FakeAws(Script(NEWER, value(), value(), value(), value(), NEWER)) as fake:
        setup = Setup(fake.url)
        setup.read(epoch=AFTER_CHANGE)

        assert isinstance(setup.read(epoch=None, refresh=True), SecretUnavailable)
        setup.advance(1)
        assert setup.read(epoch=AFTER_CHANGE) == present("v2")


@pytest.mark.parametrize("old", [pytest.param(value(), id="restored"), pytest.param(NOT_FOUND, id="deleted")])
def test_a_version_that_the_store_stopped_returning_is_used_for_less_than_five_seconds(old: Answer) -> None:
    script = Script(NEWER)
    with FakeAws(script) as fake:
        setup = Setup(fake.url)
        setup.read(epoch=AFTER_CHANGE)
        script.behaviours = [old]
        setup.advance(4.9)
        assert setup.read(epoch=AFTER_CHANGE) == present("v2")
        for seconds in (0.1, 10, 30):
            setup.advance(seconds)
            assert setup.read(epoch=AFTER_CHANGE) == SecretUnavailable(Unavailability.OUTDATED)

        setup.advance(15)

        assert setup.read(epoch=AFTER_CHANGE) == (SecretAbsent() if old is NOT_FOUND else present("v1"))


def test_after_an_outdated_answer_an_outage_is_not_bridged() -> None:
    script = Script(NEWER)
    with FakeAws(script) as fake:
        setup = Setup(fake.url)
        setup.read(epoch=AFTER_CHANGE)
        script.behaviours = [value()]
        setup.read(epoch=AFTER_CHANGE, refresh=True)
        script.behaviours = [refusal("ThrottlingException")]
        setup.advance(10)

        assert setup.read(epoch=AFTER_CHANGE) == SecretUnavailable(Unavailability.THROTTLED)


@pytest.mark.parametrize("old", [pytest.param(value(), id="restored"), pytest.param(NOT_FOUND, id="deleted")])
def test_the_news_of_a_later_edit_makes_an_old_state_current_at_once(old: Answer) -> None:
    script = Script(NEWER)
    with FakeAws(script) as fake:
        setup = Setup(fake.url)
        setup.read(epoch=AFTER_CHANGE)
        script.behaviours = [old]
        setup.advance(10)
        told = advance(AFTER_CHANGE, now=START + 10, edited_at=START + 8)

        assert setup.read(epoch=told) == (SecretAbsent() if old is NOT_FOUND else present("v1"))
        assert setup.pauses == []


def test_a_secret_deleted_in_the_console_is_absent_a_minute_after_a_change() -> None:
    with FakeAws(Script(NOT_FOUND)) as fake:
        setup = Setup(fake.url)
        setup.advance(60)

        assert setup.read(epoch=AFTER_CHANGE) == SecretAbsent()
