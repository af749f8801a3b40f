"""What the functions' roles allow once every reference is resolved, as CloudFormation would resolve it."""

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest

from local.cloud import PROCESS_ENVIRONMENT, Cloud
from local.deploy import STACK_NAME, deploy
from local.template import read_template
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
BASICS = {"logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTelemetryRecords", "xray:PutTraceSegments"}
READ_SECRETS = {"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}
SEND = {"ses:SendEmail", "ses:SendRawEmail"}

type Statement = dict[str, object]
type Roles = Mapping[str, list[Statement]]


class AnotherAccount(Cloud):
    """moto has one state per process; an account of its own keeps this module out of every other stack's way."""

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
            names = iam.list_role_policies(RoleName=role)["PolicyNames"]
            documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
            roles[resource["LogicalResourceId"]] = [
                mapping(statement) for document in documents for statement in as_list(parsed(document)["Statement"])
            ]
    cloud.client("cloudformation").delete_stack(StackName=STACK_NAME)
    return roles


def parsed(document: object) -> dict[str, object]:
    if not isinstance(document, str):
        return mapping(document)
    # moto keeps a role's own policies as Python writes them, and policies that are resources as JSON.
    return mapping(ast.literal_eval(document) if document.startswith("{'") else json.loads(document))


@pytest.fixture(scope="module")
def roles(cloud: Cloud) -> Roles:
    return deployed_roles(cloud, OPERATOR)


def actions(statements: list[Statement]) -> set[str]:
    return {str(action) for statement in statements for action in as_list(statement["Action"])}


def allowing(statements: list[Statement], action: str) -> list[Statement]:
    return [statement for statement in statements if action in as_list(statement["Action"])]


def covers(statement: Statement, resource: str) -> bool:
    """Match a resource as IAM does: `*` is any text, `?` any one character."""
    patterns = [re.escape(str(pattern)) for pattern in as_list(statement["Resource"])]
    return any(
        re.fullmatch(pattern.replace(r"\*", ".*").replace(r"\?", "."), resource) is not None for pattern in patterns
    )


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("AuthorizeRole", BASICS),
        ("SendRole", BASICS | READ_SECRETS | SEND | {"kms:Decrypt"}),
        ("ProjectConfigRole", BASICS | READ_SECRETS | {"kms:Decrypt"}),
    ],
)
def test_au6_a_role_allows_exactly_its_function_s_actions(roles: Roles, role: str, allowed: set[str]) -> None:
    assert actions(roles[role]) == allowed


def test_every_role_is_looked_at(roles: Roles) -> None:
    assert roles.keys() == {"AuthorizeRole", "SendRole", "ProjectConfigRole"}


def test_au6_only_xray_which_knows_no_resources_is_allowed_on_everything(roles: Roles) -> None:
    everywhere = [
        statement for statements in roles.values() for statement in statements if statement["Resource"] == "*"
    ]
    assert {str(action).partition(":")[0] for action in actions(everywhere)} == {"xray"}


def test_every_statement_allows(roles: Roles) -> None:
    assert {statement["Effect"] for statements in roles.values() for statement in statements} == {"Allow"}


@pytest.mark.parametrize("role", ["SendRole", "ProjectConfigRole"])
@pytest.mark.parametrize("action", sorted(READ_SECRETS))
class TestSecrets:
    def test_every_project_s_secret_is_covered(self, roles: Roles, role: str, action: str) -> None:
        (statement,) = allowing(roles[role], action)
        assert covers(statement, SECRET.format("acme"))

    def test_ti3_no_secret_beyond_the_prefix_is_covered(self, roles: Roles, role: str, action: str) -> None:
        (statement,) = allowing(roles[role], action)
        assert not covers(statement, ARN.format("secretsmanager", "secret:project-smtp-AbCdEf"))
        assert not covers(statement, ARN.format("secretsmanager", "secret:database/acme-AbCdEf"))

    def test_a_secret_that_does_not_exist_is_covered_too(self, roles: Roles, role: str, action: str) -> None:
        # Its ARN has no suffix yet. "Access denied" instead of "not found" would make the project unavailable.
        (statement,) = allowing(roles[role], action)
        assert covers(statement, ARN.format("secretsmanager", "secret:project-smtp/plain"))


@pytest.mark.parametrize("role", ["SendRole", "ProjectConfigRole"])
def test_au6_only_the_current_version_of_a_secret_is_read(roles: Roles, role: str) -> None:
    (statement,) = allowing(roles[role], "secretsmanager:GetSecretValue")
    assert statement["Condition"] == {"ForAnyValue:StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}


@pytest.mark.parametrize("role", ["SendRole", "ProjectConfigRole"])
def test_au6_the_operator_s_key_decrypts_projects_secrets_and_nothing_else(roles: Roles, role: str) -> None:
    (statement,) = allowing(roles[role], "kms:Decrypt")
    assert statement["Resource"] == KEY
    assert statement["Condition"] == {
        "StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:SecretARN": SECRET.format("*").replace("AbCdEf", "??????")},
    }


def test_au6_ses_is_allowed_for_the_server_s_own_addresses_only(roles: Roles) -> None:
    senders = ["no-reply@platform.example", "support@platform.example", "billing@platform.example"]
    statements = allowing(roles["SendRole"], "ses:SendRawEmail")
    assert [statement["Condition"] for statement in statements] == [
        {"StringEqualsIgnoreCase": {"ses:FromAddress": senders}}
    ] * len(statements)


def test_au6_ses_is_allowed_on_identities_and_the_one_configuration_set(roles: Roles) -> None:
    statements = allowing(roles["SendRole"], "ses:SendRawEmail")
    assert sorted(str(statement["Resource"]) for statement in statements) == [
        ARN.format("ses", "configuration-set/mail"),
        ARN.format("ses", "identity/*"),
    ]


@pytest.fixture(scope="module")
def plain_roles(cloud: Cloud) -> Roles:
    """The roles of an operator who gives only what must be given, and the From address without a name."""
    optional = {"ServerApprovedSenders", "ConfigurationSetName", "ProjectSecretKeyArn"}
    required = {name: value for name, value in OPERATOR.items() if name not in optional}
    return deployed_roles(cloud, {**required, "ServerFromAddress": "no-reply@platform.example"})


def test_without_a_key_of_the_operator_s_nothing_is_decrypted(plain_roles: Roles) -> None:
    assert "kms:Decrypt" not in actions(plain_roles["SendRole"]) | actions(plain_roles["ProjectConfigRole"])


def test_without_approved_senders_the_default_from_is_the_only_one(plain_roles: Roles) -> None:
    (statement,) = allowing(plain_roles["SendRole"], "ses:SendRawEmail")
    assert statement["Condition"] == {"StringEqualsIgnoreCase": {"ses:FromAddress": "no-reply@platform.example"}}
