"""Every function does its work with only its own role, and is refused everything else."""

import json
from collections.abc import Iterator
from typing import Any

import botocore.exceptions
import pytest

from local.client import find
from tests.support.own_role import OwnRoles, own_roles
from tests.support.sam_template import ROOT

PREFIX = "project-smtp/"
OTHER_SECRET = "database/acme"


@pytest.fixture(scope="module")
def roles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRoles]:
    with own_roles(tmp_path_factory.mktemp("own-role")) as started:
        ses = started.administrator("sesv2")
        ses.create_email_identity(EmailIdentity="no-reply@platform.example")
        entries = started.relay.entries(port=started.relay.starttls_port, from_address="Acme <hello@acme.example>")
        secrets = started.administrator("secretsmanager")
        secrets.create_secret(Name=f"{PREFIX}acme", SecretString=json.dumps(entries))
        secrets.create_secret(Name=OTHER_SECRET, SecretString="no business of ours")
        yield started


def event(case: str) -> Any:
    return json.loads((ROOT / "events" / f"{case}.json").read_text(encoding="utf-8"))


def queued(case: str, body: object) -> Any:
    """Return an event of a queue with another body."""
    given = event(case)
    given["Records"][0]["body"] = json.dumps(body)
    return given


def in_project(request: Any, project_id: str) -> Any:
    """Return the same request of and for another project."""
    before = request["pathParameters"]["projectId"]
    text = json.dumps(request).replace(f"/projects/{before}/", f"/projects/{project_id}/")
    moved = json.loads(text)
    moved["pathParameters"]["projectId"] = project_id
    moved["requestContext"]["authorizer"]["lambda"]["project_id"] = project_id
    return moved


def received(roles: OwnRoles, queue: str) -> list[Any]:
    """Receive the few messages of a queue."""
    sqs = roles.administrator("sqs")
    messages = sqs.receive_message(QueueUrl=roles.queues[queue], MaxNumberOfMessages=10).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=roles.queues[queue], ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in messages]


def states(roles: OwnRoles, owner: str) -> dict[str, str]:
    """Return the state of each message of a project or the server by its id."""
    table = roles.environment("DeliverFunction")["LEDGER_TABLE"]
    items = roles.administrator("dynamodb").scan(TableName=table)["Items"]
    found = [item for item in items if item["pk"]["S"] == owner and item["sk"]["S"].startswith("email#")]
    return {item["id"]["S"]: item["state_key"]["S"].rpartition("#")[2] for item in found}


def answered(answer: object) -> tuple[object, object]:
    body = find(answer, "body")
    return find(answer, "statusCode"), json.loads(str(body)) if body else None


def status(answer: object) -> object:
    return find(answer, "statusCode")


