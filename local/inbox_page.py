"""The inbox over HTTP: a page for people, `messages.json` for programs, `DELETE` to empty it.

Messages may be hostile: their text is escaped, and their HTML is shown in a frame that cannot run scripts, load
anything or navigate.
"""

import base64
import html
import json
from collections.abc import Iterator, Mapping
from email.message import EmailMessage, MIMEPart

from local.http_server import Request, Response
from local.inbox import Arrival, Inbox, Receiver

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_COMMON_HEADERS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)
# More messages would make the page slow. `messages.json` has all of them.
_SHOWN = 50
_MAX_SOURCE = 100_000
_BADGE = {Receiver.RELAY: "project relay", Receiver.SES: "server, SES"}


class InboxPage:
    """An application for `wsgi_app`."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        match request.method, request.path:
            case "GET" | "HEAD", "/":
                headers = (("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", _POLICY))
                return _response(200, headers, _page(self._inbox))
            case "GET", "/messages.json":
                return _response(200, (("Content-Type", "application/json"),), json.dumps(_described(self._inbox)))
            case "DELETE", "/" | "/messages.json":
                self._inbox.clear()
                return _response(204)
            case "POST", "/empty":
                self._inbox.clear()
                return _response(303, (("Location", "/"),))
            case _:
                return _response(404, (("Content-Type", "text/plain"),), "There is no such page in this inbox.\n")


def _response(status: int, headers: tuple[tuple[str, str], ...] = (), body: str = "") -> Response:
    return Response(status, (*headers, *_COMMON_HEADERS), body.encode("utf-8", "replace"))


def _described(inbox: Inbox) -> dict[str, object]:
    messages = [_describe(number, arrival) for number, arrival in inbox.arrivals()]
    return {"counts": dict(inbox.counts()), "messages": messages}


def _describe(number: int, arrival: Arrival) -> dict[str, object]:
    message = arrival.parse()
    tls = arrival.tls
    return {
        "id": number,
        "transport": arrival.receiver.value,
        "received_at": arrival.received_at.isoformat(timespec="milliseconds"),
        "envelope": {"sender": arrival.envelope_sender, "recipients": list(arrival.recipients)},
        "tls": None if tls is None else {"mode": tls.mode, "version": tls.version, "cipher": tls.cipher},
        "authenticated_user": arrival.user,
        "client_name": arrival.client_name,
        "from": str(message["From"] or ""),
        "subject": str(message["Subject"] or ""),
        "message_id": str(message["Message-ID"] or ""),
        "headers": [[name, str(value)] for name, value in message.items()],
        "text": _body(message, "plain"),
        "html": _body(message, "html"),
        "attachments": [
            {
                "filename": part.get_filename(),
                "content_type": part.get_content_type(),
                "content_id": part["Content-ID"],
                "size": len(_octets(part)),
            }
            for part in _files(message)
        ],
        "raw": arrival.content.decode("utf-8", "backslashreplace"),
    }


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    charset = part.get_content_charset("utf-8")
    try:
        return _octets(part).decode(charset, "replace")
    except LookupError:
        return _octets(part).decode("utf-8", "replace")


def _files(message: EmailMessage) -> Iterator[EmailMessage]:
    for part in message.walk():
        if isinstance(part, EmailMessage) and (part.get_filename() or part["Content-ID"]) and not part.is_multipart():
            yield part


def _octets(part: MIMEPart) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _with_inline_images(text: str, message: EmailMessage) -> str:
    for part in _files(message):
        if part.get_content_maintype() == "image" and (content_id := str(part["Content-ID"] or "").strip("<> ")):
            data = base64.b64encode(_octets(part)).decode("ascii")
            text = text.replace(f"cid:{content_id}", f"data:{part.get_content_type()};base64,{data}")
    return text


def _page(inbox: Inbox) -> str:
    arrivals = inbox.arrivals()
    counts = inbox.counts()
    newest = arrivals[: -_SHOWN - 1 : -1]
    items = "".join(_item(number, arrival, is_open=index == 0) for index, (number, arrival) in enumerate(newest))
    if len(arrivals) > _SHOWN:
        items += _MORE.format(len(arrivals) - _SHOWN)
    return _PAGE.format(items=items or _EMPTY, **counts)


def _item(number: int, arrival: Arrival, *, is_open: bool) -> str:
    message = arrival.parse()
    facts: Mapping[str, str | None] = {
        "Received": f"{arrival.received_at:%Y-%m-%d %H:%M:%S} UTC",
        "Envelope sender": arrival.envelope_sender,
        "Recipients": ", ".join(arrival.recipients),
        "TLS": _tls(arrival),
        "Authenticated as": arrival.user,
        "EHLO": arrival.client_name,
    }
    rendered = _body(message, "html")
    return _ITEM.format(
        number=number,
        open=" open" if is_open else "",
        kind=arrival.receiver.value,
        badge=_BADGE[arrival.receiver],
        time=f"{arrival.received_at:%H:%M:%S}",
        subject=_escaped(message["Subject"] or "(no subject)"),
        sender=_escaped(message["From"] or ""),
        recipients=_escaped(", ".join(arrival.recipients)),
        facts=_rows(facts),
        frame="" if rendered is None else _FRAME.format(html.escape(_with_inline_images(rendered, message))),
        text="" if (text := _body(message, "plain")) is None else _SECTION.format("Text", _escaped(text)),
        files="".join(_file(part) for part in _files(message)),
        headers=_rows({f"{index} {name}": str(value) for index, (name, value) in enumerate(message.items())}),
        raw=_escaped(_source(arrival)),
    )


def _source(arrival: Arrival) -> str:
    text = arrival.content.decode("utf-8", "backslashreplace")
    left_out = len(text) - _MAX_SOURCE
    return text if left_out <= 0 else f"{text[:_MAX_SOURCE]}\n[{left_out:,} more characters]"


def _tls(arrival: Arrival) -> str | None:
    return f"{arrival.tls.version}, {arrival.tls.cipher}, {arrival.tls.mode}" if arrival.tls else None


def _file(part: EmailMessage) -> str:
    name = part.get_filename() or str(part["Content-ID"])
    return _FILE.format(_escaped(name), _escaped(part.get_content_type()), len(_octets(part)))


def _rows(facts: Mapping[str, str | None]) -> str:
    # A header may occur twice, so each key begins with the index of the header.
    return "".join(
        f"<tr><th>{_escaped(name.lstrip('0123456789 '))}</th><td>{_escaped(value)}</td></tr>"
        for name, value in facts.items()
        if value
    )


def _escaped(value: object) -> str:
    return html.escape(str(value))


_EMPTY = "<p class=empty>Nothing has arrived yet.</p>"
_MORE = "<p class=empty>{:,} older messages are in <a href=/messages.json>messages.json</a>.</p>"
_FRAME = (
    '<h3>Message</h3><iframe sandbox="" referrerpolicy="no-referrer" title="The message as HTML" srcdoc="{}"></iframe>'
)
_SECTION = "<h3>{}</h3><pre>{}</pre>"
_FILE = "<p class=file>&#128206; {} <span>{}, {:,} octets</span></p>"
_ITEM = """<details id="m{number}"{open}>
<summary><span class="badge {kind}">{badge}</span><b>{subject}</b><span class=who>{sender} &rarr; {recipients}</span>
<time>{time}</time></summary>
<table>{facts}</table>{frame}{text}{files}
<details class=more><summary>Headers</summary><table>{headers}</table></details>
<details class=more><summary>Source</summary><pre>{raw}</pre></details>
</details>
"""
_PAGE = """<!doctype html>
<html lang=en>
<meta charset=utf-8>
<meta name=viewport content="width=device-width, initial-scale=1">
<title>Inbox</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; --soft: #8881; --relay: #0a7d4f; --ses: #b35c00; }}
@media (prefers-color-scheme: dark) {{ :root {{ --relay: #4cc38a; --ses: #f0a35e; }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
header {{ display: flex; flex-wrap: wrap; align-items: baseline; gap: .3rem 1.2rem; margin-bottom: 1.5rem; }}
h1 {{ font-size: 1.5rem; margin: 0; }}
h3 {{ font-size: .9rem; margin: 1.2rem 0 .4rem; }}
header p {{ margin: 0; opacity: .75; flex: 1 1 20rem; }}
button, header a {{ font: inherit; color: inherit; background: none; border: 1px solid var(--line);
  border-radius: .4rem; padding: .2rem .8rem; text-decoration: none; cursor: pointer; }}
body > details {{ border: 1px solid var(--line); border-radius: .5rem; margin: .7rem 0; padding: 0 1rem; }}
body > details[open] {{ padding-bottom: 1rem; }}
summary {{ cursor: pointer; padding: .7rem 0; }}
summary b {{ margin-right: .6rem; overflow-wrap: anywhere; }}
.badge {{ font-size: .75rem; border: 1px solid; border-radius: 1rem; padding: .1rem .6rem; margin-right: .6rem; }}
.project-smtp {{ color: var(--relay); }}
.server-ses {{ color: var(--ses); }}
.who, time, .file span {{ opacity: .75; font-size: .9rem; overflow-wrap: anywhere; }}
time {{ float: right; font-variant-numeric: tabular-nums; }}
table {{ border-collapse: collapse; width: 100%; font-size: .9rem; }}
th, td {{ text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; overflow-wrap: anywhere; }}
th {{ font-weight: 600; white-space: nowrap; width: 10rem; opacity: .75; }}
iframe {{ width: 100%; height: 18rem; border: 1px solid var(--line); border-radius: .4rem; background: #fff;
  color-scheme: light; resize: vertical; }}
pre {{ background: var(--soft); border-radius: .4rem; padding: .8rem; margin: .4rem 0; overflow: auto;
  white-space: pre-wrap; overflow-wrap: anywhere; max-height: 30rem; font-size: .85rem; }}
.more summary {{ font-size: .9rem; padding: .3rem 0; }}
.empty {{ opacity: .75; }}
</style>
<header><h1>Inbox</h1>
<p>What really arrived. Relay: {relay_messages} messages on {relay_connections} connections.
SES: {ses_messages} messages in {ses_requests} requests.</p>
<a href="/">Refresh</a><a href="/messages.json">JSON</a><form method=post action="/empty"><button>Empty</button></form>
</header>
{items}
</html>
"""
