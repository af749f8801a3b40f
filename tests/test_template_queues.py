"""The template's rules, queues and stores: work that no caller waits for, and how its failures are handled."""

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
    """An event source mapping: a function and the queue that it receives from."""

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
    """Return the logical id in a `Ref` or a `Fn::GetAtt`."""
    return str(as_list(next(iter(mapping(reference).values())))[0])


def failure_queue(queue: str) -> str:
    return logical_id(at(QUEUES[queue], "RedrivePolicy", "deadLetterTargetArn"))


def watched(metric: str) -> set[str]:
    """Return the queues whose metric raises an alarm with an action."""
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


def test_every_queue_is_a_source_or_a_failure_queue() -> None:
    assert SOURCE_QUEUES == ["ClockQueue", "DeliveryQueue", "SecretChangeQueue", "SystemEmailQueue"]
    assert sorted({failure_queue(queue) for queue in SOURCE_QUEUES}) == FAILURE_QUEUES


class TestSources:
    @by_queue
    def test_qd2_a_function_reports_failures_per_message(self, source: Source) -> None:
        assert source.properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]

    @by_queue
    def test_qd7_the_visibility_timeout_is_six_times_the_function_s_timeout(self, source: Source) -> None:
        timeout = int(str(FUNCTIONS[source.function].get("Timeout", at(TEMPLATE, "Globals", "Function", "Timeout"))))
        window = int(str(source.properties.get("MaximumBatchingWindowInSeconds", 0)))
        visibility = int(str(QUEUES[source.queue].get("VisibilityTimeout", DEFAULT_VISIBILITY_SECONDS)))
        assert visibility >= 6 * timeout + window

    @by_queue
    def test_qd7_a_message_does_not_wait_for_a_full_batch(self, source: Source) -> None:
        assert "MaximumBatchingWindowInSeconds" not in source.properties

    @by_queue
    def test_qd12_the_mapping_limits_concurrency(self, source: Source) -> None:
        assert int(str(at(source.properties, "ScalingConfig", "MaximumConcurrency"))) >= 2

    @by_queue
    def test_a_batch_is_small(self, source: Source) -> None:
        assert int(str(source.properties["BatchSize"])) <= 10

    def test_a_worker_has_time_for_each_of_its_messages(self) -> None:
        (deliveries,) = [source for source in SOURCES if source.queue == "DeliveryQueue"]
        assert (deliveries.properties["BatchSize"], FUNCTIONS["DeliverFunction"]["Timeout"]) == (5, 180)


class TestFailureQueues:
    @pytest.mark.parametrize("queue", SOURCE_QUEUES)
    def test_every_queue_has_its_own_failure_queue(self, queue: str) -> None:
        assert failure_queue(queue) == queue.removesuffix("Queue") + "FailureQueue"

    @pytest.mark.parametrize("queue", SOURCE_QUEUES)
    def test_a_message_is_tried_at_least_twice(self, queue: str) -> None:
        assert int(str(at(QUEUES[queue], "RedrivePolicy", "maxReceiveCount"))) >= 2

    @pytest.mark.parametrize("queue", SOURCE_QUEUES)
    def test_qd9_a_queue_keeps_its_messages_for_at_most_four_days(self, queue: str) -> None:
        assert int(str(QUEUES[queue]["MessageRetentionPeriod"])) <= 4 * DAY

    @pytest.mark.parametrize("queue", SOURCE_QUEUES)
    def test_qd9_a_failing_message_reaches_the_failure_queue_before_its_retention_ends(self, queue: str) -> None:
        visibility = int(str(QUEUES[queue]["VisibilityTimeout"]))
        receives = int(str(at(QUEUES[queue], "RedrivePolicy", "maxReceiveCount")))
        assert visibility * receives < int(str(QUEUES[queue]["MessageRetentionPeriod"]))

    @pytest.mark.parametrize("queue", FAILURE_QUEUES)
    def test_qd9_a_failure_queue_keeps_its_messages_for_fourteen_days(self, queue: str) -> None:
        assert QUEUES[queue]["MessageRetentionPeriod"] == 14 * DAY

    def test_du8_an_event_s_idempotency_key_outlives_both_queues(self) -> None:
        waited = int(str(QUEUES["SystemEmailQueue"]["MessageRetentionPeriod"])) + 14 * DAY
        assert waited + MAX_AGE_SECONDS <= EVENT_KEY_LIFETIME_SECONDS


