"""The environment of a measured function: the template's variables and Lambda's variables."""

import os
from collections.abc import Mapping
from pathlib import Path

_JWKS = (
    '{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"bench","alg":"EdDSA","use":"sig",'
    '"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
)

_SETTINGS = {
    "ALLOW_PROJECT_SMTP": "true",
    "SERVER_FROM_ADDRESS": "Platform <no-reply@platform.example>",
    "SERVER_APPROVED_SENDERS": "",
    "PROJECT_SECRET_PREFIX": "project-smtp/",
    "EVENT_BUS_NAME": "platform",
    "APP_BASE_URL": "https://app.platform.example",
    "ALLOWED_RELAY_CIDRS": "127.0.0.0/8",
    "ALLOWED_HTTPS_CIDRS": "",
    "ALLOWED_RELAY_PORTS": "1-65535",
    "JWT_ISSUER": "https://id.platform.example/",
    "JWT_AUDIENCE": "email",
    "JWT_JWKS": _JWKS,
    "CONFIGURATION_SET_NAME": "",
    "PROJECT_LIMITS": "",
    "ROLE_LIMITS": "",
    "KNOWN_PROJECTS": "",
    "DIVERT_ALL_TO": "",
    "SUPPRESS_EMAILS": "false",
    "LOG_LEVEL": "INFO",
    "POWERTOOLS_SERVICE_NAME": "email",
    "POWERTOOLS_METRICS_NAMESPACE": "email",
    "LEDGER_TABLE": "ledger",
    "CONTENT_BUCKET": "contents",
    "DELIVERY_QUEUE_URL": "https://sqs.example/deliveries",
    "SECRET_CHANGE_QUEUE_URL": "https://sqs.example/secret-changes",
    "PLATFORM_KEY_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:platform-key-AbCdEf",
    "PROJECT_SECRET_KEY_ARN": "",
    "AWS_ENDPOINT_URL": "",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
}


def function_environment(bytecode: Path) -> Mapping[str, str]:
    """Return this process's environment with the function's variables.

    Python writes bytecode to the folder `bytecode`: the deployed layer is compiled, but a source tree may not be.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return inherited | _SETTINGS | {"PYTHONPYCACHEPREFIX": str(bytecode)}
