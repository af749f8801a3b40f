"""A small chaos run, and that it detects a transport that sends again."""

from collections.abc import Callable

import pytest
from mailer.message.message import Message
from mailer.ports import RelayTransport
from mailer.project import ProjectId
from mailer.relay.relay import Relay
from mailer.smtp.outcome import Attempt, Unknown

from tests.chaos.run import run
from tests.chaos.world import World

EVENTS = 600


class SendsAgain:
    """A `RelayTransport` that treats an unknown outcome as a failure and tries again."""

    def __init__(self, inner: RelayTransport) -> None:
        self._inner = inner

    def send(
        self,
        message: Message,
        relay: Relay,
        *,
        project_id: ProjectId,
        version_id: str,
        deadline: float,
        before_end: Callable[[], None],
    ) -> Attempt:
        """See `RelayTransport`."""

        def attempt() -> Attempt:
            return self._inner.send(
                message, relay, project_id=project_id, version_id=version_id, deadline=deadline, before_end=before_end
            )

        first = attempt()
        is_unknown = any(isinstance(verdict, Unknown) for verdict in first.verdicts.values())
        return attempt() if is_unknown else first

    def close_idle(self) -> None:
        """See `RelayTransport`."""


@pytest.mark.parametrize("seed", ["2", "3"])
def test_DU20_QD15_a_run_is_exact_and_live(seed: str) -> None:
    result = run(World(seed), EVENTS)

    assert result.wrong == (), f"python -m tests.chaos --events {EVENTS} {seed}"
    assert result.sent >= result.floor
    assert sum(result.at_rest.values()) == sum(result.at_the_end.values())
    assert result.submissions == result.accepted + result.refused + result.unanswered


def test_a_run_covers_each_kind_of_fault() -> None:
    result = run(World("9"), EVENTS)

    assert {"sent", "partially_sent", "rejected", "unknown", "held", "failed", "cancelled"} <= result.at_rest.keys()
    assert "expired" in result.at_the_end
    assert result.counts["told EmailReleased"] > 0
    assert result.unknown_attempts > 0
    assert any(name.startswith("killed at PutItem") for name in result.counts)


def test_the_same_seed_is_the_same_run() -> None:
    first, second = run(World("4"), EVENTS // 2), run(World("4"), EVENTS // 2)

    assert (first.counts, first.at_the_end) == (second.counts, second.at_the_end)


def test_a_stage_that_diverts_sends_every_message_to_one_address() -> None:
    world = World("5", DIVERT_ALL_TO="stage@example.net")
    result = run(world, EVENTS // 2)

    assert result.wrong == ()
    copies = [copy for each in world.facts.copies.values() for copy in each]
    assert {copy.recipient for copy in copies} == {"stage@example.net"}


def test_a_stage_that_suppresses_sends_nothing() -> None:
    world = World("6", SUPPRESS_EMAILS="true")
    result = run(world, EVENTS // 2)

    assert result.wrong == ()
    assert not any(world.facts.copies.values())
    assert result.at_rest["suppressed"] > EVENTS // 5


def test_a_limit_holds_and_counts_only_what_was_accepted() -> None:
    result = run(World("7", PROJECT_LIMITS="60/hour"), EVENTS)

    assert result.wrong == ()
    assert result.counts["refused limit-reached"] > 0


def test_a_transport_that_sends_again_is_detected() -> None:
    found = run(World("1", with_relay=SendsAgain), EVENTS).wrong

    assert any("copies under" in each for each in found)
