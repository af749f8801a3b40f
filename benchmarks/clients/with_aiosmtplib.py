"""aiosmtplib as documented: an `EmailMessage` over one open connection, or `send` for each message."""

import asyncio
import ssl
import sys
from email.headerregistry import Address
from email.message import EmailMessage

import aiosmtplib

from benchmarks.clients.usage import measure, say
from benchmarks.content import Content
from benchmarks.spec import Job, Security, read_job


def _compose(content: Content, job: Job) -> EmailMessage:
    message = EmailMessage()
    message["From"] = Address(job.from_name, addr_spec=job.from_address)
    message["To"] = ", ".join(job.recipients)
    message["Subject"] = job.subject
    message.set_content(content.text)
    message.add_alternative(content.html, subtype="html")
    if content.attachment is not None:
        maintype, subtype = job.attachment_type.split("/")
        message.add_attachment(content.attachment, maintype=maintype, subtype=subtype, filename=job.attachment_name)
    return message


def _client(job: Job) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=job.host,
        port=job.port,
        username=job.username if job.authenticate else None,
        password=job.password if job.authenticate else None,
        use_tls=job.security is Security.IMPLICIT,
        start_tls=job.security is Security.STARTTLS,
        tls_context=None if job.security is Security.PLAIN else ssl.create_default_context(cafile=job.ca_path),
        local_hostname="bench.example",
    )


def run(job: Job) -> None:
    """Run the job."""
    content = job.read_content()
    with asyncio.Runner() as runner:
        client = _client(job)

        async def send_warm() -> None:
            await client.send_message(_compose(content, job))

        async def send_cold() -> None:
            async with client:
                await client.send_message(_compose(content, job))

        if not job.cold:
            runner.run(client.connect())
        send = send_cold if job.cold else send_warm
        say(measure(lambda: runner.run(send()), warmup=job.warmup, messages=job.messages))
        client.close()


if __name__ == "__main__":
    run(read_job(sys.argv[1]))
