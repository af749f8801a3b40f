"""The handler of the function `send`, called as Lambda calls it, without calls to AWS.

The secret needs no request, and the ledger is in memory. `wiring` builds everything else. Log lines and metrics are
written and discarded.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from mailer import wiring
from mailer.ledger.epoch import Epoch
from mailer.observation.record import counter
from mailer.ports import SendPorts
from mailer.project import ProjectId
from mailer.relay.secret_str import SecretStr
from mailer.secret.resolution import SecretAnswer, SecretPresent

from benchmarks.clients.usage import measure
from benchmarks.helper_process import ROOT
from benchmarks.spec import Job, read_job
from functions.send import app
from tests.ledger_fakes import (
    MemoryDeliveryQueue,
    MemoryDraftStore,
    MemoryLedger,
    MemoryValidationQueue,
    RecordingPublisher,
)
from tests.template_fakes import MemoryTemplateStore

_EVENT = ROOT / "events" / "send.project_relay.json"


class StoredSecret:
    """One project's secret, without AWS."""

    def __init__(self, job: Job) -> None:
        entries = {
            "smtpHost": job.host,
            "smtpPort": str(job.port),
            "smtpSecure": "true",
            "smtpFromAddress": job.from_address,
            "smtpFromName": job.from_name,
            "smtpCaCertificate": Path(job.ca_path).read_text("ascii"),
        }
        entries |= (
            {"smtpUsername": job.username, "smtpPassword": job.password} if job.authenticate else {"smtpAuth": "none"}
        )
        self._answer = SecretPresent(SecretStr(json.dumps(entries)), "bench")

    def current(
        self, project_id: ProjectId, *, epoch: Epoch | None, deadline: float, refresh: bool = False
    ) -> SecretAnswer:
        return self._answer


class Context(LambdaContext):
    """A Lambda context with enough time."""

    def __init__(self) -> None:
        self._aws_request_id = "bench"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 29_000


class CallFailed(Exception):
    """The handler did not send, so there is nothing to measure."""


def _event(job: Job) -> dict[str, Any]:
    content = job.read_content()
    event: dict[str, Any] = json.loads(_EVENT.read_text("utf-8"))
    event["body"] = json.dumps(
        {"to": list(job.recipients), "subject": job.subject, "text": content.text, "html": content.html}
    )
    return event


def run(job: Job) -> None:
    """Run the job."""
    report_to = os.dup(sys.stdout.fileno())
    with open(os.devnull, "w", encoding="ascii") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    handler = app.create_handler(
        ports=SendPorts(
            settings=wiring.settings(),
            secrets=StoredSecret(job),
            relay=wiring.relay_transport(),
            server=wiring.server_transport(),
            api=wiring.api_transport(),
            ledger=MemoryLedger(),
            drafts=MemoryDraftStore(),
            templates=MemoryTemplateStore(),
            queue=MemoryDeliveryQueue(),
            validations=MemoryValidationQueue(),
            events=RecordingPublisher(),
            clock=time.monotonic,
            now=wiring.utc_now,
            new_id=wiring.new_message_id,
            chance=wiring.chance,
            wait=time.sleep,
            platform_key=wiring.platform_key,
        ),
        log=Logger(),
        count=counter(partial(single_metric, unit=MetricUnit.Count)),
    )
    event, context = _event(job), Context()

    def call() -> None:
        answer = handler(event, context)
        if answer["statusCode"] != 200:
            raise CallFailed(answer)

    report = measure(call, warmup=job.warmup, messages=job.messages)
    os.write(report_to, msgspec.json.encode(report))


if __name__ == "__main__":
    run(read_job(sys.argv[1]))
