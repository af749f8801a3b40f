"""Event sources other than HTTP, read from the translated template."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from samtranslator.translator.transform import transform

from local.event_source import QueueMapping, Schedule, interval_seconds, is_schedule, read_mappings, read_schedules
from local.option import ROOT, InvalidOption, read_options
from local.template import mapping, read_template

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Other: {Type: AWS::SQS::Queue}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/work
      Handler: app.handler
      Runtime: python3.13
      Role: arn:aws:iam::123456789012:role/work
      Events:
        Queue:
          Type: SQS
          Properties:
            Queue: !GetAtt Queue.Arn
            BatchSize: 3
            MaximumBatchingWindowInSeconds: 2
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: {MaximumConcurrency: 2}
        Other: {Type: SQS, Properties: {Queue: !GetAtt Other.Arn}}
        Idle: {Type: SQS, Properties: {Queue: !GetAtt Other.Arn, Enabled: false}}
  Clock:
    Type: AWS::Events::Rule
    Properties:
      ScheduleExpression: rate(1 minute)
      State: ENABLED
      Targets: [{Id: clock, Arn: !GetAtt Queue.Arn, Input: '{"tick": true}'}]
  Stopped:
    Type: AWS::Events::Rule
    Properties:
      ScheduleExpression: rate(5 minutes)
      State: DISABLED
      Targets: [{Id: clock, Arn: !GetAtt Queue.Arn, Input: "{}"}]
  Events:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [a]}
      Targets: [{Id: queue, Arn: !GetAtt Queue.Arn}]
"""


class NoPolicies:
    def load(self) -> dict[str, str]:
        return {}


def translated(path: Path) -> Mapping[str, object]:
    return mapping(transform(read_template(path).document, {"EventBusName": "bus"}, NoPolicies())["Resources"])


@pytest.fixture
def resources(tmp_path: Path) -> Mapping[str, object]:
    path = tmp_path / "template.yaml"
    path.write_text(TEMPLATE, encoding="utf-8")
    return translated(path)


def test_a_mapping_has_the_template_s_values(resources: Mapping[str, object]) -> None:
    assert QueueMapping("Work", "Queue", 3, 2.0, True, 2) in read_mappings(resources)


def test_a_mapping_has_lambda_s_defaults(resources: Mapping[str, object]) -> None:
    assert QueueMapping("Work", "Other", 10, 0.0, False, None) in read_mappings(resources)


def test_a_disabled_mapping_is_left_out(resources: Mapping[str, object]) -> None:
    assert len(read_mappings(resources)) == 2


def test_only_enabled_schedules_are_returned(resources: Mapping[str, object]) -> None:
    assert read_schedules(resources) == (Schedule("Clock", 60.0, "Queue", '{"tick": true}'),)


def test_schedule_rules_are_distinguished_from_event_rules(resources: Mapping[str, object]) -> None:
    assert [name for name, resource in resources.items() if is_schedule(resource)] == ["Clock", "Stopped"]


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("rate(1 minute)", 60),
        ("rate(5 minutes)", 300),
        ("rate(2 hours)", 7200),
        ("rate(1 day)", 86400),
        ("cron(30 4 * * ? *)", 86400),
    ],
)
def test_a_schedule_has_its_interval(expression: str, seconds: float) -> None:
    assert interval_seconds(expression) == seconds


@pytest.mark.parametrize("expression", ["cron(0 * * * ? *)", "at(2026-01-01T00:00:00)", "rate(1 week)", ""])
def test_an_unsupported_schedule_stops_the_start(expression: str) -> None:
    with pytest.raises(ValueError, match="does not know the schedule"):
        interval_seconds(expression)


@pytest.fixture(scope="module")
def own() -> Mapping[str, object]:
    return translated(ROOT / "template.yaml")


class TestTheRepositorys:
    def test_every_queue_except_failure_queues_calls_a_function(self, own: Mapping[str, object]) -> None:
        queues = {name for name, resource in own.items() if mapping(resource)["Type"] == "AWS::SQS::Queue"}

        called = {each.queue for each in read_mappings(own)}
        assert called == {name for name in queues if not name.endswith("FailureQueue")}

    def test_qd2_every_function_reports_failures(self, own: Mapping[str, object]) -> None:
        assert [each.queue for each in read_mappings(own) if not each.reports_failures] == []

    def test_the_sweep_runs_every_minute_and_the_validation_daily(self, own: Mapping[str, object]) -> None:
        schedules = {(each.queue, each.interval_seconds, each.body) for each in read_schedules(own)}

        assert schedules == {
            ("ClockQueue", 60.0, '{"tick": true}'),
            ("SecretChangeQueue", 86400.0, '{"examine_all": true}'),
        }


@pytest.mark.parametrize("value", ["0", "-1", "fast", "", "1e9"])
def test_an_invalid_clock_speed_is_refused_by_name(value: str) -> None:
    with pytest.raises(InvalidOption, match="CLOCK_SECONDS"):
        read_options({"CLOCK_SECONDS": value})


def test_a_minute_of_the_clock_is_a_minute_by_default() -> None:
    assert read_options({}).clock_seconds == 60.0
    assert read_options({"CLOCK_SECONDS": "0.5"}).clock_seconds == 0.5
