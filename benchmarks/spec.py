"""The input and output of a client."""

from enum import StrEnum
from pathlib import Path

import msgspec

from benchmarks.content import Content

USERNAME = "bench@sink.example"
PASSWORD = "correct horse battery staple"
HOST = "127.0.0.1"


class Security(StrEnum):
    """The TLS mode of the connection to the sink. Without TLS there is no AUTH."""

    PLAIN = "plain"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """Messages to compose and send one after the other; the first `warmup` are not measured.

    `cold` asks for a new connection for each message.
    """

    port: int
    security: Security
    ca_path: str
    text_path: str
    html_path: str
    attachment_path: str | None
    recipients: tuple[str, ...]
    messages: int
    warmup: int
    cold: bool
    authenticate: bool
    host: str = HOST
    username: str = USERNAME
    password: str = PASSWORD
    from_name: str = "Blåbær Billing"
    from_address: str = "billing@sink.example"
    subject: str = "Your invoice of 21 November: Größe, Prüfung, 請求書"
    attachment_name: str = "invoice.pdf"
    attachment_type: str = "application/pdf"

    def read_content(self) -> Content:
        """Read the content of the messages."""
        return Content(
            text=Path(self.text_path).read_text("utf-8"),
            html=Path(self.html_path).read_text("utf-8"),
            attachment=Path(self.attachment_path).read_bytes() if self.attachment_path else None,
        )


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A client's own measurements: wall seconds per message, CPU seconds in total, and peak memory."""

    seconds: list[float]
    cpu_seconds: float
    wall_seconds: float
    peak_rss_kib: int


def read_job(argument: str) -> Job:
    """Parse the job in a client's argument."""
    return msgspec.json.decode(argument, type=Job)
