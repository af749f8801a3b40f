"""Limits on the number of recipients (or of log-ins) in an hour or a day, and the counters for them.

Windows are the hours and days of UTC. All counters of a project's day are on one page, which is written in one step: a
request is counted by all of the counters or by none. Around the end of a window, messages for up to twice the limit may
be sent within a short time.
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from mailer.problem import InvalidText

MAX_LIMIT: Final = 1_000_000_000
ROLE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
_LIMIT = re.compile(r"([1-9][0-9]{0,9}) */ *(hour|day)\Z")
_CODE = "limits-malformed"
_LIMITS_REMEDY = "Write limits as in 1000/hour, 10000/day: at most one for the hour and one for the day."
_ROLES_REMEDY = (
    "Write limits as in marketing=100/hour, support=1000/day: for each role at most one for the hour and one for the "
    "day. A role has up to 64 letters, digits and _.:- characters."
)


class InvalidLimits(InvalidText):
    """A malformed list of limits."""


class Window(StrEnum):
    """The length of a window."""

    HOUR = "hour"
    DAY = "day"


class Limit(msgspec.Struct, frozen=True):
    """At most this many recipients, or what the counter counts, in each window."""

    maximum: int
    window: Window


class Counter(msgspec.Struct, frozen=True):
    """A limit, its owner (`project`, `role <name>`, `relay <provider id>`, `validations`), and what it counts."""

    owner: str
    limit: Limit
    unit: str = "recipients"

    def slot(self, now: float) -> str:
        """Return the counter's name on the page of its day."""
        if self.limit.window is Window.DAY:
            return f"{self.owner}/day"
        return f"{self.owner}/hour-{_time(now).hour:02}"

    def ends_at(self, now: float) -> float:
        """Return when the window of `now` ends."""
        begun = _time(now).replace(minute=0, second=0, microsecond=0)
        if self.limit.window is Window.DAY:
            return (begun.replace(hour=0) + timedelta(days=1)).timestamp()
        return (begun + timedelta(hours=1)).timestamp()


class QuotaStatus(msgspec.Struct, frozen=True):
    """The used part of a counter's limit; the count starts again at 0 in `resets_in` seconds."""

    counter: Counter
    used: int
    resets_in: int

    @property
    def remaining(self) -> int:
        """How much is left in this window."""
        return max(0, self.counter.limit.maximum - self.used)


def page_of(now: float) -> str:
    """Return the name of the day's page."""
    return f"{_time(now):%Y-%m-%d}"


def forget_page_at(now: float) -> float:
    """Return when the page of `now` may be deleted."""
    return now + 2 * 24 * 3600


def quota_statuses(counters: Iterable[Counter], counts: Mapping[str, int], *, now: float) -> tuple[QuotaStatus, ...]:
    """Return the status of each counter; `counts` are the counts of a page."""
    return tuple(
        QuotaStatus(each, counts.get(each.slot(now), 0), math.ceil(each.ends_at(now) - now)) for each in counters
    )


def tightest(found: Iterable[QuotaStatus]) -> QuotaStatus | None:
    """Return the quota with the fewest recipients left; if several have the same, the quota that resets last."""
    return min(found, key=lambda each: (each.remaining, -each.resets_in), default=None)


def parse_limits(text: str) -> tuple[Limit, ...]:
    """Parse limits as in `1000/hour, 10000/day`; raises `InvalidLimits`."""
    return _once_each([_limit(item, _LIMITS_REMEDY) for item in text.split(",")], _LIMITS_REMEDY)


def parse_role_limits(text: str) -> Mapping[str, tuple[Limit, ...]]:
    """Parse roles' limits as in `marketing=100/hour, support=1000/day`; raises `InvalidLimits`."""
    limits: dict[str, tuple[Limit, ...]] = {}
    for item in text.split(","):
        role, separator, limit = (part.strip() for part in item.partition("="))
        if not separator or not ROLE.match(role):
            raise InvalidLimits(_CODE, _ROLES_REMEDY)
        limits[role] = _once_each([*limits.get(role, ()), _limit(limit, _ROLES_REMEDY)], _ROLES_REMEDY)
    return limits


def _limit(text: str, remedy: str) -> Limit:
    matched = _LIMIT.match(text.strip())
    if matched is None or int(matched[1]) > MAX_LIMIT:
        raise InvalidLimits(_CODE, remedy)
    return Limit(int(matched[1]), Window(matched[2]))


def _once_each(limits: list[Limit], remedy: str) -> tuple[Limit, ...]:
    if len({limit.window for limit in limits}) != len(limits):
        raise InvalidLimits(_CODE, remedy)
    return tuple(limits)


def _time(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)
