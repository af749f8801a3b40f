"""Contract tests for counters: all of a request or none, also under concurrency."""

from concurrent.futures import ThreadPoolExecutor

from mailer.ports import CounterResult, Ledger

from tests.support.ledger_setup import ACME, NOW, OTHER

DAY = "2027-01-15"


def count(ledger: Ledger, amount: int, /, page: str = DAY, **within: int | None) -> CounterResult:
    return ledger.increment(ACME, page, amount, within=within, forget_at=NOW + 172_800)


def test_counters_begin_at_zero_and_increase(ledger: Ledger) -> None:
    assert count(ledger, 3, project=None) == CounterResult({"project": 3}, is_taken=True)
    assert count(ledger, 2, project=5, role=None) == CounterResult({"project": 5, "role": 2}, is_taken=True)


def test_one_counter_over_its_maximum_leaves_all_unchanged(ledger: Ledger) -> None:
    count(ledger, 4, role=None)

    assert count(ledger, 2, project=100, role=5) == CounterResult({"role": 4}, is_taken=False)
    assert count(ledger, 1, project=100, role=5) == CounterResult({"role": 5, "project": 1}, is_taken=True)


def test_even_the_first_count_may_not_exceed_the_maximum(ledger: Ledger) -> None:
    assert count(ledger, 6, project=5) == CounterResult({}, is_taken=False)


def test_a_returned_amount_may_be_counted_again(ledger: Ledger) -> None:
    count(ledger, 5, project=5)

    assert count(ledger, -2, project=None) == CounterResult({"project": 3}, is_taken=True)
    assert count(ledger, 2, project=5).is_taken


def test_no_counter_falls_below_zero(ledger: Ledger) -> None:
    count(ledger, 2, project=5, role=None)
    count(ledger, 1, project=5)

    assert count(ledger, -3, project=None, role=None) == CounterResult({"project": 3, "role": 2}, is_taken=False)
    assert not count(ledger, -1, page="2027-01-16", project=None).is_taken
    assert count(ledger, -2, project=None, role=None).counts == {"project": 1, "role": 0}


def test_each_page_and_each_project_has_its_own_counters(ledger: Ledger) -> None:
    count(ledger, 5, project=5)

    assert count(ledger, 5, page="2027-01-16", project=5).is_taken
    assert ledger.increment(OTHER, DAY, 5, within={"project": 5}, forget_at=NOW).is_taken


def test_a_counter_may_have_any_name(ledger: Ledger) -> None:
    slots = {"ttl": 9, "role a.b:c/hour-07": 9, "pk": None, "written_by": None}

    counted = ledger.increment(ACME, DAY, 2, within=slots, forget_at=NOW)

    assert counted == CounterResult(dict.fromkeys(slots, 2), is_taken=True)


def test_concurrent_counts_never_exceed_the_maximum(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: count(ledger, 2, project=9, role=None), range(8)))

    assert sum(result.is_taken for result in results) == 4
    assert count(ledger, 1, project=None).counts == {"project": 9, "role": 8}
