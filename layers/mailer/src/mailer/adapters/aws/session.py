"""AWS clients, and the translation of botocore's errors.

Clients are created at their first use, and botocore is imported inside functions, because importing it is the largest
part of a cold start. boto3 is never imported: its extra layers are not needed.
`AWS_ENDPOINT_URL`, the region and the credentials come from the environment, as botocore itself reads them.
"""

import functools
import gc
import gzip
import logging
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import msgspec

from mailer.relay.secret_str import SecretStr

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.session import Session
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sqs import SQSClient

CONNECT_TIMEOUT = 1.0
SES_CONNECT_TIMEOUT = 2.0
SES_READ_TIMEOUT = 20.0

# The code of an answer that has not the form of the service's answers.
MALFORMED = "ResponseParserError"

_THROTTLED = frozenset(
    {
        "KMSThrottlingException",
        "LimitExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_UNAUTHENTICATED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)

# At DEBUG these loggers write request bodies and whole responses, also the SecretString of GetSecretValue.
_VERBOSE_LOGGERS = ("botocore", "boto3", "urllib3")


class _Limits(msgspec.Struct, frozen=True):
    """A client's time limits in seconds, and the number of its tries."""

    read_timeout: float
    attempts: int
    connect_timeout: float = CONNECT_TIMEOUT


_SES = _Limits(SES_READ_TIMEOUT, attempts=1, connect_timeout=SES_CONNECT_TIMEOUT)


class AwsSession:
    """One botocore session and its clients, each created once; safe to share between threads."""

    def __init__(self, *, endpoint_url: str | None = None) -> None:
        self._endpoint_url = endpoint_url
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, _Limits], object] = {}

    # botocore's types do not show the service of a client.

    def secrets_manager(self) -> "SecretsManagerClient":
        """Return the client for secrets; reads are idempotent, so it tries twice."""
        return cast("SecretsManagerClient", self._client("secretsmanager", _Limits(read_timeout=2, attempts=2)))

    def ses(self) -> "SESV2Client":
        """Return the client that sends; it never retries, because a repeated send is a second message."""
        return cast("SESV2Client", self._client("sesv2", _SES))

    def ses_of(self, access_key_id: str, secret_access_key: SecretStr, region: str) -> "SESV2Client":
        """Return a new client that sends with these keys; the caller keeps it."""
        with self._lock:
            client = self._build(
                "sesv2",
                _SES,
                region_name=region,
                aws_access_key_id=access_key_id,
                aws_secret_access_key=secret_access_key.reveal(),
            )
        return cast("SESV2Client", client)

    def dynamodb(self) -> "DynamoDBClient":
        """Return the ledger's client; the ledger recognises its repeated writes, so it tries three times."""
        return cast("DynamoDBClient", self._client("dynamodb", _Limits(read_timeout=2, attempts=3)))

    def dynamodb_once(self) -> "DynamoDBClient":
        """Return the ledger's client for writes that it may not recognise when they are repeated; it never retries."""
        once = _Limits(read_timeout=2, attempts=1)
        return cast("DynamoDBClient", self._client("dynamodb", once))

    def s3(self) -> "S3Client":
        """Return the client for contents; an id always has the same content, so it may retry."""
        return cast("S3Client", self._client("s3", _Limits(read_timeout=3, attempts=3)))

    def sqs(self) -> "SQSClient":
        """Return the client for queues; the e-mail of a doubled queue message is sent once, so it may retry."""
        return cast("SQSClient", self._client("sqs", _Limits(read_timeout=3, attempts=3)))

    def events(self) -> "EventBridgeClient":
        """Return the client for the bus; consumers recognise a doubled event by its ids, so it may retry."""
        return cast("EventBridgeClient", self._client("events", _Limits(read_timeout=2, attempts=2)))

    def _client(self, service: str, limits: _Limits) -> object:
        with self._lock:
            if (service, limits) not in self._clients:
                self._clients[service, limits] = self._build(service, limits)
            return self._clients[service, limits]

    def _build(self, service: str, limits: _Limits, **account: str) -> object:
        with _without_gc():
            from botocore.config import Config  # noqa: PLC0415 -- see the module's docstring

            config = Config(
                connect_timeout=limits.connect_timeout,
                read_timeout=limits.read_timeout,
                retries={"total_max_attempts": limits.attempts, "mode": "standard"},
                # A bucket in the host name would need a DNS entry for a local endpoint.
                s3={"addressing_style": "path"},
            )
            create: Callable[..., object] = self._session.create_client
            return create(service, endpoint_url=self._endpoint_url, config=config, **account)

    @functools.cached_property
    def _session(self) -> "Session":
        import botocore.session  # noqa: PLC0415 -- see the module's docstring

        keep_aws_loggers_quiet()
        session = botocore.session.get_session()
        session.register_component("data_loader", _loader())
        return session