class TestRules:
    @pytest.mark.parametrize(("rule", "target"), TARGETS)
    def test_qd11_a_rule_s_target_is_a_queue(self, rule: str, target: Mapping[str, object]) -> None:
        assert logical_id(target["Arn"]) in SOURCE_QUEUES, rule

    @pytest.mark.parametrize(("rule", "target"), TARGETS)
    def test_qd11_undelivered_events_go_to_the_failure_queue(self, rule: str, target: Mapping[str, object]) -> None:
        assert logical_id(at(target, "DeadLetterConfig", "Arn")) == failure_queue(logical_id(target["Arn"])), rule

    @pytest.mark.parametrize(("rule", "target"), TARGETS)
    def test_qd11_both_queues_allow_the_rule_to_send(self, rule: str, target: Mapping[str, object]) -> None:
        queue = logical_id(target["Arn"])
        for place in (queue, failure_queue(queue)):
            assert rule in senders(place)

    def test_qd11_only_rules_of_this_stack_may_send_to_a_queue(self) -> None:
        for policy in POLICIES.values():
            queue, failures = map(logical_id, items(policy["Queues"]))
            (statement,) = items(at(policy, "PolicyDocument", "Statement"))
            assert failure_queue(queue) == failures
            assert at(statement, "Effect") == "Allow"
            assert at(statement, "Principal") == {"Service": "events.amazonaws.com"}
            assert at(statement, "Action") == "sqs:SendMessage"
            assert at(statement, "Resource") == "*"  # "*" means the queue that the policy belongs to.
            assert set(mapping(at(statement, "Condition"))) == {"ArnEquals"}
            assert set(mapping(at(statement, "Condition", "ArnEquals"))) == {"aws:SourceArn"}

    @pytest.mark.parametrize("queue", ["DeliveryQueue", "DeliveryFailureQueue"])
    def test_no_rule_may_send_to_the_delivery_queues(self, queue: str) -> None:
        assert not senders(queue)

    def test_au4_lifecycle_events_come_from_the_stack_s_own_bus(self) -> None:
        rule = RULES["LifecycleRule"]
        assert rule["EventBusName"] == {"Ref": "EventBusName"}
        assert at(TEMPLATE, "Resources", "LifecycleRule", "DependsOn") == "EventBus"
        assert set(map(str, items(at(rule, "EventPattern", "detail-type")))) == set(EventType)

    def test_an_event_of_a_named_source_matches_exactly_one_rule(self) -> None:
        rule = RULES["UnknownEventRule"]
        assert rule["EventBusName"] == {"Ref": "EventBusName"}
        assert at(TEMPLATE, "Resources", "UnknownEventRule", "Condition") == "HasEventSources"
        assert at(rule, "EventPattern", "source") == {"Fn::Split": [",", {"Ref": "EventSources"}]}
        known = at(RULES["LifecycleRule"], "EventPattern", "detail-type")
        assert at(rule, "EventPattern", "detail-type") == [{"anything-but": known}]

    @pytest.mark.parametrize(
        ("sources", "is_allowed"),
        [("", True), ("identity", True), ("identity,com.acme/auth", True), ("identity, auth", False),
         ("project-smtp", False), ("identity,project-smtp", False), ("project-smtp,identity", False),
         ("project-smtp-2", True)],
    )  # fmt: skip
    def test_the_service_s_own_events_are_no_source(self, sources: str, is_allowed: bool) -> None:
        pattern = str(at(TEMPLATE, "Parameters", "EventSources", "AllowedPattern"))
        assert (re.match(pattern, sources) is not None) is is_allowed

    def test_changes_of_secrets_come_from_the_default_bus(self) -> None:
        rule = RULES["SecretChangeRule"]
        assert "EventBusName" not in rule
        assert at(rule, "EventPattern", "source") == ["aws.secretsmanager"]
        assert set(map(str, items(at(rule, "EventPattern", "detail", "eventName")))) > SECRET_CALLS

    def test_the_sweep_runs_every_minute(self) -> None:
        assert RULES["ClockRule"]["ScheduleExpression"] == "rate(1 minute)"
        assert at(items(RULES["ClockRule"]["Targets"])[0], "Input") == '{"tick": true}'

    def test_every_configuration_is_validated_once_a_day(self) -> None:
        rule = RULES["DailyValidationRule"]
        assert rule["ScheduleExpression"] == "rate(1 day)"
        assert at(items(rule["Targets"])[0], "Input") == '{"examine_all": true}'


def senders(queue: str) -> set[str]:
    """Return the rules that the queue's policy allows to send."""
    return {
        logical_id(arn)
        for policy in POLICIES.values()
        if {"Ref": queue} in items(policy["Queues"])
        for statement in items(at(policy, "PolicyDocument", "Statement"))
        for arn in map(always, as_list(at(statement, "Condition", "ArnEquals", "aws:SourceArn")))
    }


def always(value: object) -> object:
    """Return a value, or what it is under its condition."""
    return items(mapping(value)["Fn::If"])[1] if "Fn::If" in mapping(value) else value


