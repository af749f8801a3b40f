"""The permissions of the functions' roles, with every reference resolved as by CloudFormation."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from mailer.ledger.event import SOURCE

from local.cloud import PROCESS_ENVIRONMENT, Cloud
from local.deploy import STACK_NAME, deploy
from local.template import read_template
from tests.support.role_policies import role_policies
from tests.support.sam_template import ROOT, as_list, mapping

ACCOUNT = "210987654321"
ARN = f"arn:aws:{{}}:us-east-1:{ACCOUNT}:{{}}"
SECRET = ARN.format("secretsmanager", "secret:project-smtp/{}-AbCdEf")
KEY = ARN.format("kms", "key/1234")
OPERATOR = {
    "ServerFromAddress": "Platform <no-reply@platform.example>",
    "ServerApprovedSenders": "support@platform.example, billing@platform.example",
    "AppBaseUrl": "https://app.platform.example",
    "JwtIssuer": "https://identity.platform.example",
    "JwtAudience": "project-smtp",
    "JwtJwks": "https://identity.platform.example/keys",
    "ConfigurationSetName": "mail",
    "ProjectSecretKeyArn": KEY,
}
READ_SECRETS = {"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}
CHANGE_SECRETS = {
    "secretsmanager:CreateSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
}
TAKE = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
SECRET_READERS = ["DeliverRole", "ProjectConfigRole", "SendRole", "ValidateSecretsRole"]
SENDERS = ["DeliverRole", "ProjectConfigRole", "SendRole"]

# Each role's actions apart from logs and traces, with their resources by the template's names.
TABLE, BY_STATE, BY_DUE = "table/LedgerTable", "table/LedgerTable/index/by_state", "table/LedgerTable/index/by_due"
BUCKET, CONTENTS = "contentbucket", "contentbucket/*"
SECRETS = "secret:project-smtp/*"
PLATFORM_KEY = "PlatformKey"
SES = {"identity/*", "configuration-set/mail"}
READING: Mapping[str, set[str]] = {
    "secretsmanager:GetSecretValue": {SECRETS},
    "secretsmanager:DescribeSecret": {SECRETS},
    "kms:Decrypt": {"key/1234"},
}
READING_WITH_KEY: Mapping[str, set[str]] = {**READING, "secretsmanager:GetSecretValue": {SECRETS, PLATFORM_KEY}}
LEDGER: Mapping[str, set[str]] = {"dynamodb:GetItem": {TABLE}, "dynamodb:PutItem": {TABLE}}
SENDING: Mapping[str, set[str]] = {"ses:SendEmail": SES, "ses:SendRawEmail": SES}
TELLING: Mapping[str, set[str]] = {"events:PutEvents": {"event-bus/project-smtp"}}
STORING: Mapping[str, set[str]] = {"s3:PutObject": {CONTENTS}, "s3:DeleteObject": {CONTENTS}}
GRANTS: Mapping[str, Mapping[str, set[str]]] = {
    "AuthorizeRole": {},
    "SendRole": {
        **READING_WITH_KEY,
        **LEDGER,
        **SENDING,
        **STORING,
        **TELLING,
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:DeleteItem": {TABLE},
        "dynamodb:Query": {TABLE, BY_STATE},
        "dynamodb:BatchGetItem": {TABLE},
        "sqs:SendMessage": {"DeliveryQueue", "SecretChangeQueue"},
    },
    "ProjectConfigRole": {
        **READING_WITH_KEY,
        **LEDGER,
        **SENDING,
        **TELLING,
        **{action: {SECRETS} for action in CHANGE_SECRETS},
        "kms:GenerateDataKey": {"key/1234"},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:Query": {TABLE, BY_STATE},
        "dynamodb:DeleteItem": {TABLE},
        "s3:PutObject": {CONTENTS},
        "sqs:SendMessage": {"SecretChangeQueue"},
    },
    "DeliverRole": {
        **READING,
        **LEDGER,
        **SENDING,
        **TELLING,
        **{action: {"DeliveryQueue", "ClockQueue"} for action in TAKE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:Query": {BY_DUE, BY_STATE},
        "s3:GetObject": {CONTENTS},
        "s3:DeleteObject": {CONTENTS},
        "s3:ListBucket": {BUCKET},
        "sqs:SendMessage": {"DeliveryQueue", "SecretChangeQueue", "DeliveryFailureQueue"},
    },
    "SystemEmailRole": {
        "secretsmanager:DescribeSecret": {SECRETS},
        **LEDGER,
        **STORING,
        **TELLING,
        **{action: {"SystemEmailQueue"} for action in TAKE},
        "dynamodb:UpdateItem": {TABLE},
        "sqs:SendMessage": {"DeliveryQueue", "SystemEmailFailureQueue"},
    },
    "ValidateSecretsRole": {
        **READING,
        **LEDGER,
        **TELLING,
        **{action: {"SecretChangeQueue"} for action in TAKE},
        "secretsmanager:ListSecrets": {"*"},
        "dynamodb:Query": {BY_STATE},
        "sqs:SendMessage": {"DeliveryQueue", "SecretChangeQueue", "SecretChangeFailureQueue"},
    },
}

type Statement = dict[str, object]
type Roles = Mapping[str, list[Statement]]


class AnotherAccount(Cloud):
    """Use a separate account: moto has one state per process, which other stacks share."""

    def client(self, service: str) -> Any:
        client = super().client(service)
        client.meta.events.register("before-sign", self._enter)
        return client

    @staticmethod
    def _enter(request: AWSRequest, **_others: object) -> None:
        request.headers["x-moto-account-id"] = ACCOUNT


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in PROCESS_ENVIRONMENT.items():
            environment.setenv(name, value)
        started = AnotherAccount(bind_address="127.0.0.1", port=0, on_send_email=lambda _request: None)
        yield started
        started.stop()


def deployed_roles(cloud: Cloud, parameters: Mapping[str, str]) -> Roles:
    """Deploy the template and return each role's statements by the role's logical id."""
    deploy(read_template(ROOT / "template.yaml"), parameters, cloud)
    resources = cloud.client("cloudformation").describe_stack_resources(StackName=STACK_NAME)["StackResources"]
    iam = cloud.client("iam")
    roles = {}
    for resource in resources:
        if resource.get("ResourceType") == "AWS::IAM::Role":
            role = resource["PhysicalResourceId"]
            roles[resource["LogicalResourceId"]] = [
                mapping(statement)
                for _, document in role_policies(iam, role)
                for statement in as_list(document["Statement"])
            ]
    cloud.client("cloudformation").delete_stack(StackName=STACK_NAME)
    return roles


@pytest.fixture(scope="module")
def roles(cloud: Cloud) -> Roles:
    return deployed_roles(cloud, OPERATOR)


def actions(statements: list[Statement]) -> set[str]:
    return {str(action) for statement in statements for action in as_list(statement["Action"])}


def allowing(statements: list[Statement], action: str) -> list[Statement]:
    return [statement for statement in statements if action in as_list(statement["Action"])]


def allowing_projects(statements: list[Statement], action: str) -> list[Statement]:
    """Return the statements for an action, without the one about the platform's own key."""
    return [statement for statement in allowing(statements, action) if statement.get("Sid") != "ReadPlatformKey"]


