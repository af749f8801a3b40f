"""Deploy the template: SAM's translator converts it to CloudFormation, and moto creates the resources."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from samtranslator.translator.transform import transform

from local.cloud import Cloud
from local.event_source import MAPPING_TYPE, QueueMapping, Schedule, is_schedule, read_mappings, read_schedules
from local.secret import with_created_secrets
from local.template import Template

STACK_NAME = "embedded"

# The stack replaces these resources (the HTTP API, the queue pollers), does not need them, or moto lacks them.
_LEFT_OUT = (
    "AWS::ApiGatewayV2::",
    "AWS::CloudWatch::",
    "AWS::EventSchemas::",
    "AWS::Lambda::Permission",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
    MAPPING_TYPE,
)


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function as CloudFormation created it, with the template's environment and all references resolved."""

    logical_id: str
    name: str
    arn: str
    handler: str
    timeout_seconds: int
    memory_megabytes: int
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DeployedQueue:
    """A queue as CloudFormation created it."""

    url: str
    arn: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """The created functions and queues by logical id, and the mappings and schedules that the stack serves itself."""

    functions: Mapping[str, DeployedFunction]
    queues: Mapping[str, DeployedQueue]
    mappings: tuple[QueueMapping, ...]
    schedules: tuple[Schedule, ...]


def deploy(template: Template, parameters: Mapping[str, str], cloud: Cloud) -> Deployment:
    """Create the template's resources."""
    translated = transform(template.document, dict(parameters), _NoManagedPolicies())
    resources = translated["Resources"]
    mappings, schedules = read_mappings(resources), read_schedules(resources)
    for name in [name for name, resource in resources.items() if resource["Type"].startswith(_LEFT_OUT)]:
        del resources[name]
    # moto sends every event to the targets of a rule that has no pattern.
    for name in [name for name, resource in resources.items() if is_schedule(resource)]:
        del resources[name]
    # The outputs refer to the HTTP API, which is left out. The stack writes its own outputs.
    translated.pop("Outputs", None)
    translated = with_created_secrets(translated, cloud.client("secretsmanager"), stack=STACK_NAME)
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(
        StackName=STACK_NAME,
        TemplateBody=json.dumps(translated),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
    )
    described = cloudformation.describe_stack_resources(StackName=STACK_NAME)["StackResources"]
    return Deployment(
        deployed_functions(described, cloud.client("lambda")), _queues(described, cloud), mappings, schedules
    )


# boto3's clients and answers have no static types.
def deployed_functions(described: list[Any], functions: Any) -> dict[str, DeployedFunction]:
    """Return the functions in a stack's described resources, by logical id; `functions` is a Lambda client."""
    logical_ids = _logical_ids(described, "AWS::Lambda::Function")
    return {
        logical_ids[function["FunctionName"]]: DeployedFunction(
            logical_id=logical_ids[function["FunctionName"]],
            name=function["FunctionName"],
            arn=function["FunctionArn"],
            handler=function["Handler"],
            timeout_seconds=function["Timeout"],
            memory_megabytes=function["MemorySize"],
            environment=function["Environment"]["Variables"],
        )
        for function in functions.list_functions()["Functions"]
    }


def _queues(described: list[Any], cloud: Cloud) -> dict[str, DeployedQueue]:
    sqs = cloud.client("sqs")
    queues = {}
    for url, logical_id in _logical_ids(described, "AWS::SQS::Queue").items():
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        queues[logical_id] = DeployedQueue(url, attributes["QueueArn"])
    return queues


def _logical_ids(described: list[Any], type_name: str) -> dict[str, str]:
    return {
        resource["PhysicalResourceId"]: resource["LogicalResourceId"]
        for resource in described
        if resource.get("ResourceType") == type_name  # moto lists resources that a condition left out, with empty ids
    }


class _NoManagedPolicies:
    """The translator asks for AWS's managed policies; the template does not use them."""

    def load(self) -> dict[str, str]:
        return {}
