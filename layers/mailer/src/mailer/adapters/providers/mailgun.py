"""Mailgun's v3 API for one sending domain: a form with the message's octets as a file, and the envelope."""

import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator
from urllib.parse import quote

from mailer.adapters.net.https_client import Answer, Call, NoAnswer
from mailer.adapters.providers.mail_api import MailApi
from mailer.ports import ApiMessage
from mailer.secret.provider.mailgun import MailgunAccount
from mailer.smtp.outcome import Cause, Failure, Phase, ProbePassed
from mailer.smtp.reply import Reply

# Mailgun allows 3 tags. All tags are also sent as variables, which Mailgun returns with its events.
_MAX_TAGS = 3


class Mailgun(MailApi):
    """The API for one account."""

    name = "Mailgun"

    def __init__(self, account: MailgunAccount) -> None:
        super().__init__(account)
        self._domain = quote(account.domain, safe="")

    def sending(self, api_message: ApiMessage) -> Call:
        """Return the request that sends the message, with the same octets as every other transport."""
        message = api_message.message
        fields = [
            *(("to", str(recipient)) for recipient in message.recipients),
            *(("o:tag", name) for name, _ in message.tags[:_MAX_TAGS]),
            *((f"v:{name}", value) for name, value in message.tags),
        ]
        boundary = secrets.token_hex(24)
        head = b"".join(_field(boundary, name, value) for name, value in fields) + (
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="message"; filename="message.eml"\r\n'
            "Content-Type: message/rfc822\r\n\r\n"
        ).encode("ascii")
        tail = f"\r\n--{boundary}--\r\n".encode("ascii")

        def pieces() -> Iterator[bytes]:
            yield head
            yield from message.chunks()
            yield tail

        content_type = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        length = len(head) + message.size + len(tail)
        return self._call("POST", f"/v3/{self._domain}/messages.mime", content_type, pieces, length)

    def probe(self, ask: Callable[[Call], Answer | NoAnswer]) -> Failure | ProbePassed:
        """Return whether the key is accepted and the domain may send."""
        outcome = ask(self._call("GET", f"/v3/domains/{self._domain}"))
        if not isinstance(outcome, Answer):
            return self.failure(outcome)
        if outcome.status in {401, 403}:
            # A key that may only send may not read the domain, so an incomplete send tests it.
            return self._probe_sending(ask)
        domain = outcome.members().get("domain")
        is_disabled = isinstance(domain, dict) and (
            domain.get("is_disabled") is True or domain.get("state") == "disabled"
        )
        found = self.failure(outcome)
        if isinstance(found, ProbePassed) and is_disabled:
            return Failure(Phase.MAIL, Cause.REPLY, Reply(554, "Mailgun has disabled the sending domain"))
        return found

    def _probe_sending(self, ask: Callable[[Call], Answer | NoAnswer]) -> Failure | ProbePassed:
        """Test the key with a send without recipient and content. If the key may send, Mailgun answers 400."""
        content_type = {"Content-Type": "application/x-www-form-urlencoded"}
        outcome = ask(self._call("POST", f"/v3/{self._domain}/messages.mime", content_type))
        if isinstance(outcome, Answer) and outcome.status == 400:
            return ProbePassed(is_protected=True)
        return self.failure(outcome)

    def _authorization(self) -> str:
        credentials = f"api:{self._account.api_key.reveal()}".encode()
        return f"Basic {b64encode(credentials).decode('ascii')}"

    def _complaint(self, answer: Answer) -> str:
        message = answer.members().get("message")
        return message if isinstance(message, str) else ""

    def _reference(self, answer: Answer) -> str | None:
        id = answer.members().get("id")
        return id if isinstance(id, str) else None


def _field(boundary: str, name: str, value: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
