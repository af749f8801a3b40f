"""Deploy the template: SAM's own translator turns it into CloudFormation, and moto creates what it describes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from samtranslator.translator.transform import transform

from local.cloud import Cloud
from local.template import Template

STACK_NAME = "embedded"

# Served by the stack itself (the HTTP API, and what pulls from queues), or unknown to moto.
_LEFT_OUT = (
    "AWS::ApiGatewayV2::",
    "AWS::CloudWatch::Alarm",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
)


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function as CloudFormation created it; the environment is the template's, with every reference resolved."""

    logical_id: str
    name: str
    arn: str
    handler: str
    timeout_seconds: int
    memory_megabytes: int
    environment: Mapping[str, str]


def deploy(template: Template, parameters: Mapping[str, str], cloud: Cloud) -> dict[str, DeployedFunction]:
    """Create the template's resources and return its functions by logical id."""
    translated = transform(template.document, dict(parameters), _NoManagedPolicies())
    resources = translated["Resources"]
    for name in [name for name, resource in resources.items() if resource["Type"].startswith(_LEFT_OUT)]:
        del resources[name]
    # Outputs name the HTTP API that is left out; the stack writes its own.
    translated.pop("Outputs", None)
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(
        StackName=STACK_NAME,
        TemplateBody=json.dumps(translated),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
    )
    described = cloudformation.describe_stack_resources(StackName=STACK_NAME)["StackResources"]
    logical_ids = {
        resource["PhysicalResourceId"]: resource["LogicalResourceId"]
        for resource in described
        if resource.get("ResourceType") == "AWS::Lambda::Function"  # moto describes what a condition left out, emptily
    }
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
        for function in cloud.client("lambda").list_functions()["Functions"]
    }


class _NoManagedPolicies:
    """The translator asks for AWS's managed policies by name; the template uses none."""

    def load(self) -> dict[str, str]:
        return {}
