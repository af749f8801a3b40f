"""AWS, simulated by moto's server on a loopback port.

Messages to SES are kept for the inbox, and a changed secret becomes an event on the default bus.
"""

import base64
import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import boto3
import botocore.config
from moto.events.models import events_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app

from local.cloudtrail import DETAIL_TYPE, SOURCE, Detail, watch_secrets
from local.exchange import Environ, StartResponse, WsgiApp, observe
from local.http_server import HttpServer
from local.moto_labels import follow_current_label
from local.moto_threads import lock_queues, one_at_a_time

REGION = "us-east-1"
ACCESS_KEY_ID = "embedded"
SECRET_ACCESS_KEY = "embedded"  # noqa: S105 -- moto takes any

# These variables hide the machine's own AWS configuration, and stop moto from searching for uploaded code.
PROCESS_ENVIRONMENT = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "VALIDATE_LAMBDA_S3": "false",
}
_NOT_OURS = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL")

_SEND_EMAIL = "/v2/email/outbound-emails"


def enter_region() -> None:
    """Point this process at the embedded region, and drop the AWS settings of the shell."""
    for name in list(os.environ):
        if name in _NOT_OURS or name.startswith("AWS_ENDPOINT_URL_"):
            del os.environ[name]
    os.environ.update(PROCESS_ENVIRONMENT)


class SesRequest:
    """One SendEmail request as SES received it; `accepted` tells whether SES accepted it."""

    def __init__(self, body: bytes, *, accepted: bool) -> None:
        request = json.loads(body)
        destination = request.get("Destination", {})
        self.accepted = accepted
        self.sender: str | None = request.get("FromEmailAddress")
        self.recipients: tuple[str, ...] = tuple(
            address for part in ("ToAddresses", "CcAddresses", "BccAddresses") for address in destination.get(part, [])
        )
        self.content = base64.b64decode(request.get("Content", {}).get("Raw", {}).get("Data", ""))


class Cloud:
    """moto's server in a thread of this process."""

    def __init__(self, *, bind_address: str, port: int, on_send_email: Callable[[SesRequest], None]) -> None:
        self._is_trail_on = True
        lock_queues()
        follow_current_label()
        app = one_at_a_time(DomainDispatcherApplication(create_backend_app))
        app = watch_secrets(_watch_ses(app, on_send_email), self._tell_of_change)
        self._server = HttpServer(app, bind_address=bind_address, port=port, handler=MotoRequestHandler)
        self.endpoint_url = self._server.url

    def stop(self) -> None:
        """Close the port; moto's data ends with the process."""
        self._server.stop()

    @contextlib.contextmanager
    def trail_off(self) -> Iterator[None]:
        """Publish no events for changed secrets while the block runs."""
        self._is_trail_on = False
        try:
            yield
        finally:
            self._is_trail_on = True

    def _tell_of_change(self, detail: Detail) -> None:
        if self._is_trail_on:
            # The backend is called directly, because moto refuses requests with events of an AWS service's source.
            bus = events_backends[str(detail["recipientAccountId"])][str(detail["awsRegion"])]
            bus.put_events([{"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": json.dumps(detail)}])

    # boto3 creates its clients at run time, so they have no static type.
    def client(self, service: str) -> Any:
        """Return a client for one service of this cloud."""
        return make_client(service, self.endpoint_url)


def make_client(service: str, endpoint_url: str) -> Any:
    """Return a client for one service of the simulated AWS, which may run in another process."""
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        # Each queue pump uses one connection for polling and others for its batches.
        config=botocore.config.Config(retries={"total_max_attempts": 1}, max_pool_connections=50),
    )


def _watch_ses(app: WsgiApp, on_send_email: Callable[[SesRequest], None]) -> WsgiApp:
    """Wrap moto to record SendEmail requests, because moto's own record merges envelope and headers."""

    def watching(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != _SEND_EMAIL or environ["REQUEST_METHOD"] != "POST":
            return app(environ, start_response)
        exchange = observe(app, environ, start_response)
        on_send_email(SesRequest(exchange.request, accepted=exchange.is_success))
        return exchange.answer

    return watching
