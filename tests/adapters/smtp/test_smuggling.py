"""SMTP smuggling: one message stays one message, whichever line ends the receiver accepts."""

from collections.abc import Iterator
from copy import replace
from datetime import UTC, datetime
from itertools import batched

import pytest
from mailer.message.address import Mailbox
from mailer.message.compose import compose
from mailer.message.draft import Draft
from mailer.message.message import Message
from mailer.smtp.outcome import Accepted

from tests.support.certificates import authority
from tests.support.content import RECEIVERS, Receiver, smuggling_bodies
from tests.support.faulty_relay import Relay, Tls
from tests.support.hostile_relay import HostileRelay
from tests.support.sending import (
    CREDENTIALS,
    RECIPIENT,
    RELAY_NAME,
    SENDER,
    make_message,
    relay_at,
    send,
    smtp_transport,
)

BODIES_A_MESSAGE = 700
EXTENSIONS = {
    "bdat": (b"PIPELINING", b"CHUNKING"),
    "pipelined-data": (b"PIPELINING",),
    "plain-data": (),
}


def composed(text: str) -> Message:
    return compose(
        Draft(to=(Mailbox(RECIPIENT),), subject="hello", text=text, html=f"<p>{text}</p>"),
        sender=Mailbox(SENDER),
        reply_to=(),
        envelope_sender=SENDER,
        message_id="<1@example.com>",
        date=datetime(2026, 1, 1, tzinfo=UTC),
        boundary_token=lambda: "boundary",
    )


def composed_messages() -> Iterator[Message]:
    for bodies in batched(smuggling_bodies(), BODIES_A_MESSAGE, strict=False):
        text = b"|".join(bodies).decode("ascii").replace("\0", " ")
        yield composed(text)


@pytest.mark.parametrize("extensions", EXTENSIONS.values(), ids=EXTENSIONS)
@pytest.mark.parametrize("receiver", RECEIVERS, ids=lambda receiver: receiver.name)
def test_in15_every_receiver_counts_as_many_messages_as_were_sent(
    receiver: Receiver, extensions: tuple[bytes, ...]
) -> None:
    messages = list(composed_messages())
    relay = Relay(
        tls=Tls.IMPLICIT,
        context=authority().valid(RELAY_NAME),
        credentials=CREDENTIALS,
        extensions=extensions,
        receiver=receiver,
    )

    with HostileRelay(relay) as server, smtp_transport() as transport:
        configuration = relay_at(server)
        attempts = [send(transport, configuration, message).attempt for message in messages]

    assert all(isinstance(attempt.verdicts[RECIPIENT], Accepted) for attempt in attempts)
    assert [taken.content for taken in server.messages] == [message.as_bytes() for message in messages]
    assert {taken.sender for taken in server.messages} == {str(SENDER).encode()}
    assert server.violations == ()


@pytest.mark.parametrize("extensions", EXTENSIONS.values(), ids=EXTENSIONS)
def test_in15_bare_line_ends_are_never_sent_and_dots_arrive_unchanged(
    extensions: tuple[bytes, ...],
) -> None:
    message = make_message(text=b"".join(line + b"\r\n" for line in (b".", b"..", b"", b".x", b"x.", b".", b"", b".")))
    in_single_octets = replace(message, segments=tuple(bytes([octet]) for octet in message.as_bytes()))
    relay = Relay(
        tls=Tls.IMPLICIT, context=authority().valid(RELAY_NAME), credentials=CREDENTIALS, extensions=extensions
    )

    with HostileRelay(relay) as server, smtp_transport() as transport:
        for each in (message, in_single_octets, message, in_single_octets):
            send(transport, relay_at(server), each)

    assert [taken.content for taken in server.messages] == [message.as_bytes()] * 4
    # The first message follows a DATA; with CHUNKING the others are chunks.
    assert server.messages[1].wire == server.messages[2].wire == server.messages[3].wire
    assert server.violations == ()
