"""The inbox over HTTP, with hostile messages."""

import json
import re
from datetime import UTC, datetime

import pytest

from local.http_server import Request, Response
from local.inbox import Arrival, Inbox, Receiver, Tls
from local.inbox_page import InboxPage

HOSTILE = "<script>alert(1)</script>"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def arrival(content: str, *, sender: str = "a@b.example") -> Arrival:
    return Arrival(
        Receiver.RELAY,
        NOW,
        sender,
        ("c@d.example",),
        content.replace("\n", "\r\n").encode(),
        user="user",
        tls=Tls("starttls", "TLSv1.3", "cipher"),
        client_name="client.example",
    )


def page_of(*arrivals: Arrival, method: str = "GET", path: str = "/") -> Response:
    inbox = Inbox()
    for one in arrivals:
        inbox.add(one)
    return InboxPage(inbox)(Request(method, path, ()))


@pytest.fixture
def hostile() -> Arrival:
    return arrival(
        f"""From: {HOSTILE} <a@b.example>
Subject: {HOSTILE}
X-{HOSTILE}: {HOSTILE}
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=no-such-charset

{HOSTILE}
--b
Content-Type: text/html
Content-Disposition: inline; filename="{HOSTILE}"

"><img src=x onerror=alert(1)>{HOSTILE}
--b--
""",
        sender=HOSTILE,
    )


def test_no_part_of_a_message_becomes_markup_of_the_page(hostile: Arrival) -> None:
    page = page_of(hostile).body.decode()

    assert HOSTILE not in page
    assert "<img" not in page


def test_html_is_shown_in_a_frame_without_permissions(hostile: Arrival) -> None:
    page = page_of(hostile).body.decode()

    (frame,) = re.findall(r"<iframe[^>]*>", page)
    assert 'sandbox=""' in frame
    assert "&quot;&gt;&lt;img" in frame


def test_the_page_may_load_no_resources() -> None:
    policy = dict(page_of().headers)["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_an_inline_image_is_part_of_the_page() -> None:
    page = page_of(
        arrival("""MIME-Version: 1.0
Content-Type: multipart/related; boundary=b

--b
Content-Type: text/html

<img src="cid:logo">
--b
Content-Type: image/png
Content-ID: <logo>
Content-Transfer-Encoding: base64

aGVsbG8=
--b--
""")
    ).body.decode()

    assert "data:image/png;base64,aGVsbG8=" in page
    assert "cid:logo" not in page.partition("<h3>Message</h3>")[2].partition("</iframe>")[0]


def test_the_page_shows_how_a_message_arrived(hostile: Arrival) -> None:
    page = page_of(hostile).body.decode()

    assert "TLSv1.3, cipher, starttls" in page
    assert "<td>user</td>" in page


def test_the_page_shows_the_newest_messages_first_and_counts_the_others() -> None:
    page = page_of(*(arrival(f"Subject: Number {number}\n\nText\n") for number in range(60))).body.decode()

    assert page.index("<b>Number 59</b>") < page.index("<b>Number 10</b>")
    assert "<b>Number 9</b>" not in page
    assert "10 older messages" in page


def test_a_long_source_is_cut_on_the_page() -> None:
    page = page_of(arrival("Subject: Long\n\n" + "x" * 300_000)).body.decode()

    assert "more characters]" in page


def test_json_has_envelope_tls_and_raw_source() -> None:
    body = json.loads(page_of(arrival("Subject: Hello\n\nText\n"), path="/messages.json").body)

    (message,) = body["messages"]
    assert message["envelope"] == {"sender": "a@b.example", "recipients": ["c@d.example"]}
    assert message["tls"] == {"mode": "starttls", "version": "TLSv1.3", "cipher": "cipher"}
    assert (message["subject"], message["raw"]) == ("Hello", "Subject: Hello\r\n\r\nText\r\n")
    assert body["counts"]["relay_messages"] == 1


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/"), ("DELETE", "/messages.json"), ("POST", "/empty")])
def test_the_inbox_can_be_emptied(method: str, path: str) -> None:
    inbox = Inbox()
    inbox.add(arrival("Subject: Hello\n\nText\n"))

    response = InboxPage(inbox)(Request(method, path, ()))

    assert response.status in (204, 303)
    assert inbox.arrivals() == []


def test_another_path_is_not_found() -> None:
    assert page_of(path="/other").status == 404
