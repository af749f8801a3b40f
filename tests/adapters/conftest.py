"""AWS for tests: one moto server per session, and fake credentials."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import botocore.session
import pytest
from mailer.adapters.aws.ledger import DynamoDbLedger
from mailer.adapters.aws.session import AwsSession
from mailer.ports import Ledger
from moto.server import ThreadedMotoServer

from tests.chaos.dynamodb import FakeDynamoDb
from tests.ledger_fakes import MemoryLedger
from tests.support.ledger_setup import make_ledger, serial_moto
from tests.support.sam_template import table_definition

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sesv2 import SESV2Client

ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}


@dataclass(frozen=True)
class Aws:
    """moto's server, and clients for preparing its data."""

    url: str
    secrets: "SecretsManagerClient"
    ses: "SESV2Client"


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    url = f"http://127.0.0.1:{port}"
    session = botocore.session.Session()
    session.set_credentials("testing", "testing")

    def client(service: str) -> object:
        return session.create_client(service, region_name="eu-west-1", endpoint_url=url)

    yield Aws(url, cast("SecretsManagerClient", client("secretsmanager")), cast("SESV2Client", client("sesv2")))
    server.stop()


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.fixture(scope="module")
def ledger_session() -> Iterator[AwsSession]:
    with serial_moto() as url:
        yield AwsSession(endpoint_url=url)


@pytest.fixture(params=["memory", "dynamodb", "fake-dynamodb"])
def ledger(request: pytest.FixtureRequest, ledger_session: AwsSession) -> Ledger:
    """Each implementation of the ledger, empty; the chaos runs use the last one."""
    match request.param:
        case "memory":
            return MemoryLedger()
        case "dynamodb":
            return make_ledger(ledger_session)
        case _:
            client = cast("DynamoDBClient", FakeDynamoDb(table_definition()))
            return DynamoDbLedger(lambda: client, once_factory=lambda: client, table="ledger")
