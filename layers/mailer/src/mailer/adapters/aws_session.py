"""AWS clients, built when the first call needs one: importing botocore is the largest part of a cold start.

botocore is imported inside functions for that reason, and never boto3, whose extra layers are not used here.
`AWS_ENDPOINT_URL`, the region and the credentials come from the environment, as botocore itself reads them.
"""

import functools
import gc
import gzip
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.session import Session
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sesv2 import SESV2Client

SES_CONNECT_TIMEOUT = 2.0
SES_READ_TIMEOUT = 20.0

# At DEBUG these write whole responses, GetSecretValue's SecretString included, and request bodies.
_TALKATIVE_LOGGERS = ("botocore", "boto3", "urllib3")


class AwsSession:
    """One botocore session and the clients built on it, each once; safe to share between threads."""

    def __init__(self, *, endpoint_url: str | None = None) -> None:
        self._endpoint_url = endpoint_url
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._secrets_manager: SecretsManagerClient | None = None
        self._ses: SESV2Client | None = None

    def secrets_manager(self) -> "SecretsManagerClient":
        """Return the client that reads secrets: reading is idempotent, so it may try twice."""
        with self._lock:
            if self._secrets_manager is None:
                self._secrets_manager = _without_gc(self._build_secrets_manager)
            return self._secrets_manager

    def ses(self) -> "SESV2Client":
        """Return the client that sends: one request a call, for a repeated send is a second message."""
        with self._lock:
            if self._ses is None:
                self._ses = _without_gc(self._build_ses)
            return self._ses

    def _build_secrets_manager(self) -> "SecretsManagerClient":
        from botocore.config import Config  # noqa: PLC0415 -- see the module's docstring

        config = Config(
            connect_timeout=1,
            read_timeout=2,
            retries={"total_max_attempts": 2, "mode": "standard"},
        )
        client = self._botocore_session().create_client(
            "secretsmanager", endpoint_url=self._endpoint_url, config=config
        )
        return cast("SecretsManagerClient", client)  # botocore's own types do not say which service a client is for

    def _build_ses(self) -> "SESV2Client":
        from botocore.config import Config  # noqa: PLC0415 -- see the module's docstring

        config = Config(
            connect_timeout=SES_CONNECT_TIMEOUT,
            read_timeout=SES_READ_TIMEOUT,
            retries={"total_max_attempts": 1, "mode": "standard"},
        )
        client = self._botocore_session().create_client("sesv2", endpoint_url=self._endpoint_url, config=config)
        return cast("SESV2Client", client)  # botocore's own types do not say which service a client is for

    def _botocore_session(self) -> "Session":
        if self._session is None:
            import botocore.session  # noqa: PLC0415 -- see the module's docstring

            keep_aws_loggers_quiet()
            self._session = botocore.session.get_session()
            self._session.register_component("data_loader", _loader())
        return self._session


def ask[T](request: Callable[[], T]) -> T:
    """Make a request and return its answer.

    Raises `ResponseParserError` for every answer that is not of the service's shape: botocore's parsers otherwise trip
    over one, and what they raise then says nothing about where it came from.
    """
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 -- see the module's docstring

    try:
        return request()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ResponseParserError("the answer is not of the service's shape") from error


@functools.cache
def aws_session() -> AwsSession:
    """Return the environment's one session."""
    return AwsSession()


def keep_aws_loggers_quiet() -> None:
    """Hold the loggers that would write secrets at INFO, whatever level the rest of the program logs at."""
    for name in _TALKATIVE_LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))


@functools.cache
def _loader() -> "Loader":
    from botocore.loaders import JSONFileLoader, Loader  # noqa: PLC0415 -- see the module's docstring

    class QuickFiles(JSONFileLoader):
        """Decodes the models three times as fast as botocore; the endpoints alone are more than a megabyte."""

        def load_file(self, file_path: str) -> object:
            for suffix, decompress in ((".json", bytes), (".json.gz", gzip.decompress)):
                path = Path(file_path + suffix)
                if path.is_file():
                    return msgspec.json.decode(decompress(path.read_bytes()))
            return None

    class OurServices(Loader):
        """Knows by name what botocore would look for in some 900 directories."""

        FILE_LOADER_CLASS = QuickFiles

        def list_available_services(self, type_name: str) -> list[str]:
            return ["secretsmanager", "sesv2"]

    return OurServices()


def _without_gc[T](build: Callable[[], T]) -> T:
    # Loading the service models allocates much and frees nothing: collections in between only cost time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return build()
    finally:
        if was_enabled:
            gc.enable()
