"""Every content arrives octet for octet, on cold and on warm connections."""

import pytest
from mailer.message.address import parse_address
from mailer.message.message import Message
from mailer.smtp.outcome import Accepted

from tests.relays.sending import client, send_by
from tests.relays.server import RealServer
from tests.support.sending import SENDER

ADA = parse_address("ada@example.net")
_CONTENTS = {
    "dots": b".\r\n..\r\n...\r\n.a\r\n\r\n.\r\n",
    "empty lines": b"\r\n\r\n\r\na\r\n\r\n",
    "spaces": b"a \r\nb\t\r\n \r\n\t\r\n",
    "commands": b"RSET\r\nQUIT\r\nMAIL FROM:<a@example.com>\r\n.\r\nQUIT\r\n",
    "long lines": (b"x" * 900 + b"\r\n") * 20,
    "From lines": b"From a\r\n>From b\r\nFrom: c\r\n",
    "17 KiB": b"y" * 70 + b"\r\n" + (b"z" * 70 + b"\r\n") * 240,
}


# Without these headers some servers add them.
_HEAD = b"From: sender@example.com\r\nTo: ada@example.net\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n"


def message_of(text: bytes) -> Message:
    content = _HEAD + b"Message-ID: <1@example.com>\r\nSubject: hello\r\n\r\n" + text
    return Message("<1@example.com>", SENDER, (ADA,), (content,), len(content))


@pytest.mark.parametrize("text", _CONTENTS.values(), ids=_CONTENTS)
def test_a_content_arrives_octet_for_octet(server: RealServer, text: bytes) -> None:
    message = message_of(text)
    with client() as transport:
        for _ in range(3):
            assert isinstance(send_by(transport, server, message)[ADA], Accepted)

    content = b"".join(message.chunks())
    assert [each.endswith(content) for each in server.stored()] == [True] * 3


def test_a_large_content_arrives_octet_for_octet(server: RealServer) -> None:
    message = message_of((b"." + b"x" * 76 + b"\r\n") * 38_000)
    with client() as transport:
        assert isinstance(send_by(transport, server, message)[ADA], Accepted)

    (stored,) = server.stored()
    assert stored.endswith(b"".join(message.chunks()))
