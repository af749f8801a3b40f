"""The deployed functions on a cloud that enforces IAM. Each function has the credentials of its own role."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import boto3
import botocore.config

from local.certificate import issue_certificate
from local.cloud import PROCESS_ENVIRONMENT, REGION
from local.deploy import DeployedFunction
from local.environment import Function
from local.inbox import Inbox
from local.project import RelayAccess
from local.relay import USERNAME, Relay
from local.template import read_template
from tests.support.sam_template import ROOT

_PATIENCE_SECONDS = 60.0


class OwnRoles:
    """A cloud that enforces IAM, a relay, and functions that have only their roles' permissions."""

    def __init__(self, described: Mapping[str, Any], relay: RelayAccess, log: TextIO) -> None:
        self.relay = relay
        self.queues: Mapping[str, str] = described["queues"]
        self._described = described
        self._template = read_template(ROOT / "template.yaml")
        self._log = log
        self._functions: dict[str, Function] = {}

    def environment(self, function: str) -> Mapping[str, str]:
        """Return the function's variables as deployed."""
        variables: Mapping[str, str] = self._described["functions"][function]["environment"]
        return variables

    def invoke(self, function: str, event: object) -> Any:
        """Run the function's handler in a process with its role's credentials."""
        if function not in self._functions:
            self._functions[function] = self._start(function)
        return self._functions[function].invoke(event, patience_seconds=_PATIENCE_SECONDS)

    # boto3 creates its clients at run time, so they have no static type.
    def client(self, service: str, function: str) -> Any:
        """Return a client with the credentials of the function's role."""
        return self._client(service, self._described["credentials"][function])

    def administrator(self, service: str) -> Any:
        """Return a client with all permissions."""
        return self._client(service, self._described["administrator"])

    def stop(self) -> None:
        """End the functions' processes."""
        for function in self._functions.values():
            function.stop()

    def _client(self, service: str, credentials: Mapping[str, str]) -> Any:
        return boto3.client(
            service,
            endpoint_url=self._described["endpoint_url"],
            region_name=REGION,
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=credentials.get("AWS_SESSION_TOKEN"),
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )

    def _start(self, name: str) -> Function:
        deployed = DeployedFunction(**self._described["functions"][name])
        variables = {
            **deployed.environment,
            **PROCESS_ENVIRONMENT,
            **self._described["credentials"][name],
            "AWS_ENDPOINT_URL": self._described["endpoint_url"],
            "AWS_LAMBDA_FUNCTION_NAME": deployed.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(deployed.memory_megabytes),
        }
        function = Function(deployed, self._template.code[name], variables, self._log)
        function.wait_until_ready()
        return function


@contextlib.contextmanager
def own_roles(directory: Path) -> Iterator[OwnRoles]:
    """Start everything, and stop it when the block ends."""
    certificate = issue_certificate("localhost", "127.0.0.1", "::1")
    password = "own-role-relay-password"
    relay = Relay(bind_address="127.0.0.1", context=certificate.server_context, password=password, inbox=Inbox())
    access = RelayAccess(
        "localhost", relay.starttls_port, relay.tls_port, USERNAME, password, ca_pem=certificate.ca_pem
    )
    with contextlib.ExitStack() as started:
        started.callback(relay.stop)
        cloud_log = started.enter_context((directory / "cloud.log").open("w", encoding="utf-8"))
        process = started.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.support.enforcing_cloud"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=cloud_log,
                text=True,
            )
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (directory / "cloud.log").read_text(encoding="utf-8")
        described = json.loads(line)
        log = started.enter_context((directory / "functions.log").open("w", encoding="utf-8", buffering=1))
        roles = OwnRoles(described, access, log)
        started.callback(roles.stop)
        yield roles
