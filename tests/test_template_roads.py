"""The roads that a message takes without a caller: rules, queues, functions, and what happens to what cannot go on."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest
from mailer.ledger.idempotency import EVENT_KEY_LIFETIME_SECONDS
from mailer.ledger.record import MAX_AGE_SECONDS
from mailer.system_email.event import EventType

from tests.support.sam_template import ROOT, as_list, at, items, mapping, read_template, resources

TEMPLATE = read_template()
FUNCTIONS = resources(TEMPLATE, "AWS::Serverless::Function")
QUEUES = resources(TEMPLATE, "AWS::SQS::Queue")
RULES = resources(TEMPLATE, "AWS::Events::Rule")
POLICIES = resources(TEMPLATE, "AWS::SQS::QueuePolicy")
ALARMS = resources(TEMPLATE, "AWS::CloudWatch::Alarm")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

DAY = 24 * 3600
DEFAULT_VISIBILITY_SECONDS = 30
SECRET_CALLS = {
    "PutSecretValue",
    "UpdateSecret",
    "CreateSecret",
    "DeleteSecret",
    "RestoreSecret",
    "UpdateSecretVersionStage",
}


class Source(NamedTuple):
    """A queue that a function takes from, and how."""

    function: str
    queue: str
    properties: Mapping[str, object]


def read_sources() -> Iterator[Source]:
    for name, function in FUNCTIONS.items():
        for event in mapping(function.get("Events", {})).values():
            if at(event, "Type") == "SQS":
                properties = mapping(at(event, "Properties"))
                yield Source(name, logical_id(properties["Queue"]), properties)


def logical_id(reference: object) -> str:
    """Return what a `Ref` or a `Fn::GetAtt` refers to."""
    return str(as_list(next(iter(mapping(reference).values())))[0])


def failure_queue(queue: str) -> str:
    return logical_id(at(QUEUES[queue], "RedrivePolicy", "deadLetterTargetArn"))


def watched(metric: str) -> set[str]:
    """Return the queues whose metric raises an alarm that is told to somebody."""
    return {
        logical_id(at(items(alarm["Dimensions"])[0], "Value"))
        for alarm in ALARMS.values()
        if alarm.get("MetricName") == metric and "AlarmActions" in alarm
    }


SOURCES = tuple(read_sources())
SOURCE_QUEUES = sorted(source.queue for source in SOURCES)
FAILURE_QUEUES = sorted(QUEUES.keys() - set(SOURCE_QUEUES))
TARGETS = [(name, mapping(target)) for name, rule in RULES.items() for target in items(rule["Targets"])]
by_queue = pytest.mark.parametrize("source", SOURCES, ids=SOURCE_QUEUES)


def test_every_queue_is_taken_from_or_holds_what_failed() -> None:
    assert SOURCE_QUEUES == ["ClockQueue", "DeliveryQueue", "SecretChangeQueue", "SystemEmailQueue"]
    assert sorted({failure_queue(queue) for queue in SOURCE_QUEUES}) == FAILURE_QUEUES


class TestSources:
    @by_queue
    def test_qd2_a_function_says_which_messages_come_again(self, source: Source) -> None:
        assert source.properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]

    @by_queue
    def test_qd7_a_message_is_invisible_for_six_times_the_function_s_time(self, source: Source) -> None:
        timeout = int(str(FUNCTIONS[source.function].get("Timeout", at(TEMPLATE, "Globals", "Function", "Timeout"))))
        window = int(str(source.properties.get("MaximumBatchingWindowInSeconds", 0)))
        visibility = int(str(QUEUES[source.queue].get("VisibilityTimeout", DEFAULT_VISIBILITY_SECONDS)))
        assert visibility >= 6 * timeout + window

    @by_queue
    def test_qd7_a_message_waits_for_no_company(self, source: Source) -> None:
        assert "MaximumBatchingWindowInSeconds" not in source.properties

    @by_queue
    def test_qd12_the_mapping_bounds_how_many_run_at_once(self, source: Source) -> None:
        assert int(str(at(source.properties, "ScalingConfig", "MaximumConcurrency"))) >= 2

    @by_queue
    def test_a_batch_is_small(self, source: Source) -> None:
        assert int(str(source.properties["BatchSize"])) <= 10

    def test_a_worker_has_time_for_each_of_its_messages(self) -> None:
        (deliveries,) = [source for source in SOURCES if source.queue == "DeliveryQueue"]
        assert (deliveries.properties["BatchSize"], FUNCTIONS["DeliverFunction"]["Timeout"]) == (5, 180)


class TestFailureQueues:
    @pytest.mark.parametrize("queue", SOURCE_QUEUES)
    def test_every_queue_has_a_failure_queue_of_its_own(self, queue: str) -> None:
        assert failure_queue(queue) == queue.removesuffix("Queue") + "FailureQueue"

    @pytest.mark.parametrize("queue", SOURCE_QUEUES)
    def test_a_message_comes_back_before_it_is_given_up(self, queue: str) -> None:
        assert int(str(at(QUEUES[queue], "RedrivePolicy", "maxReceiveCount"))) >= 2

    @pytest.mark.parametrize("queue", SOURCE_QUEUES)
    def test_qd9_a_queue_keeps_its_messages_for_four_days_at_most(self, queue: str) -> None:
        assert int(str(QUEUES[queue]["MessageRetentionPeriod"])) <= 4 * DAY

    @pytest.mark.parametrize("queue", SOURCE_QUEUES)
    def test_qd9_what_comes_back_too_often_is_set_aside_before_it_is_forgotten(self, queue: str) -> None:
        visibility = int(str(QUEUES[queue]["VisibilityTimeout"]))
        receives = int(str(at(QUEUES[queue], "RedrivePolicy", "maxReceiveCount")))
        assert visibility * receives < int(str(QUEUES[queue]["MessageRetentionPeriod"]))

    @pytest.mark.parametrize("queue", FAILURE_QUEUES)
    def test_qd9_a_failure_queue_keeps_what_failed_for_fourteen_days(self, queue: str) -> None:
        assert QUEUES[queue]["MessageRetentionPeriod"] == 14 * DAY

    def test_du8_an_event_s_key_outlives_both_queues(self) -> None:
        waited = int(str(QUEUES["SystemEmailQueue"]["MessageRetentionPeriod"])) + 14 * DAY
        assert waited + MAX_AGE_SECONDS <= EVENT_KEY_LIFETIME_SECONDS


class TestRules:
    @pytest.mark.parametrize(("rule", "target"), TARGETS)
    def test_qd11_a_rule_leads_to_a_queue(self, rule: str, target: Mapping[str, object]) -> None:
        assert logical_id(target["Arn"]) in SOURCE_QUEUES, rule

    @pytest.mark.parametrize(("rule", "target"), TARGETS)
    def test_qd11_what_a_rule_cannot_deliver_is_kept(self, rule: str, target: Mapping[str, object]) -> None:
        assert logical_id(at(target, "DeadLetterConfig", "Arn")) == failure_queue(logical_id(target["Arn"])), rule

    @pytest.mark.parametrize(("rule", "target"), TARGETS)
    def test_qd11_both_queues_let_the_rule_send(self, rule: str, target: Mapping[str, object]) -> None:
        queue = logical_id(target["Arn"])
        for place in (queue, failure_queue(queue)):
            assert rule in senders(place)

    def test_qd11_nobody_else_is_let_into_a_queue(self) -> None:
        for policy in POLICIES.values():
            (queue,) = items(policy["Queues"])
            (statement,) = items(at(policy, "PolicyDocument", "Statement"))
            assert at(statement, "Effect") == "Allow"
            assert at(statement, "Principal") == {"Service": "events.amazonaws.com"}
            assert at(statement, "Action") == "sqs:SendMessage"
            assert at(statement, "Resource") == {"Fn::GetAtt": [logical_id(queue), "Arn"]}
            assert set(mapping(at(statement, "Condition"))) == {"ArnEquals"}

    @pytest.mark.parametrize("queue", ["DeliveryQueue", "DeliveryFailureQueue"])
    def test_no_rule_sends_deliveries(self, queue: str) -> None:
        assert not senders(queue)

    def test_au4_lifecycle_events_are_taken_from_the_stack_s_own_bus(self) -> None:
        rule = RULES["LifecycleRule"]
        assert rule["EventBusName"] == {"Ref": "EventBusName"}
        assert at(TEMPLATE, "Resources", "LifecycleRule", "DependsOn") == "EventBus"
        assert set(map(str, items(at(rule, "EventPattern", "detail-type")))) == set(EventType)

    def test_changes_of_secrets_are_taken_from_the_default_bus(self) -> None:
        rule = RULES["SecretChangeRule"]
        assert "EventBusName" not in rule
        assert at(rule, "EventPattern", "source") == ["aws.secretsmanager"]
        assert set(map(str, items(at(rule, "EventPattern", "detail", "eventName")))) > SECRET_CALLS

    def test_the_clock_ticks_every_minute(self) -> None:
        assert RULES["ClockRule"]["ScheduleExpression"] == "rate(1 minute)"
        assert at(items(RULES["ClockRule"]["Targets"])[0], "Input") == '{"tick": true}'

    def test_everything_is_examined_once_a_day(self) -> None:
        rule = RULES["DailyExaminationRule"]
        assert rule["ScheduleExpression"] == "rate(1 day)"
        assert at(items(rule["Targets"])[0], "Input") == '{"examine_all": true}'


def senders(queue: str) -> set[str]:
    """Return the rules whose events the queue's policy lets in."""
    return {
        logical_id(arn)
        for policy in POLICIES.values()
        if policy["Queues"] == [{"Ref": queue}]
        for statement in items(at(policy, "PolicyDocument", "Statement"))
        for arn in as_list(at(statement, "Condition", "ArnEquals", "aws:SourceArn"))
    }


