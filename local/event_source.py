"""Event sources other than HTTP: queues mapped to functions, and schedules that put messages into queues.

They are read from the translated template, in which SAM's `Events` and plain resources look the same.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local.template import mapping, referred

MAPPING_TYPE = "AWS::Lambda::EventSourceMapping"
RULE_TYPE = "AWS::Events::Rule"

_DEFAULT_BATCH_SIZE = 10
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_DAILY = re.compile(r"cron\(\d+ \d+ \* \* \? \*\)")
_SECONDS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}


@dataclass(frozen=True, slots=True)
class QueueMapping:
    """A queue whose messages a function gets in batches.

    `reports_failures`: the answer names the messages to deliver again. `window_seconds` is the time for which a batch
    collects messages. `max_batches` is the number of batches that run at once; None if the template does not set it.
    """

    function: str
    queue: str
    batch_size: int = _DEFAULT_BATCH_SIZE
    window_seconds: float = 0.0
    reports_failures: bool = False
    max_batches: int | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A message that is put into a queue at an interval."""

    name: str
    interval_seconds: float
    queue: str
    body: str


def read_mappings(resources: Mapping[str, object]) -> tuple[QueueMapping, ...]:
    """Return the enabled mappings of queues, with the logical ids of functions and queues."""
    found = []
    for properties in _of_type(resources, MAPPING_TYPE).values():
        if properties.get("Enabled", True):
            scaling = mapping(properties.get("ScalingConfig", {})).get("MaximumConcurrency")
            found.append(
                QueueMapping(
                    function=referred(properties["FunctionName"]),
                    queue=referred(properties["EventSourceArn"]),
                    batch_size=int(str(properties.get("BatchSize", _DEFAULT_BATCH_SIZE))),
                    window_seconds=float(str(properties.get("MaximumBatchingWindowInSeconds", 0))),
                    reports_failures="ReportBatchItemFailures" in _items(properties.get("FunctionResponseTypes", [])),
                    max_batches=None if scaling is None else int(str(scaling)),
                )
            )
    return tuple(found)


def read_schedules(resources: Mapping[str, object]) -> tuple[Schedule, ...]:
    """Return the messages of the enabled schedule rules, with the logical ids of their queues."""
    return tuple(
        Schedule(
            name=name,
            interval_seconds=interval_seconds(str(properties["ScheduleExpression"])),
            queue=referred(target["Arn"]),
            body=_text(target["Input"]),
        )
        for name, properties in _of_type(resources, RULE_TYPE).items()
        if "ScheduleExpression" in properties and properties.get("State", "ENABLED") == "ENABLED"
        for target in map(mapping, _items(properties.get("Targets", [])))
    )


def is_schedule(resource: object) -> bool:
    """Tell whether a rule is a schedule, not an event pattern."""
    described = mapping(resource)
    return described["Type"] == RULE_TYPE and "ScheduleExpression" in mapping(described["Properties"])


def interval_seconds(expression: str) -> float:
    """Return the interval in seconds of a `rate(...)`, or of a `cron(...)` that fires once a day."""
    if rate := _RATE.fullmatch(expression):
        return int(rate[1]) * _SECONDS[rate[2]]
    if _DAILY.fullmatch(expression):
        return _SECONDS["day"]
    msg = f"the stack does not know the schedule {expression}"
    raise ValueError(msg)


def _of_type(resources: Mapping[str, object], type_name: str) -> dict[str, dict[str, object]]:
    return {
        name: mapping(mapping(resource)["Properties"])
        for name, resource in resources.items()
        if mapping(resource)["Type"] == type_name
    }


def _items(value: object) -> Iterator[object]:
    if not isinstance(value, list):
        msg = "the template needs a list in this place"
        raise TypeError(msg)
    return iter(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        msg = "the stack needs a schedule's input as a plain text"
        raise TypeError(msg)
    return value
