"""The epoch: each change of a secret has a number, and a change in progress is known until it has ended."""

from mailer.ledger.epoch import (
    PENDING_SECONDS,
    SETTLING_SECONDS,
    Epoch,
    advance,
    begin_change,
    cancel_change,
    end_change,
)

NOW = 1_000.0


def test_every_write_has_the_next_number() -> None:
    begun = begin_change(advance(Epoch(), now=NOW), now=NOW)
    ended = end_change(begun, begun.number, version_id="v2", replaced="v1", now=NOW)

    assert (begun.number, ended.number, cancel_change(ended, 9, now=NOW).number) == (2, 3, 4)


def test_a_change_is_pending_until_it_ends() -> None:
    begun = begin_change(Epoch(), now=NOW)
    ended = end_change(begun, begun.number, version_id="v2", replaced="v1", now=NOW + 1)

    assert begun.is_pending(now=NOW + 1)
    assert not ended.is_pending(now=NOW + 1)
    assert (ended.version_id, ended.replaced) == ("v2", ("v1",))


def test_a_withdrawn_change_is_not_pending_and_stores_no_version() -> None:
    begun = begin_change(Epoch(), now=NOW)

    withdrawn = cancel_change(begun, begun.number, now=NOW)

    assert not withdrawn.is_pending(now=NOW)
    assert withdrawn.version_id is None


def test_a_change_whose_maker_is_lost_is_pending_until_no_older_reading_is_used() -> None:
    begun = begin_change(Epoch(), now=NOW)

    assert begun.is_pending(now=NOW + PENDING_SECONDS - 1)
    assert not begun.is_pending(now=NOW + PENDING_SECONDS)
    assert advance(begun, now=NOW + PENDING_SECONDS).pending == ()


def test_the_end_of_one_change_leaves_another_pending() -> None:
    first = begin_change(Epoch(), now=NOW)
    both = begin_change(first, now=NOW)

    ended = end_change(both, first.number, version_id="v2", replaced="v1", now=NOW)

    assert ended.is_pending(now=NOW)


def test_news_of_an_edit_keeps_what_the_last_change_stored() -> None:
    begun = begin_change(Epoch(), now=NOW)
    ended = end_change(begun, begun.number, version_id="v2", replaced="v1", now=NOW)

    told = advance(ended, now=NOW + 1)

    assert (told.number, told.version_id, told.replaced) == (3, "v2", ("v1",))


def test_a_store_settles_within_a_minute_after_a_change() -> None:
    begun = begin_change(Epoch(), now=NOW)
    ended = end_change(begun, begun.number, version_id="v2", replaced=None, now=NOW)

    assert ended.is_settling(now=NOW + SETTLING_SECONDS - 1)
    assert not ended.is_settling(now=NOW + SETTLING_SECONDS)
    assert not Epoch().is_settling(now=NOW)


def test_only_the_latest_replaced_versions_are_remembered() -> None:
    epoch = Epoch()
    for number in range(30):
        begun = begin_change(epoch, now=NOW)
        epoch = end_change(begun, begun.number, version_id=f"v{number + 1}", replaced=f"v{number}", now=NOW)

    assert epoch.replaced == tuple(f"v{number}" for number in range(20, 30))


def test_every_state_may_be_current_after_a_later_edit_in_the_console() -> None:
    begun = begin_change(Epoch(), now=NOW)
    ended = end_change(begun, begun.number, version_id="v2", replaced="v1", now=NOW)

    assert not advance(ended, now=NOW + 2, edited_at=NOW + 1).is_settling(now=NOW + 2)
    assert advance(ended, now=NOW + 2, edited_at=NOW).is_settling(now=NOW + 2)
    assert advance(ended, now=NOW + 2).is_settling(now=NOW + 2)
