"""moto with IAM enforced: every request needs credentials that allow it.

It runs as a process, because moto counts requests without credentials per process. It deploys the template, prints one
line of JSON with the created resources, and ends when its standard input is closed.

moto checks whether a role allows an action on all resources. AWS checks the resource and each write of a transaction,
and has no permissions `TransactWriteItems`, `SendMessageBatch` and the like: `needs` returns what AWS checks.
Conditions are not evaluated here; `tests/stack/test_roles.py` reads them.
"""

import base64
import email
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from email.utils import parseaddr
from typing import Any

from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.exceptions import AccessDeniedError, JsonRESTError
from moto.core.responses import BaseResponse
from moto.iam.access_control import IAMRequest

from local import cloud
from local.cloud import Cloud
from local.deploy import STACK_NAME, deploy
from local.option import OPERATOR_DEFAULTS, ROOT, variable_name
from local.sam_local import EVENT_KEYS
from local.template import read_template
from tests.support.role_policies import role_policies

_WRITES = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

type Need = tuple[str, str]


def needs(service: str, action: str, request: dict[str, Any]) -> Iterator[Need]:
    """Return the permissions that AWS checks: actions, each with the end of its resource's ARN, or `*`."""
    match service, action:
        case "dynamodb", "TransactWriteItems":
            for item in request["TransactItems"]:
                ((kind, write),) = item.items()
                yield _WRITES[kind], f"table/{write['TableName']}"
        case "dynamodb", "BatchGetItem":
            for table in request["RequestItems"]:
                yield action, f"table/{table}"
        case "dynamodb", _ if "TableName" in request:
            index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
            yield action, f"table/{request['TableName']}{index}"
        case "sqs", _ if "QueueUrl" in request:
            yield action.removesuffix("Batch"), str(request["QueueUrl"]).rpartition("/")[2]
        case "secretsmanager", _ if "SecretId" in request or "Name" in request:
            # The ARN of an existing secret has six more characters. The policies' patterns end with `*` and match them.
            name = str(request.get("SecretId", request.get("Name")))
            yield action, name.split(":", 5)[5] if name.startswith("arn:") else f"secret:{name}-AbCdEf"
        case "events", "PutEvents":
            for entry in request["Entries"]:
                yield action, f"event-bus/{entry['EventBusName']}"
        case "ses", "SendEmail":
            message = email.message_from_bytes(base64.b64decode(request["Content"]["Raw"]["Data"]))
            yield action, f"identity/{parseaddr(message['From'])[1]}"
        case _:
            yield action, "*"


def _ask_iam(response: BaseResponse, _resource: str = "*") -> None:
    """Replace moto's check: the same evaluation, with the permissions that AWS checks."""
    service = response.headers["Authorization"].partition("Credential=")[2].split("/")[3]
    request = json.loads(response.raw_body) if response.raw_body.startswith(b"{") else {}
    for action, end in needs(service, response._get_action(), request):
        asked = IAMRequest(
            account_id=response.current_account,
            method=response.method,
            path=response.raw_path,
            data=response.data,
            body=response.raw_body,
            headers=response.headers,
            action=action,
        )
        asked.check_signature()
        arn = f"arn:aws:{service}:{response.region}:{response.current_account}:{end}"
        try:
            asked.check_action_permitted("*" if end == "*" else arn)
        except AccessDeniedError as refusal:
            # moto refuses a request with XML, which the clients of these services cannot read.
            raise JsonRESTError("AccessDeniedException", refusal.message) from None


def _put_iam_in_force() -> None:
    ActionAuthenticatorMixin._authenticate_and_authorize_normal_action = _ask_iam  # type: ignore[assignment, method-assign]
    ActionAuthenticatorMixin.request_count = 0
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0


def _credentials(given: dict[str, str]) -> dict[str, str]:
    variables = {
        "AWS_ACCESS_KEY_ID": "AccessKeyId",
        "AWS_SECRET_ACCESS_KEY": "SecretAccessKey",
        "AWS_SESSION_TOKEN": "SessionToken",
    }
    return {variable: given[name] for variable, name in variables.items() if name in given}


def _roles(aws: Cloud) -> dict[str, dict[str, str]]:
    """Return credentials of each function's role by the function's name."""
    iam, sts = aws.client("iam"), aws.client("sts")
    credentials = {}
    for function in aws.client("lambda").list_functions()["Functions"]:
        role = function["Role"].rpartition("/")[2]
        for name, document in list(role_policies(iam, role)):
            # moto enforces only policies in JSON.
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
        assumed = sts.assume_role(RoleArn=function["Role"], RoleSessionName=function["FunctionName"][:64])
        credentials[function["FunctionName"]] = _credentials(assumed["Credentials"])
    return credentials


def _administrator(aws: Cloud) -> dict[str, str]:
    iam = aws.client("iam")
    iam.create_user(UserName="administrator")
    iam.put_user_policy(UserName="administrator", PolicyName="everything", PolicyDocument=json.dumps(_EVERYTHING))
    return _credentials(iam.create_access_key(UserName="administrator")["AccessKey"])


def main() -> None:
    """Serve until standard input is closed."""
    cloud.enter_region()
    aws = Cloud(bind_address="127.0.0.1", port=0, on_send_email=lambda _request: None)
    template = read_template(ROOT / "template.yaml")
    operator = {**OPERATOR_DEFAULTS, "JWT_JWKS": EVENT_KEYS.read_text(encoding="utf-8")}
    named = {name: variable_name(name) for name in template.parameters}
    parameters = {name: operator[variable] for name, variable in named.items() if variable in operator}
    deployed = deploy(template, parameters, aws)
    roles = _roles(aws)
    what_there_is = {
        "endpoint_url": aws.endpoint_url,
        "stack": STACK_NAME,
        "administrator": _administrator(aws),
        "functions": {
            name: {**asdict(function), "environment": dict(function.environment)}
            for name, function in deployed.functions.items()
        },
        "credentials": {name: roles[function.name] for name, function in deployed.functions.items()},
        "queues": {name: queue.url for name, queue in deployed.queues.items()},
    }
    _put_iam_in_force()
    print(json.dumps(what_there_is), flush=True)
    sys.stdin.read()
    aws.stop()


if __name__ == "__main__":
    main()
