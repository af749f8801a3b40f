"""Alarms and metrics: the template and the operations guide agree with the code's own lists."""

import re
from pathlib import Path

import pytest
from mailer.observation.metrics import Metric
from mailer.service.sending.decide import TransportName

from tests.support.sam_template import Mapping, at, items, mapping, read_template, resources

ROOT = Path(__file__).parents[1]
ALARMS = resources(read_template(), "AWS::CloudWatch::Alarm")


def counted(alarm: Mapping) -> list[tuple[object, object]]:
    """Return the metrics whose sum the alarm watches, each with its dimensions."""
    if "Metrics" not in alarm:
        return [(alarm["MetricName"], alarm.get("Dimensions", []))]
    queries = [mapping(each) for each in items(alarm["Metrics"])]
    [expression] = [str(each["Expression"]) for each in queries if "Expression" in each]
    added = set(re.findall(r"FILL\((\w+), 0\)", expression))
    return [
        (at(each, "MetricStat", "Metric", "MetricName"), at(each, "MetricStat", "Metric", "Dimensions"))
        for each in queries
        if each["Id"] in added
    ]


@pytest.mark.parametrize("transport", TransportName)
def test_an_unknown_outcome_of_every_transport_raises_an_alarm(transport: TransportName) -> None:
    dimensions = [{"Name": "Transport", "Value": transport.value}, {"Name": "service", "Value": "mailer"}]
    wanted = (Metric.MESSAGES_UNKNOWN.value, dimensions)

    [alarm] = [alarm for alarm in ALARMS.values() if wanted in counted(alarm)]

    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")
    assert "AlarmActions" in alarm


def test_every_metric_in_an_alarm_is_a_metric_of_the_code() -> None:
    ours = [
        name
        for alarm in ALARMS.values()
        for name, _ in counted(alarm)
        if alarm.get("Namespace", "ProjectSmtp") == "ProjectSmtp"
    ]

    assert ours
    assert {str(name) for name in ours} <= {metric.value for metric in Metric}


def test_the_operations_guide_shows_the_table_of_metrics() -> None:
    guide = (ROOT / "docs" / "operations.md").read_text("utf-8")
    shown = re.findall(
        r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", guide.partition("| metric |")[2].partition("\n\n")[0], re.M
    )

    assert shown == [(metric.value, metric.meaning, metric.dimension.value) for metric in Metric]


def test_every_metric_has_a_meaning() -> None:
    assert all(metric.meaning for metric in Metric)
