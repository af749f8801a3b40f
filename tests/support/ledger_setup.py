"""moto's server for tests of the ledger, with tables, buckets and queues.

Requests are served one at a time: moto checks a condition and writes in two steps, and another request could write
between them. Also, a rollback in moto restores the whole table. DynamoDB does neither.
"""

import threading
import uuid
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from mailer.adapters.aws.ledger import DynamoDbLedger
from mailer.adapters.aws.session import AwsSession
from mailer.ledger.record import RecipientRecord, Record, State
from mailer.message.address import parse_address
from mailer.project import ProjectId
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.exchange import read_body
from tests.support.sam_template import table_definition

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import CreateTableInputTypeDef

ACME, OTHER = ProjectId("acme"), ProjectId("other")
NOW = 1_800_000_000.0


def make_record(
    id: str = "m1",
    *,
    project_id: ProjectId | None = ACME,
    state: State = State.QUEUED,
    due_at: float | None = NOW + 300,
    revision: int = 0,
) -> Record:
    """Return the record of a message that was just accepted."""
    return Record(
        id=id,
        project_id=project_id,
        state=state,
        created_at=NOW,
        updated_at=NOW,
        expires_at=NOW + 86_400,
        recipients=(RecipientRecord(parse_address("ann@example.com")),),
        due_at=due_at,
        revision=revision,
    )


class Transit(Enum):
    """Whether a request and its answer arrive."""

    SERVED = "served"
    ANSWER_LOST = "its answer is lost"
    LOST = "it is lost itself"


@contextmanager
def serial_moto(
    transit_of: Callable[[str], Transit] = lambda _operation: Transit.SERVED, is_done: Callable[[], None] = lambda: None
) -> Generator[str]:
    """Serve moto on loopback and return its URL; `transit_of` decides for each operation whether it arrives.

    `is_done` is called when an operation was performed but its answer is lost.
    """
    app, turn = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def one_at_a_time(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        # Read the request now: the client may be killed while `transit_of` waits.
        read_body(environ)
        transit = transit_of(str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")[2])
        if transit is Transit.SERVED:
            with turn:
                return list(app(environ, start_response))
        if transit is Transit.ANSWER_LOST:
            with turn:
                list(app(environ, lambda *_: None))
            is_done()
        start_response("500 Internal Server Error", [("Content-Type", "application/x-amz-json-1.0")])
        return [b'{"__type": "InternalServerError"}']

    server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing, so that a test's output stays readable."""


def create_table(client: "DynamoDBClient") -> str:
    """Create a table as in the template, and return its name."""
    template, name = table_definition(), f"ledger-{uuid.uuid4()}"
    shape = {part: template[part] for part in ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")}
    table = {"TableName": name, "BillingMode": "PAY_PER_REQUEST", **shape}
    client.create_table(**cast("CreateTableInputTypeDef", table))
    return name


def make_ledger(session: AwsSession) -> DynamoDbLedger:
    """Return a ledger on a new table."""
    return DynamoDbLedger(session.dynamodb, once_factory=session.dynamodb_once, table=create_table(session.dynamodb()))
