"""One worker of the delivery queue with real adapters: a process that a test can kill, or a call in the test's process.

`python -m tests.support.delivery_worker '{...}'` serves one message. The clock is a parameter, so a worker may run in
the future.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from mailer import wiring
from mailer.adapters.aws.draft_store import S3DraftStore
from mailer.adapters.aws.event_bus import EventBusPublisher
from mailer.adapters.aws.ledger import DynamoDbLedger
from mailer.adapters.aws.queues import SqsDeliveryQueue
from mailer.adapters.aws.secrets_manager import SecretsManagerReader
from mailer.adapters.aws.ses import SesTransport
from mailer.adapters.aws.session import AwsSession
from mailer.adapters.aws.template_store import DynamoDbTemplateStore
from mailer.adapters.providers import ProviderApis
from mailer.adapters.secret_cache import CachedSecretStore
from mailer.adapters.smtp import SmtpOptions, SmtpSender, SmtpTransport
from mailer.ports import SendPorts
from mailer.secret.resolution import resolve

from functions.deliver.app import create_handler
from tests.functions.conftest import Context
from tests.ledger_fakes import MemoryValidationQueue
from tests.support.projects import settings

REMAINING_SECONDS = 60.0


class Place(msgspec.Struct, frozen=True):
    """The addresses of ledger, queues and relay, the message to serve, and how far the worker's clock is ahead."""

    endpoint_url: str
    table: str
    bucket: str
    queue_url: str
    project_id: str
    id: str
    ahead_seconds: float = 0.0


@contextmanager
def ports_at(place: Place) -> Iterator[SendPorts]:
    """Yield the ports of a worker, and close them when the block ends."""
    session = AwsSession(endpoint_url=place.endpoint_url)
    chosen = settings(ALLOWED_RELAY_CIDRS="127.0.0.0/8", ALLOWED_RELAY_PORTS="1-65535")
    relay = SmtpTransport(SmtpSender(policy=chosen.relay_policy, options=SmtpOptions(ehlo_name=chosen.ehlo_name)))
    yield SendPorts(
        settings=chosen,
        secrets=CachedSecretStore(
            SecretsManagerReader(session.secrets_manager, chosen.project_secret_prefix).fetch,
            resolve=lambda answer: resolve(allow_project_smtp=True, answer=answer, policy=chosen.relay_policy),
        ),
        relay=relay,
        server=SesTransport(session.ses),
        api=ProviderApis(policy=chosen.relay_policy),
        templates=DynamoDbTemplateStore(session.dynamodb, table=place.table),
        ledger=DynamoDbLedger(session.dynamodb, once_factory=session.dynamodb_once, table=place.table),
        drafts=S3DraftStore(session.s3, bucket=place.bucket),
        queue=SqsDeliveryQueue(session.sqs, url=place.queue_url),
        validations=MemoryValidationQueue(),
        events=EventBusPublisher(session.events, bus_name="default"),
        clock=time.monotonic,
        now=lambda: datetime.now(UTC) + timedelta(seconds=place.ahead_seconds),
        new_id=wiring.new_message_id,
        chance=wiring.chance,
        wait=time.sleep,
        platform_key=wiring.platform_key,
    )
    relay.close()


def serve(place: Place) -> PartialItemFailureResponse:
    """Serve the message as Lambda would, and return the function's answer."""
    with ports_at(place) as ports:
        handler = create_handler(
            ports=ports, refuse=_refuse, log=Logger(service="worker"), count=lambda name, value, transport: None
        )
        body = msgspec.json.encode({"project_id": place.project_id, "id": place.id}).decode()
        return handler({"Records": [{"messageId": "1", "body": body}]}, Context(REMAINING_SECONDS))  # type: ignore[arg-type]  # only the used parts


def _refuse(record: Mapping[str, object]) -> None:
    msg = f"the record cannot be served: {record}"
    raise AssertionError(msg)


if __name__ == "__main__":
    serve(msgspec.json.decode(sys.argv[1], type=Place))
