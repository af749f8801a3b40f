"""SendGrid's v3 API: the message as JSON, one request for all recipients.

SendGrid composes the message, so its octets differ from those of other transports. The caller may set Message-ID.
Recipients of one personalization see each other, except those in `bcc`. `to` must not be empty: if only Bcc recipients
remain, each of them gets a separate personalization.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator

import msgspec

from mailer.adapters.net.https_client import Answer, Call, NoAnswer
from mailer.adapters.providers.mail_api import MailApi
from mailer.message.address import Address, Mailbox
from mailer.message.compose.body import shown_content_ids
from mailer.message.draft import Attachment, Draft
from mailer.message.message import Message
from mailer.ports import ApiMessage
from mailer.smtp.outcome import Cause, Failure, Phase, ProbePassed
from mailer.smtp.reply import Reply

_PIECE = 128 * 1024
# SendGrid allows ten categories in a request, with at most 255 characters each.
_MAX_CATEGORIES = 10
_MAX_CATEGORY = 255
_MAY_SEND = "mail.send"
# SendGrid ends a recipient's name at these characters unless the name is quoted.
_NAME_BREAKS = frozenset(",;")


class Sendgrid(MailApi):
    """The API for one account."""

    name = "SendGrid"

    def sending(self, api_message: ApiMessage) -> Call:
        """Return the request that sends the message."""
        body = msgspec.json.encode(_document(api_message))
        view = memoryview(body)

        def pieces() -> Iterator[bytes]:
            return (bytes(view[start : start + _PIECE]) for start in range(0, len(view), _PIECE))

        return self._call("POST", "/v3/mail/send", {"Content-Type": "application/json"}, pieces, len(body))

    def probe(self, ask: Callable[[Call], Answer | NoAnswer]) -> Failure | ProbePassed:
        """Return whether the key is accepted and may send."""
        outcome = ask(self._call("GET", "/v3/scopes"))
        found = self.failure(outcome)
        scopes = outcome.members().get("scopes") if isinstance(outcome, Answer) else None
        if isinstance(found, ProbePassed) and isinstance(scopes, list) and _MAY_SEND not in scopes:
            missing = "The API key lacks the Mail Send permission (mail.send)"
            return Failure(Phase.AUTH, Cause.REPLY, Reply(535, missing))
        return found

    def _authorization(self) -> str:
        return f"Bearer {self._account.api_key.reveal()}"

    def _complaint(self, answer: Answer) -> str:
        errors = answer.members().get("errors")
        texts = [each.get("message") for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
        return " ".join(text for text in texts if isinstance(text, str))

    def _reference(self, answer: Answer) -> str | None:
        return answer.headers.get("x-message-id")


def _document(api_message: ApiMessage) -> dict[str, object]:
    draft, message = api_message.draft, api_message.message
    document: dict[str, object] = {
        "personalizations": _personalizations(draft, message.recipients),
        "from": _mailbox(api_message.sender),
        "subject": draft.subject,
        "content": _content(draft),
        "headers": _headers(draft, message),
    }
    if message.tags:
        document["custom_args"] = dict(message.tags)
        document["categories"] = [name[:_MAX_CATEGORY] for name, _ in message.tags[:_MAX_CATEGORIES]]
    if len(api_message.reply_to) == 1:
        document["reply_to"] = _mailbox(api_message.reply_to[0])
    elif api_message.reply_to:
        document["reply_to_list"] = [_mailbox(mailbox) for mailbox in api_message.reply_to]
    if draft.attachments:
        shown = shown_content_ids(draft)
        document["attachments"] = [_attachment(file, is_shown=file.content_id in shown) for file in draft.attachments]
    return document


def _personalizations(draft: Draft, recipients: tuple[Address, ...]) -> list[dict[str, object]]:
    waiting = {_key(address) for address in recipients}
    to, cc, bcc = (_waiting_recipients(mailboxes, waiting) for mailboxes in (draft.to, draft.cc, draft.bcc))
    to, cc = (to, cc) if to else (cc, [])
    if not to:
        return [{"to": [mailbox]} for mailbox in bcc]
    lists = {"to": to, "cc": cc, "bcc": bcc}
    return [{name: mailboxes for name, mailboxes in lists.items() if mailboxes}]


def _waiting_recipients(mailboxes: tuple[Mailbox, ...], waiting: set[tuple[str, str]]) -> list[dict[str, str]]:
    """Return the recipients that still wait, each once: SendGrid refuses a repeated address."""
    taken: list[dict[str, str]] = []
    for mailbox in mailboxes:
        if (key := _key(mailbox.address)) in waiting:
            waiting.discard(key)
            taken.append(_mailbox(mailbox, is_recipient=True))
    return taken


def _key(address: Address) -> tuple[str, str]:
    return address.local_part, address.domain.lower()


def _mailbox(mailbox: Mailbox, *, is_recipient: bool = False) -> dict[str, str]:
    view = {"email": str(mailbox.address)}
    name = mailbox.display_name
    if name is not None:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        view["name"] = f'"{escaped}"' if is_recipient and not _NAME_BREAKS.isdisjoint(name) else name
    return view


def _content(draft: Draft) -> list[dict[str, str]]:
    texts = (("text/plain", draft.text), ("text/html", draft.html))
    # SendGrid refuses an empty content.
    content = [{"type": kind, "value": text} for kind, text in texts if text]
    return content or [{"type": "text/plain", "value": " "}]


def _headers(draft: Draft, message: Message) -> dict[str, str]:
    """Return the Message-ID and the caller's header fields, encoded and unfolded."""
    names = {name.lower() for name, _ in draft.headers}
    headers = {"Message-ID": message.message_id}
    head = next(message.chunks()).partition(b"\r\n\r\n")[0].decode("ascii")
    for line in head.replace("\r\n ", " ").replace("\r\n\t", "\t").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() in names:
            headers[name] = value.strip()
    return headers


def _attachment(file: Attachment, *, is_shown: bool) -> dict[str, str]:
    view = {
        "content": b64encode(file.content).decode("ascii"),
        "filename": file.filename,
        "type": file.content_type,
        "disposition": "inline" if is_shown else "attachment",
    }
    if file.content_id is not None:
        view["content_id"] = file.content_id
    return view
