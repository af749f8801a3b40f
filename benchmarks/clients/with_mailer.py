"""This project: `compose` and `SmtpTransport`, as the `send` function uses them."""

import secrets
import sys
import time
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

from mailer.adapters.smtp import Freshness, SmtpOptions, SmtpSender, SmtpTransport
from mailer.message.address import Mailbox, parse_address
from mailer.message.compose import compose
from mailer.message.draft import Attachment, Draft
from mailer.message.message import Message
from mailer.project import ProjectId
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import NoAuth, PasswordAuth, Relay, TlsMode
from mailer.relay.secret_str import SecretStr
from mailer.smtp.outcome import Accepted

from benchmarks.clients.usage import measure, say
from benchmarks.content import Content
from benchmarks.spec import Job, Security, read_job

_TLS = {
    Security.PLAIN: TlsMode.STARTTLS_IF_OFFERED,
    Security.STARTTLS: TlsMode.STARTTLS,
    Security.IMPLICIT: TlsMode.IMPLICIT,
}


class NotAccepted(Exception):
    """The sink did not accept a message, so there is nothing to measure."""


def _draft(content: Content, job: Job) -> Draft:
    attachments: tuple[Attachment, ...] = ()
    if content.attachment is not None:
        attachments = (Attachment(job.attachment_name, content.attachment, job.attachment_type),)
    return Draft(
        to=tuple(Mailbox(parse_address(recipient)) for recipient in job.recipients),
        subject=job.subject,
        text=content.text,
        html=content.html,
        attachments=attachments,
    )


def _compose(content: Content, job: Job) -> Message:
    sender = Mailbox(parse_address(job.from_address), job.from_name)
    return compose(
        _draft(content, job),
        sender=sender,
        reply_to=(),
        envelope_sender=sender.address,
        message_id=f"<{secrets.token_hex(16)}@sink.example>",
        date=datetime.now(UTC),
        boundary_token=lambda: secrets.token_hex(12),
    )


def _relay(job: Job) -> Relay:
    return Relay(
        host=job.host,
        port=job.port,
        tls=_TLS[job.security],
        auth=PasswordAuth(job.username, SecretStr(job.password)) if job.authenticate else NoAuth(),
        ca_certificate=Path(job.ca_path).read_text("ascii"),
    )


def run(job: Job) -> None:
    """Run the job. For a cold connection no connection is kept after a message."""
    content, relay = job.read_content(), _relay(job)
    policy = RelayPolicy(ports=((1, 65535),), networks=(ip_network("127.0.0.0/8"),))
    freshness = Freshness(idle_seconds=-1.0) if job.cold else Freshness()
    options = SmtpOptions(ehlo_name="bench.example", freshness=freshness)
    transport = SmtpTransport(SmtpSender(policy=policy, options=options))

    def send() -> None:
        attempt = transport.send(
            _compose(content, job),
            relay,
            project_id=ProjectId("bench"),
            version_id="only",
            deadline=time.monotonic() + 60,
        )
        if not all(isinstance(verdict, Accepted) for verdict in attempt.verdicts.values()):
            raise NotAccepted(attempt)

    say(measure(send, warmup=job.warmup, messages=job.messages))
    transport.close()


if __name__ == "__main__":
    run(read_job(sys.argv[1]))