class TestStores:
    table = resources(TEMPLATE, "AWS::DynamoDB::Table")["LedgerTable"]
    bucket = resources(TEMPLATE, "AWS::S3::Bucket")["ContentBucket"]

    @pytest.mark.parametrize("queue", sorted(QUEUES))
    def test_every_queue_is_encrypted(self, queue: str) -> None:
        assert QUEUES[queue]["SqsManagedSseEnabled"] is True

    def test_the_ledger_is_encrypted_and_can_be_restored(self) -> None:
        assert at(self.table, "SSESpecification", "SSEEnabled") is True
        assert at(self.table, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") is True

    def test_the_ledger_deletes_expired_items(self) -> None:
        assert self.table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}

    def test_the_ledger_is_paid_per_request(self) -> None:
        assert self.table["BillingMode"] == "PAY_PER_REQUEST"

    def test_records_are_indexed_by_state_and_by_due_time(self) -> None:
        keys = {
            str(at(index, "IndexName")): [at(key, "AttributeName") for key in items(at(index, "KeySchema"))]
            for index in items(self.table["GlobalSecondaryIndexes"])
        }
        assert keys == {"by_state": ["state_key", "id"], "by_due": ["due_shard", "due_at"]}

    def test_contents_are_encrypted_with_kms(self) -> None:
        (rule,) = items(at(self.bucket, "BucketEncryption", "ServerSideEncryptionConfiguration"))
        assert rule == {"BucketKeyEnabled": True, "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}

    def test_contents_are_never_public(self) -> None:
        assert set(mapping(self.bucket["PublicAccessBlockConfiguration"]).values()) == {True}
        assert len(mapping(self.bucket["PublicAccessBlockConfiguration"])) == 4

    def test_contents_are_transferred_over_tls_only(self) -> None:
        policy = resources(TEMPLATE, "AWS::S3::BucketPolicy")["ContentBucketPolicy"]
        (statement,) = items(at(policy, "PolicyDocument", "Statement"))
        assert (at(statement, "Effect"), at(statement, "Action")) == ("Deny", "s3:*")
        assert at(statement, "Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        assert len(as_list(at(statement, "Resource"))) == 2

    def test_contents_expire_and_leave_no_versions(self) -> None:
        (rule,) = items(at(self.bucket, "LifecycleConfiguration", "Rules"))
        assert (at(rule, "Status"), at(rule, "ExpirationInDays")) == ("Enabled", 7)
        assert "VersioningConfiguration" not in self.bucket

    def test_a_content_outlives_its_message(self) -> None:
        (rule,) = items(at(self.bucket, "LifecycleConfiguration", "Rules"))
        assert int(str(at(rule, "ExpirationInDays"))) * DAY > MAX_AGE_SECONDS

    @pytest.mark.parametrize("store", ["LedgerTable", "ContentBucket"])
    @pytest.mark.parametrize("policy", ["DeletionPolicy", "UpdateReplacePolicy"])
    def test_a_store_stays_when_the_stack_is_deleted(self, store: str, policy: str) -> None:
        assert at(TEMPLATE, "Resources", store, policy) == "Retain"

    def test_stores_and_queues_have_generated_names(self) -> None:
        named = {name for name, queue in QUEUES.items() if "QueueName" in queue}
        assert not named
        assert not {"TableName"} & self.table.keys()
        assert not {"BucketName"} & self.bucket.keys()


class TestAlarms:
    def test_qd16_a_message_in_a_failure_queue_raises_an_alarm(self) -> None:
        assert sorted(watched("ApproximateNumberOfMessagesVisible")) == FAILURE_QUEUES

    def test_qd16_a_message_that_waits_too_long_raises_an_alarm(self) -> None:
        assert sorted(watched("ApproximateAgeOfOldestMessage")) == SOURCE_QUEUES

    @pytest.mark.parametrize("name", sorted(ALARMS))
    def test_an_alarm_has_a_description_and_is_quiet_without_data(self, name: str) -> None:
        assert ALARMS[name]["AlarmDescription"]
        assert ALARMS[name]["TreatMissingData"] == "notBreaching"

    @pytest.mark.parametrize("name", sorted(ALARMS))
    def test_an_alarm_notifies_the_topic_if_there_is_one(self, name: str) -> None:
        assert ALARMS[name]["AlarmActions"] == {
            "Fn::If": ["HasAlarmEmail", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]
        }

    def test_lost_events_of_every_function_are_counted(self) -> None:
        (watching,) = resources(TEMPLATE, "AWS::Logs::MetricFilter").values()
        assert watching["LogGroupName"] == at(TEMPLATE, "Globals", "Function", "LoggingConfig", "LogGroup")
        phrases = re.findall(r'\?"([^"]+)"', str(watching["FilterPattern"]))
        source = (ROOT / "layers/mailer/src/mailer/adapters/aws/event_bus.py").read_text(encoding="utf-8")
        assert sorted(phrases) == sorted(re.findall(r'_LOGGER\.warning\(\s*"([^"]+)"', source))

    @pytest.mark.parametrize("name", sorted(ALARMS))
    def test_the_operations_guide_explains_the_alarm(self, name: str) -> None:
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

    def test_every_own_metric_with_an_alarm_is_on_it(self) -> None:
        ours = {str(alarm["MetricName"]) for alarm in ALARMS.values() if alarm.get("Namespace") == "ProjectSmtp"}
        searched = set(re.findall(r'MetricName=\\"(\w+)\\"', self.text))
        assert ours
        assert ours <= searched
