"""A server that is killed again and again: each message is stored once, or its outcome is unknown."""

import itertools
import random
import threading
import time
from collections import Counter

import pytest
from mailer.message.address import parse_address
from mailer.smtp.outcome import Accepted, Deferred, Unknown

from tests.relays.sending import client, send_by
from tests.relays.server import RealServer
from tests.support.sending import make_message

ADA = parse_address("ada@example.net")
_AT_LEAST, _KILLS, _SECONDS = 50, 8, 120.0


def test_a_killed_server_loses_and_doubles_nothing(server: RealServer) -> None:
    if server.package == "dovecot-submissiond":
        pytest.skip("Dovecot stores nothing itself: the server behind it does")
    done = threading.Event()
    killer = threading.Thread(target=_kill_again_and_again, args=(server, done))
    killer.start()
    accepted: set[bytes] = set()
    unknown: set[bytes] = set()
    deferrals = 0
    deadline = time.monotonic() + _SECONDS
    with client() as transport:
        for number in itertools.count():
            if done.is_set() and number >= _AT_LEAST:
                break
            identity = f"<{number}@example.com>"
            message = make_message(recipients=(ADA,), message_id=identity)
            while isinstance(verdict := send_by(transport, server, message)[ADA], Deferred):
                deferrals += 1
                assert time.monotonic() < deadline
                done.wait(0.02)
            assert isinstance(verdict, Accepted | Unknown)
            (accepted if isinstance(verdict, Accepted) else unknown).add(identity.encode())
    killer.join()

    contents = server.stored()
    stored = Counter(line[12:] for each in contents for line in each.split(b"\r\n") if line.startswith(b"Message-ID: "))
    assert done.is_set()
    assert deferrals
    assert len(unknown) <= _KILLS
    assert len(accepted) >= _AT_LEAST - _KILLS
    assert {identity for identity, count in stored.items() if count > 1} == set()
    assert accepted <= set(stored) <= accepted | unknown


def _kill_again_and_again(server: RealServer, done: threading.Event) -> None:
    pauses = random.Random(7)
    for _ in range(_KILLS):
        done.wait(pauses.uniform(0.05, 0.4))
        server.kill()
        server.start()
    done.set()
