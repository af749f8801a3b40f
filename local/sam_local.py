"""`sam local` with a running stack: the environment variables with which functions in containers reach the stack.

The stack must listen on all addresses (`BIND_ADDRESS=0.0.0.0`), and `samconfig.toml` gives containers a name for this
machine. The projects get separate secrets under another prefix: in them the relay has this name as its host, because
`localhost` in a container is the container itself.
"""

import dataclasses
import json
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from local.cloud import make_client
from local.deploy import STACK_NAME, deployed_functions
from local.option import ROOT
from local.project import seed_secrets
from local.state import Stack

ENVIRONMENT_FILE = "sam-env.json"
THIS_MACHINE = "host.docker.internal"
SECRET_PREFIX = "project-smtp-sam-local/"  # noqa: S105 -- a prefix of names
# Docker's networks are in these ranges. Containers reach this machine under an address of these networks.
_ALLOWED_NETWORKS = ("ALLOWED_RELAY_CIDRS", "ALLOWED_HTTPS_CIDRS")
CONTAINER_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
EVENT_KEYS = ROOT / "local" / "event_keys.json"


def prepare(stack: Stack, directory: Path) -> Path:
    """Store the projects' secrets for containers, and write the file for `sam local --env-vars`."""
    _store_secrets(stack)
    path = directory / ENVIRONMENT_FILE
    path.touch(mode=0o600)
    path.write_text(json.dumps(_environments(stack), indent=2) + "\n", encoding="utf-8")
    return path


def _store_secrets(stack: Stack) -> None:
    relay = dataclasses.replace(stack.relay, host=THIS_MACHINE)
    secrets_manager = make_client("secretsmanager", stack.aws_endpoint_url)
    for project_id, text in seed_secrets(relay).items():
        name = f"{SECRET_PREFIX}{project_id}"
        try:
            secrets_manager.create_secret(Name=name, SecretString=text)
        except secrets_manager.exceptions.ResourceExistsException:
            secrets_manager.put_secret_value(SecretId=name, SecretString=text)


def _environments(stack: Stack) -> dict[str, dict[str, str]]:
    """Return the environments by the functions' logical ids, in SAM's format."""
    cloudformation = make_client("cloudformation", stack.aws_endpoint_url)
    functions = deployed_functions(
        cloudformation.describe_stack_resources(StackName=STACK_NAME)["StackResources"],
        make_client("lambda", stack.aws_endpoint_url),
    )
    return {name: _environment(stack, function.environment) for name, function in functions.items()}


def _environment(stack: Stack, deployed: Mapping[str, str]) -> dict[str, str]:
    port = urllib.parse.urlsplit(stack.aws_endpoint_url).port
    return {
        **deployed,
        "AWS_ENDPOINT_URL": f"http://{THIS_MACHINE}:{port}",
        "PROJECT_SECRET_PREFIX": SECRET_PREFIX,
        **{name: ",".join((deployed[name], *CONTAINER_NETWORKS)).lstrip(",") for name in _ALLOWED_NETWORKS},
        "JWT_JWKS": _with_event_keys(deployed["JWT_JWKS"]),
    }


def _with_event_keys(key_set: str) -> str:
    """Add the key of the tokens in `events/` to an inline key set."""
    if not key_set.startswith("{"):
        return key_set
    keys = [key for text in (key_set, EVENT_KEYS.read_text(encoding="utf-8")) for key in json.loads(text)["keys"]]
    return json.dumps({"keys": keys})
