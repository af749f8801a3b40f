"""The environment of a measured client: the sink, the delayed connection to it, the content, the certificates."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from benchmarks.authority import Certificates, issue_certificates
from benchmarks.content import Size, make_content
from benchmarks.delay_proxy import Flights, Plan
from benchmarks.helper_process import ROOT, HelperProcess, ProgramFailed, python, run
from benchmarks.postfix import running_postfix
from benchmarks.sink import Tally, listener_name
from benchmarks.spec import Job, Report, Security

ROUND_TRIP = 0.020


class Client(StrEnum):
    """The measured clients."""

    NODEMAILER = "nodemailer"
    AIOSMTPLIB = "aiosmtplib"
    MAILER = "mailer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A client's task in a measurement."""

    security: Security = Security.IMPLICIT
    chunking: bool = True
    slow: bool = False
    size: Size = Size.SMALL
    recipients: int = 1
    cold: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """The client's report, and the proxy's flights per message."""

    report: Report
    flights: float | None


class Rig:
    """A sink, the same sink with a round trip of 20 ms, and the clients that this machine can run."""

    def __init__(
        self,
        directory: Path,
        certificates: Certificates,
        near: HelperProcess | Mapping[str, int],
        far: HelperProcess,
        node: str | None,
    ) -> None:
        self._certificates = certificates
        self._sink = near if isinstance(near, HelperProcess) else None
        self._near = near.ports if isinstance(near, HelperProcess) else near
        self._far = far
        self._content = {size: _write_content(directory, size) for size in Size}
        # The flights of the connection and the first message, which are subtracted from the totals.
        self._first_flights: dict[tuple[Client, Task], int] = {}
        self._node = node

    @property
    def is_postfix(self) -> bool:
        """Whether the sink is a real Postfix, without AUTH and without counts."""
        return self._sink is None

    @property
    def clients(self) -> tuple[Client, ...]:
        """The measured clients, without Nodemailer if it is not installed."""
        return tuple(client for client in Client if client is not Client.NODEMAILER or self._node is not None)

    def job(self, task: Task, *, messages: int, warmup: int) -> Job:
        """Write the client's job."""
        ports = self._far.ports if task.slow else self._near
        text, html, attachment = self._content[task.size]
        return Job(
            port=ports[listener_name(task.security, chunking=task.chunking)],
            security=task.security,
            ca_path=str(self._certificates.ca),
            text_path=text,
            html_path=html,
            attachment_path=attachment,
            recipients=tuple(f"customer-{number}@destination.example" for number in range(task.recipients)),
            messages=messages,
            warmup=warmup,
            cold=task.cold,
            authenticate=task.security is not Security.PLAIN and not self.is_postfix,
        )

    def send(self, client: Client, task: Task, *, messages: int, warmup: int) -> Observation:
        """Run the task with a client; raises `ProgramFailed` if the sink did not get exactly these messages."""
        sent = messages + warmup
        report, flights = self._run(client, task, messages=messages, warmup=warmup)
        if not task.slow:
            return Observation(report, None)
        if task.cold:
            return Observation(report, flights / sent)
        if (client, task) not in self._first_flights:
            self._first_flights[client, task] = self._run(client, task, messages=1, warmup=0)[1]
        return Observation(report, (flights - self._first_flights[client, task]) / (sent - 1))

    def _run(self, client: Client, task: Task, *, messages: int, warmup: int) -> tuple[Report, int]:
        job = msgspec.json.encode(self.job(task, messages=messages, warmup=warmup)).decode()
        self._far.take(Flights)
        if self._sink is not None:
            self._sink.take(Tally)
        report = run(self._command(client, job), Report)
        sent = messages + warmup
        if self._sink is not None:
            tally = self._sink.take(Tally)
            if (tally.messages, tally.recipients) != (sent, sent * task.recipients):
                raise ProgramFailed(f"{client} sent {sent} messages, the sink took {tally.messages}")
        return report, self._far.take(Flights).flights

    def _command(self, client: Client, job: str) -> tuple[str, ...]:
        if client is Client.NODEMAILER:
            assert self._node is not None
            return (self._node, str(ROOT / "benchmarks" / "clients" / "nodemailer.js"), job)
        return python(f"benchmarks.clients.with_{client}", job)


@contextmanager
def running_rig(*, node: str | None = None, postfix: bool = False) -> Iterator[Rig]:
    """Run a sink and its delay proxy while the block runs; without `node` Nodemailer is left out."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="benchmarks-")))
        certificates = issue_certificates(directory)
        near: HelperProcess | Mapping[str, int]
        if postfix:
            near = targets = stack.enter_context(running_postfix(directory, certificates))
        else:
            sink = python("benchmarks.sink", str(certificates.chain), str(certificates.key))
            near = stack.enter_context(HelperProcess(sink))
            targets = near.ports
        plan = msgspec.json.encode(Plan(ROUND_TRIP, dict(targets))).decode()
        far = stack.enter_context(HelperProcess(python("benchmarks.delay_proxy", plan)))
        yield Rig(directory, certificates, near, far, node)


def _write_content(directory: Path, size: Size) -> tuple[str, str, str | None]:
    content = make_content(size)
    text, html = directory / f"{size.name}.txt", directory / f"{size.name}.html"
    text.write_text(content.text, "utf-8", newline="")
    html.write_text(content.html, "utf-8", newline="")
    if content.attachment is None:
        return str(text), str(html), None
    attachment = directory / f"{size.name}.bin"
    attachment.write_bytes(content.attachment)
    return str(text), str(html), str(attachment)