class TestWork:
    def test_authorize_verifies_a_token(self, roles: OwnRoles) -> None:
        assert find(roles.invoke("AuthorizeFunction", event("authorize.valid")), "isAuthorized") is True

    def test_send_sends_by_the_project_s_relay(self, roles: OwnRoles) -> None:
        code, body = answered(roles.invoke("SendFunction", event("send.project_relay")))
        assert (code, find(body, "transport")) == (200, "project-smtp")

    def test_send_sends_by_ses(self, roles: OwnRoles) -> None:
        code, body = answered(roles.invoke("SendFunction", event("send.server_ses")))
        assert (code, find(body, "transport")) == (200, "server-ses")

    def test_send_replays_an_answer(self, roles: OwnRoles) -> None:
        request = event("send.server_ses")
        request["headers"]["idempotency-key"] = "one"
        first, second = (answered(roles.invoke("SendFunction", request)) for _ in range(2))
        assert first == second

    def test_send_frees_the_key_of_a_failed_request(self, roles: OwnRoles) -> None:
        request = event("send.server_ses")
        request["headers"]["idempotency-key"] = "two"
        request["body"] = json.dumps({"to": "ada@refused.example", "subject": "None", "text": "None."})
        request = in_project(request, "acme")
        assert [status(roles.invoke("SendFunction", request)) for _ in range(2)] == [422, 422]

    def test_send_reads_messages(self, roles: OwnRoles) -> None:
        assert status(roles.invoke("SendFunction", event("send.list"))) == 200
        everything = event("send.list")
        del everything["queryStringParameters"]
        assert status(roles.invoke("SendFunction", everything)) == 200
        assert status(roles.invoke("SendFunction", event("send.get"))) == 404

    def test_deliver_delivers_a_message_queued_by_send(self, roles: OwnRoles) -> None:
        received(roles, "DeliveryQueue")
        _, accepted = answered(roles.invoke("SendFunction", event("send.async")))
        (call,) = received(roles, "DeliveryQueue")
        assert call == {"project_id": "acme", "id": find(accepted, "id")}
        assert roles.invoke("DeliverFunction", queued("deliver.queued", call)) == {"batchItemFailures": []}
        assert states(roles, "project#acme")[call["id"]] == "sent"

    def test_deliver_delivers_a_message_queued_by_system_email(self, roles: OwnRoles) -> None:
        received(roles, "DeliveryQueue")
        assert roles.invoke("SystemEmailFunction", event("system_email.MfaReset")) == {"batchItemFailures": []}
        (call,) = received(roles, "DeliveryQueue")
        assert roles.invoke("DeliverFunction", queued("deliver.queued", call)) == {"batchItemFailures": []}
        assert states(roles, "server")[call["id"]] == "sent"

    def test_deliver_sweeps(self, roles: OwnRoles) -> None:
        assert roles.invoke("DeliverFunction", event("deliver.tick")) == {"batchItemFailures": []}

    def test_deliver_handles_missing_content(self, roles: OwnRoles) -> None:
        received(roles, "DeliveryQueue")
        other = event("send.async")
        other["headers"]["idempotency-key"] = "another"
        roles.invoke("SendFunction", other)
        (call,) = received(roles, "DeliveryQueue")
        s3, bucket = roles.administrator("s3"), roles.environment("DeliverFunction")["CONTENT_BUCKET"]
        for kept in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=kept["Key"])
        roles.invoke("DeliverFunction", queued("deliver.queued", call))
        assert states(roles, "project#acme")[call["id"]] == "failed"

    @pytest.mark.parametrize(
        ("function", "case", "queue"),
        [
            ("SystemEmailFunction", "system_email.poison_json", "SystemEmailFailureQueue"),
            ("DeliverFunction", "deliver.queued", "DeliveryFailureQueue"),
            ("ValidateSecretsFunction", "validate_secrets.project", "SecretChangeFailureQueue"),
        ],
    )
    def test_an_unreadable_message_goes_to_the_failure_queue(
        self, roles: OwnRoles, function: str, case: str, queue: str
    ) -> None:
        assert roles.invoke(function, queued(case, ["no", "call"])) == {"batchItemFailures": []}
        (record,) = received(roles, queue)
        assert find(record, "reason")

    def test_validate_secrets_validates_a_project(self, roles: OwnRoles) -> None:
        answer = roles.invoke("ValidateSecretsFunction", event("validate_secrets.project"))
        assert answer == {"batchItemFailures": []}
        table = roles.environment("ValidateSecretsFunction")["LEDGER_TABLE"]
        key = {"pk": {"S": "project#acme"}, "sk": {"S": "health"}}
        item = roles.administrator("dynamodb").get_item(TableName=table, Key=key)["Item"]
        assert json.loads(item["record"]["S"])["state"] == "verified"

    def test_validate_secrets_requests_a_validation_of_every_project(self, roles: OwnRoles) -> None:
        roles.invoke("ValidateSecretsFunction", event("validate_secrets.examine_all"))
        assert {"project_id": "acme"} in received(roles, "SecretChangeQueue")

    def test_project_config_shows_the_configuration(self, roles: OwnRoles) -> None:
        assert status(roles.invoke("ProjectConfigFunction", event("project_config.get"))) == 200

    def test_project_config_checks_the_relay(self, roles: OwnRoles) -> None:
        _, body = answered(roles.invoke("ProjectConfigFunction", event("project_config.validate_stored")))
        checks: Any = find(body, "checks")
        assert {check["status"] for check in checks} == {"passed"}

    def test_project_config_sends_a_test(self, roles: OwnRoles) -> None:
        assert status(roles.invoke("ProjectConfigFunction", event("project_config.test"))) == 200

    def test_project_config_stores_a_first_configuration_and_removes_it(self, roles: OwnRoles) -> None:
        put = event("project_config.put")
        entries = roles.relay.entries(port=roles.relay.tls_port, from_address="New <hello@new.example>")
        put["body"] = json.dumps({"entries": entries})
        delete = event("project_config.delete")
        requests = [in_project(request, "new") for request in (put, put, delete)]
        assert [status(roles.invoke("ProjectConfigFunction", request)) for request in requests] == [200] * 3


def denied(error: botocore.exceptions.ClientError) -> bool:
    return str(error.response["Error"]["Code"]).startswith("AccessDenied")