class TestStores:
    table = resources(TEMPLATE, "AWS::DynamoDB::Table")["LedgerTable"]
    bucket = resources(TEMPLATE, "AWS::S3::Bucket")["ContentBucket"]

    @pytest.mark.parametrize("queue", sorted(QUEUES))
    def test_every_queue_is_encrypted(self, queue: str) -> None:
        assert QUEUES[queue]["SqsManagedSseEnabled"] is True

    def test_the_ledger_is_encrypted_and_can_be_restored(self) -> None:
        assert at(self.table, "SSESpecification", "SSEEnabled") is True
        assert at(self.table, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") is True

    def test_the_ledger_forgets_in_time(self) -> None:
        assert self.table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}

    def test_the_ledger_costs_what_is_used(self) -> None:
        assert self.table["BillingMode"] == "PAY_PER_REQUEST"

    def test_messages_are_found_by_state_and_by_time(self) -> None:
        keys = {
            str(at(index, "IndexName")): [at(key, "AttributeName") for key in items(at(index, "KeySchema"))]
            for index in items(self.table["GlobalSecondaryIndexes"])
        }
        assert keys == {"by_state": ["state_key", "id"], "by_due": ["due_shard", "due_at"]}

    def test_contents_are_encrypted_by_a_key(self) -> None:
        (rule,) = items(at(self.bucket, "BucketEncryption", "ServerSideEncryptionConfiguration"))
        assert rule == {"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}

    def test_contents_are_nobody_else_s(self) -> None:
        assert set(mapping(self.bucket["PublicAccessBlockConfiguration"]).values()) == {True}
        assert len(mapping(self.bucket["PublicAccessBlockConfiguration"])) == 4

    def test_contents_go_over_tls_only(self) -> None:
        policy = resources(TEMPLATE, "AWS::S3::BucketPolicy")["ContentBucketPolicy"]
        (statement,) = items(at(policy, "PolicyDocument", "Statement"))
        assert (at(statement, "Effect"), at(statement, "Action")) == ("Deny", "s3:*")
        assert at(statement, "Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        assert len(as_list(at(statement, "Resource"))) == 2

    def test_contents_are_forgotten_and_no_version_of_them_stays(self) -> None:
        (rule,) = items(at(self.bucket, "LifecycleConfiguration", "Rules"))
        assert (at(rule, "Status"), at(rule, "ExpirationInDays")) == ("Enabled", 7)
        assert "VersioningConfiguration" not in self.bucket

    def test_a_content_outlives_its_message(self) -> None:
        (rule,) = items(at(self.bucket, "LifecycleConfiguration", "Rules"))
        assert int(str(at(rule, "ExpirationInDays"))) * DAY > MAX_AGE_SECONDS

    @pytest.mark.parametrize("store", ["LedgerTable", "ContentBucket"])
    @pytest.mark.parametrize("policy", ["DeletionPolicy", "UpdateReplacePolicy"])
    def test_what_was_promised_outlives_the_stack(self, store: str, policy: str) -> None:
        assert at(TEMPLATE, "Resources", store, policy) == "Retain"

    def test_no_store_or_queue_has_a_name_that_another_stack_could_have(self) -> None:
        named = {name for name, queue in QUEUES.items() if "QueueName" in queue}
        assert not named
        assert not {"TableName"} & self.table.keys()
        assert not {"BucketName"} & self.bucket.keys()


class TestAlarms:
    def test_qd16_anything_in_a_failure_queue_raises_an_alarm(self) -> None:
        assert sorted(watched("ApproximateNumberOfMessagesVisible")) == FAILURE_QUEUES

    def test_qd16_what_waits_too_long_raises_an_alarm(self) -> None:
        assert sorted(watched("ApproximateAgeOfOldestMessage")) == SOURCE_QUEUES

    @pytest.mark.parametrize("name", sorted(ALARMS))
    def test_an_alarm_says_what_it_means_and_is_quiet_without_data(self, name: str) -> None:
        assert ALARMS[name]["AlarmDescription"]
        assert ALARMS[name]["TreatMissingData"] == "notBreaching"

    @pytest.mark.parametrize("name", sorted(ALARMS))
    def test_an_alarm_is_told_where_somebody_is_to_be_told(self, name: str) -> None:
        assert ALARMS[name]["AlarmActions"] == {
            "Fn::If": ["HasAlarmEmail", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]
        }

    @pytest.mark.parametrize("function", sorted(FUNCTIONS.keys() - {"AuthorizeFunction"}))
    def test_an_event_that_was_lost_is_counted(self, function: str) -> None:
        filters = resources(TEMPLATE, "AWS::Logs::MetricFilter").values()
        (watching,) = [
            each for each in filters if each["LogGroupName"] == at(FUNCTIONS[function], "LoggingConfig", "LogGroup")
        ]
        phrases = re.findall(r'\?"([^"]+)"', str(watching["FilterPattern"]))
        source = (ROOT / "layers/mailer/src/mailer/adapters/event_bus.py").read_text(encoding="utf-8")
        assert sorted(phrases) == sorted(re.findall(r'_LOGGER\.warning\(\s*"([^"]+)"', source))

    @pytest.mark.parametrize("name", sorted(ALARMS))
    def test_the_operations_guide_says_what_to_do_at_an_alarm(self, name: str) -> None:
        assert f"`{name}`" in OPERATIONS


class TestDashboard:
    (dashboard,) = resources(TEMPLATE, "AWS::CloudWatch::Dashboard").values()
    text = str(at(dashboard, "DashboardBody", "Fn::Sub"))

    def test_it_is_json(self) -> None:
        assert json.loads(self.text)["widgets"]

    @pytest.mark.parametrize("queue", sorted(QUEUES))
    def test_every_queue_is_on_it(self, queue: str) -> None:
        assert f"${{{queue}.QueueName}}" in self.text

    @pytest.mark.parametrize("function", sorted(FUNCTIONS))
    def test_every_function_is_on_it(self, function: str) -> None:
        assert f"${{{function}}}" in self.text

    def test_what_an_alarm_counts_of_ours_is_on_it(self) -> None:
        ours = {str(alarm["MetricName"]) for alarm in ALARMS.values() if alarm.get("Namespace") == "ProjectSmtp"}
        searched = set(re.findall(r'MetricName=\\"(\w+)\\"', self.text))
        assert ours
        assert ours <= searched