class Unanswered(Exception):
    """A request failed: AWS refused it, or no complete answer came.

    `code` is AWS's code or the name of botocore's error. `response` is AWS's refusal; it is empty without an answer.
    """

    def __init__(self, code: str, response: Mapping[str, object] = MappingProxyType({}), *, status: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.response = response
        self.status = status

    @property
    def is_throttled(self) -> bool:
        """Whether AWS asked for fewer requests."""
        return self.status == 429 or self.code in _THROTTLED

    @property
    def is_unauthenticated(self) -> bool:
        """Whether AWS did not accept the keys that signed the request."""
        return self.code in _UNAUTHENTICATED


def answer[T](request: Callable[[], T]) -> T:
    """Make a request and return its answer; raises `Unanswered` for any failure of AWS or the network.

    If botocore refuses the parameters, this is a bug, and the error is not translated.
    """
    from botocore.exceptions import (  # noqa: PLC0415 -- see the module's docstring
        BotoCoreError,
        ClientError,
        ParamValidationError,
    )
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 -- as above

    try:
        return request()
    except ParamValidationError:
        raise
    except ClientError as error:
        response = error.response
        status = response["ResponseMetadata"]["HTTPStatusCode"]
        raise Unanswered(response["Error"]["Code"], {**response}, status=status) from error
    except BotoCoreError as error:
        raise Unanswered(type(error).__name__) from error
    except (ResponseParserError, AttributeError, KeyError, TypeError, ValueError) as error:
        # For some malformed answers botocore's parsers raise other errors than ResponseParserError.
        raise Unanswered(MALFORMED) from error


def open_client[T](build: Callable[[], T]) -> T:
    """Build a client; raises `Unanswered` if botocore cannot. Any other error is a bug, and is not translated."""
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 -- see the module's docstring

    try:
        return build()
    except BotoCoreError as error:
        raise Unanswered(type(error).__name__) from error


@functools.cache
def aws_session() -> AwsSession:
    """Return the session that the whole process shares."""
    return AwsSession()


def keep_aws_loggers_quiet() -> None:
    """Set the loggers that would write secrets to INFO or above, even if the program logs at DEBUG."""
    for name in _VERBOSE_LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))


@functools.cache
def _loader() -> "Loader":
    from botocore.loaders import JSONFileLoader, Loader  # noqa: PLC0415 -- see the module's docstring

    class QuickFiles(JSONFileLoader):
        """Decodes botocore's files three times as fast; the file of endpoints alone has more than a megabyte."""

        def load_file(self, file_path: str) -> object:
            for suffix, decompress in ((".json", bytes), (".json.gz", gzip.decompress)):
                path = Path(file_path + suffix)
                if path.is_file():
                    return msgspec.json.decode(decompress(path.read_bytes()))
            return None

    class OurServices(Loader):
        """Finds models by name; botocore would search about 900 directories."""

        FILE_LOADER_CLASS = QuickFiles

        def list_available_services(self, type_name: str) -> list[str]:
            return ["dynamodb", "events", "s3", "secretsmanager", "sesv2", "sqs"]

    return OurServices()


@contextmanager
def _without_gc() -> Generator[None]:
    # Loading the service models allocates much memory and frees nothing, so garbage collection is useless here.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