def covers(statement: Statement, resource: str) -> bool:
    """Match a resource as IAM does: `*` is any text, `?` any one character."""
    patterns = [re.escape(str(pattern)) for pattern in as_list(statement["Resource"])]
    return any(
        re.fullmatch(pattern.replace(r"\*", ".*").replace(r"\?", "."), resource) is not None for pattern in patterns
    )


def granted(statements: list[Statement]) -> dict[str, set[str]]:
    """Return what each action is allowed on, by the names of the template, without logs and traces."""
    grants: dict[str, set[str]] = {}
    for statement in statements:
        for action in map(str, as_list(statement["Action"])):
            grants.setdefault(action, set()).update(logical(str(each)) for each in as_list(statement["Resource"]))
    log_group = "log-group:FunctionLogGroup"  # followed by `:*` in the cloud
    assert (grants.pop("logs:CreateLogStream"), grants.pop("logs:PutLogEvents")) == ({log_group}, {log_group})
    assert (grants.pop("xray:PutTraceSegments"), grants.pop("xray:PutTelemetryRecords")) == ({"*"}, {"*"})
    return grants


def logical(resource: str) -> str:
    """Return an ARN's last part, with the template's names for generated ones."""
    name = resource if resource == "*" else resource.split(":", 5)[5]
    return re.sub(rf"(?:secret:)?{STACK_NAME}-(\w+)-\w{{12}}(?:-\w{{6}}\Z)?", r"\1", name)


@pytest.mark.parametrize("role", sorted(GRANTS))
def test_au6_a_role_allows_exactly_what_its_function_needs(roles: Roles, role: str) -> None:
    assert granted(roles[role]) == GRANTS[role]


def test_every_role_is_tested(roles: Roles) -> None:
    assert roles.keys() == GRANTS.keys()


