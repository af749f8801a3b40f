"""The composition root: the ports that it builds from the environment, and the settings that it requires."""

import os
import subprocess
import sys

import pytest
from mailer import wiring

from tests.conftest import ENVIRONMENT

RESOURCES = {
    "LEDGER_TABLE": "ledger",
    "CONTENT_BUCKET": "content",
    "DELIVERY_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/delivery",
    "SECRET_CHANGE_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/secret-change",
    "DELIVERY_FAILURE_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/delivery-failure",
    "PLATFORM_KEY_ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:platform-key-AbCdEf",
}
CALLS = {
    "LEDGER_TABLE": "ledger()",
    "CONTENT_BUCKET": "draft_store()",
    "DELIVERY_QUEUE_URL": "delivery_queue()",
    "SECRET_CHANGE_QUEUE_URL": "validation_queue()",
    "DELIVERY_FAILURE_QUEUE_URL": "failure_queue('DELIVERY_FAILURE_QUEUE_URL')",
}


def run(program: str, resources: dict[str, str]) -> str:
    """Run a program in a fresh process and return its output."""
    operator = {name: value for name, value in ENVIRONMENT.items() if name not in RESOURCES}
    environment = {**operator, **resources, "AWS_CONFIG_FILE": os.devnull}
    done = subprocess.run(  # noqa: S603 -- our own interpreter, our own program
        [sys.executable, "-c", f"import sys\nfrom mailer import wiring\n{program}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_every_port_is_built_from_its_resource() -> None:
    program = "\n".join(f"wiring.{call}" for call in CALLS.values())

    assert run(f"{program}\nwiring.event_publisher()\nwiring.secret_writer()", RESOURCES) == ""


@pytest.mark.parametrize("variable", CALLS)
def test_a_resource_that_is_missing_is_named(variable: str) -> None:
    printed = run(f"wiring.{CALLS[variable]}", {})

    assert f"InvalidSettings: {variable}: " in printed


def test_ports_that_few_requests_use_load_no_sdk_at_the_start() -> None:
    program = (
        "wiring.draft_store(), wiring.delivery_queue(), wiring.validation_queue(), wiring.event_publisher(), "
        "wiring.secret_writer(), wiring.failure_queue('DELIVERY_FAILURE_QUEUE_URL')\n"
        "print('botocore' in sys.modules)"
    )

    assert run(program, RESOURCES).strip() == "False"


def test_ids_of_messages_sort_by_time() -> None:
    ids = [wiring.new_message_id() for _ in range(1000)]

    assert {len(id) for id in ids} == {32}
    assert len(set(ids)) == 1000
    assert [id[:12] for id in ids] == sorted(id[:12] for id in ids)


def test_chance_is_between_0_and_1() -> None:
    assert all(0 <= wiring.chance() < 1 for _ in range(100))
