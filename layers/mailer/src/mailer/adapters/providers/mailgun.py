"""Mailgun's v3 API for one sending domain: a form with the message's octets as a file, and the envelope."""

import secrets
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote

from mailer.adapters.net.https_exchange import Answer, Call, NoAnswer
from mailer.adapters.providers.judging import Dialect, Judge
from mailer.ports import ApiMessage
from mailer.secret.provider.mailgun import MailgunAccount
from mailer.smtp.outcome import Cause, Failure, Phase, ProbePassed
from mailer.smtp.reply import Reply

# "A single message may be marked with up to 3 tags"; as variables, all of them return with its events.
_MAX_TAGS = 3


def _complaint(answer: Answer) -> str:
    return _text(answer, "message") or ""


def _reference(answer: Answer) -> str | None:
    return _text(answer, "id")


DIALECT = Dialect("Mailgun", _complaint, _reference)


def sending(api_message: ApiMessage, account: MailgunAccount) -> Call:
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

    return Call(
        method="POST",
        base_url=account.base_url,
        target=f"/v3/{_domain(account)}/messages.mime",
        headers={**_authorization(account), "Content-Type": f"multipart/form-data; boundary={boundary}"},
        pieces=pieces,
        length=len(head) + message.size + len(tail),
        ca_certificate=account.ca_certificate,
    )


def asking(account: MailgunAccount) -> Call:
    """Return the request that asks about the sending domain."""
    target = f"/v3/domains/{_domain(account)}"
    return Call("GET", account.base_url, target, _authorization(account), ca_certificate=account.ca_certificate)


def asking_to_send(account: MailgunAccount) -> Call:
    """Return a send request without recipient and content; a key that may only send gets a 400."""
    target = f"/v3/{_domain(account)}/messages.mime"
    headers = {**_authorization(account), "Content-Type": "application/x-www-form-urlencoded"}
    return Call("POST", account.base_url, target, headers, ca_certificate=account.ca_certificate)


def is_sending_key_only(outcome: Answer | NoAnswer) -> bool:
    """Tell whether the domain request was denied, as it is for a key that may only send."""
    return isinstance(outcome, Answer) and outcome.status in {401, 403}


def read_domain(outcome: Answer | NoAnswer, account: MailgunAccount) -> Failure | ProbePassed:
    """Return whether the key is accepted and the domain may send."""
    walked = Judge(DIALECT, account.api_key).failure(outcome)
    if isinstance(walked, Failure) or not isinstance(outcome, Answer):
        return walked
    document = outcome.json()
    domain = document.get("domain") if isinstance(document, dict) else None
    if isinstance(domain, dict) and (domain.get("is_disabled") is True or domain.get("state") == "disabled"):
        return Failure(Phase.MAIL, Cause.REPLY, Reply(554, "Mailgun has disabled the sending domain"))
    return walked


def read_refusal_to_send(outcome: Answer | NoAnswer, account: MailgunAccount) -> Failure | ProbePassed:
    """Return whether the key may send: an error about the missing recipient means yes."""
    if isinstance(outcome, Answer) and outcome.status == 400:
        return ProbePassed(is_protected=True)
    return Judge(DIALECT, account.api_key).failure(outcome)


def _text(answer: Answer, member: str) -> str | None:
    document = answer.json()
    value = document.get(member) if isinstance(document, dict) else None
    return value if isinstance(value, str) else None


def _field(boundary: str, name: str, value: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def _authorization(account: MailgunAccount) -> dict[str, str]:
    credentials = b64encode(f"api:{account.api_key.reveal()}".encode()).decode("ascii")
    return {"Authorization": f"Basic {credentials}"}


def _domain(account: MailgunAccount) -> str:
    return quote(account.domain, safe="")