def test_au6_only_actions_without_resources_are_allowed_on_everything(roles: Roles) -> None:
    everywhere = [
        statement for statements in roles.values() for statement in statements if statement["Resource"] == "*"
    ]
    assert actions(everywhere) == {
        "secretsmanager:ListSecrets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    }


def test_au6_one_function_only_changes_secrets_and_none_deletes_one(roles: Roles) -> None:
    changing = {
        (role, str(action))
        for role, statements in roles.items()
        for action in actions(statements)
        if re.match(r"secretsmanager:(?!Get|Describe|List)", action)
    }
    assert changing == {("ProjectConfigRole", action) for action in CHANGE_SECRETS}


@pytest.mark.parametrize("role", sorted(GRANTS))
def test_au6_no_action_is_a_pattern(roles: Roles, role: str) -> None:
    assert not [action for action in actions(roles[role]) if "*" in action]


@pytest.mark.parametrize("role", sorted(GRANTS.keys() - {"AuthorizeRole"}))
def test_au6_events_are_published_only_with_the_stack_s_own_source(roles: Roles, role: str) -> None:
    (statement,) = allowing(roles[role], "events:PutEvents")
    assert statement["Condition"] == {"ForAllValues:StringEquals": {"events:source": SOURCE}}


def test_every_statement_allows(roles: Roles) -> None:
    assert {statement["Effect"] for statements in roles.values() for statement in statements} == {"Allow"}


@pytest.mark.parametrize("role", SECRET_READERS)
@pytest.mark.parametrize("action", sorted(READ_SECRETS))
class TestSecrets:
    def test_every_project_s_secret_is_covered(self, roles: Roles, role: str, action: str) -> None:
        (statement,) = allowing_projects(roles[role], action)
        assert covers(statement, SECRET.format("acme"))

    def test_ti3_no_secret_beyond_the_prefix_is_covered(self, roles: Roles, role: str, action: str) -> None:
        (statement,) = allowing_projects(roles[role], action)
        assert not covers(statement, ARN.format("secretsmanager", "secret:project-smtp-AbCdEf"))
        assert not covers(statement, ARN.format("secretsmanager", "secret:database/acme-AbCdEf"))

    def test_a_secret_that_does_not_exist_is_covered_too(self, roles: Roles, role: str, action: str) -> None:
        # Its ARN has no suffix yet. "Access denied" instead of "not found" would make the project unavailable.
        (statement,) = allowing_projects(roles[role], action)
        assert covers(statement, ARN.format("secretsmanager", "secret:project-smtp/plain"))


@pytest.mark.parametrize("role", SECRET_READERS)
def test_au6_only_the_current_version_of_a_secret_is_read(roles: Roles, role: str) -> None:
    for statement in allowing(roles[role], "secretsmanager:GetSecretValue"):
        assert statement["Condition"] == {"ForAnyValue:StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}


@pytest.mark.parametrize("role", SECRET_READERS)
def test_au6_the_operator_s_key_decrypts_projects_secrets_and_nothing_else(roles: Roles, role: str) -> None:
    (statement,) = allowing(roles[role], "kms:Decrypt")
    assert statement["Resource"] == KEY
    assert statement["Condition"] == {
        "StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:SecretARN": SECRET.format("*").replace("AbCdEf", "??????")},
    }


@pytest.mark.parametrize("action", sorted(CHANGE_SECRETS))
def test_ti3_no_secret_beyond_the_prefix_is_changed(roles: Roles, action: str) -> None:
    (statement,) = allowing(roles["ProjectConfigRole"], action)
    assert covers(statement, SECRET.format("acme"))
    assert not covers(statement, ARN.format("secretsmanager", "secret:project-smtp-AbCdEf"))


def test_au6_the_operator_s_key_encrypts_projects_secrets_and_nothing_else(roles: Roles) -> None:
    (encrypting,) = allowing(roles["ProjectConfigRole"], "kms:GenerateDataKey")
    (decrypting,) = allowing(roles["ProjectConfigRole"], "kms:Decrypt")
    assert encrypting["Condition"] == decrypting["Condition"]


@pytest.mark.parametrize("role", SENDERS)
def test_au6_ses_is_allowed_for_the_server_s_own_addresses_only(roles: Roles, role: str) -> None:
    senders = ["no-reply@platform.example", "support@platform.example", "billing@platform.example"]
    statements = allowing(roles[role], "ses:SendRawEmail")
    assert [statement["Condition"] for statement in statements] == [
        {"StringEqualsIgnoreCase": {"ses:FromAddress": senders}}
    ] * len(statements)


@pytest.fixture(scope="module")
def plain_roles(cloud: Cloud) -> Roles:
    """The roles with only the required parameters, and with a From address without a name."""
    optional = {"ServerApprovedSenders", "ConfigurationSetName", "ProjectSecretKeyArn"}
    required = {name: value for name, value in OPERATOR.items() if name not in optional}
    return deployed_roles(cloud, {**required, "ServerFromAddress": "no-reply@platform.example"})


def test_without_an_operator_s_key_decryption_is_not_allowed(plain_roles: Roles) -> None:
    assert not [action for statements in plain_roles.values() for action in actions(statements) if "kms:" in action]


def test_without_approved_senders_the_default_from_is_the_only_one(plain_roles: Roles) -> None:
    (statement,) = allowing(plain_roles["DeliverRole"], "ses:SendRawEmail")
    assert statement["Condition"] == {"StringEqualsIgnoreCase": {"ses:FromAddress": "no-reply@platform.example"}}