class TestRefusals:
    @pytest.mark.parametrize("function", ["AuthorizeFunction", "SystemEmailFunction"])
    def test_a_function_that_needs_no_secret_reads_none(self, roles: OwnRoles, function: str) -> None:
        with pytest.raises(botocore.exceptions.ClientError) as refusal:
            roles.client("secretsmanager", function).get_secret_value(SecretId=f"{PREFIX}acme")
        assert denied(refusal.value)

    @pytest.mark.parametrize(
        "function", ["SendFunction", "DeliverFunction", "ProjectConfigFunction", "ValidateSecretsFunction"]
    )
    def test_ti3_no_function_reads_another_secret(self, roles: OwnRoles, function: str) -> None:
        client = roles.client("secretsmanager", function)
        assert client.get_secret_value(SecretId=f"{PREFIX}acme")["SecretString"]
        with pytest.raises(botocore.exceptions.ClientError) as refusal:
            client.get_secret_value(SecretId=OTHER_SECRET)
        assert denied(refusal.value)

    @pytest.mark.parametrize("function", ["SendFunction", "DeliverFunction", "ValidateSecretsFunction"])
    def test_a_function_that_only_reads_secrets_changes_none(self, roles: OwnRoles, function: str) -> None:
        with pytest.raises(botocore.exceptions.ClientError) as refusal:
            roles.client("secretsmanager", function).put_secret_value(SecretId=f"{PREFIX}acme", SecretString="{}")
        assert denied(refusal.value)

    def test_a_function_that_changes_secrets_deletes_none(self, roles: OwnRoles) -> None:
        with pytest.raises(botocore.exceptions.ClientError) as refusal:
            roles.client("secretsmanager", "ProjectConfigFunction").delete_secret(SecretId=f"{PREFIX}acme")
        assert denied(refusal.value)

    @pytest.mark.parametrize("function", ["AuthorizeFunction", "SystemEmailFunction", "ValidateSecretsFunction"])
    def test_a_function_that_does_not_send_cannot_send(self, roles: OwnRoles, function: str) -> None:
        with pytest.raises(botocore.exceptions.ClientError) as refusal:
            roles.client("sesv2", function).send_email(
                FromEmailAddress="no-reply@platform.example",
                Destination={"ToAddresses": ["ada@example.net"]},
                Content={"Raw": {"Data": b"Subject: none\r\n\r\n"}},
            )
        assert denied(refusal.value)

    @pytest.mark.parametrize(
        "function", ["SendFunction", "SystemEmailFunction", "ProjectConfigFunction", "ValidateSecretsFunction"]
    )
    def test_only_deliver_reads_a_content(self, roles: OwnRoles, function: str) -> None:
        bucket = roles.environment("DeliverFunction")["CONTENT_BUCKET"]
        with pytest.raises(botocore.exceptions.ClientError) as refusal:
            roles.client("s3", function).get_object(Bucket=bucket, Key="content/server/any")
        assert denied(refusal.value)

    @pytest.mark.parametrize(
        "function",
        ["SendFunction", "DeliverFunction", "SystemEmailFunction", "ProjectConfigFunction", "ValidateSecretsFunction"],
    )
    def test_no_function_scans_the_ledger(self, roles: OwnRoles, function: str) -> None:
        table = roles.environment("DeliverFunction")["LEDGER_TABLE"]
        with pytest.raises(botocore.exceptions.ClientError) as refusal:
            roles.client("dynamodb", function).scan(TableName=table)
        assert denied(refusal.value)

    @pytest.mark.parametrize(
        ("function", "queue"),
        [
            ("SendFunction", "SystemEmailQueue"),
            ("DeliverFunction", "SystemEmailQueue"),
            ("SystemEmailFunction", "SecretChangeQueue"),
            ("ProjectConfigFunction", "ClockQueue"),
            ("ValidateSecretsFunction", "SystemEmailQueue"),
        ],
    )
    def test_a_function_cannot_write_to_another_function_s_queue(
        self, roles: OwnRoles, function: str, queue: str
    ) -> None:
        with pytest.raises(botocore.exceptions.ClientError) as refusal:
            roles.client("sqs", function).send_message(QueueUrl=roles.queues[queue], MessageBody="{}")
        assert denied(refusal.value)

    @pytest.mark.parametrize(
        "function",
        ["SendFunction", "DeliverFunction", "SystemEmailFunction", "ProjectConfigFunction", "ValidateSecretsFunction"],
    )
    def test_no_function_publishes_on_the_default_bus(self, roles: OwnRoles, function: str) -> None:
        entry = {"EventBusName": "default", "Source": "project-smtp", "DetailType": "EmailSent", "Detail": "{}"}
        with pytest.raises(botocore.exceptions.ClientError) as refusal:
            roles.client("events", function).put_events(Entries=[entry])
        assert denied(refusal.value)
