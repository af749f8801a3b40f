"""The memory of relays to which one flight may be sent."""

import weakref
from dataclasses import dataclass

from mailer.adapters.smtp.proven import Proven
from mailer.smtp.reply_order import Wording

WORDING = Wording("250 2.1.0 Ok", frozenset({"250 2.1.5 Ok"}), "250 2.0.0 Queued")


@dataclass(frozen=True)
class Key:
    """A key with a password."""

    password: str


def test_a_relay_is_proven_until_it_takes_a_message_in_another_way() -> None:
    proven = Proven()
    proven.note("relay", WORDING)
    assert proven.wording("relay") == WORDING

    proven.note("relay", None)
    assert proven.wording("relay") is None


def test_the_least_recently_used_relay_is_forgotten_first() -> None:
    proven = Proven()
    for number in range(256):
        proven.note(number, WORDING)
    proven.note(0, WORDING)
    proven.note(256, WORDING)

    assert [number for number in range(257) if proven.wording(number) is None] == [1]


def test_TI13_no_password_is_kept() -> None:
    proven, key = Proven(), Key("secret")
    proven.note(key, WORDING)
    kept = weakref.ref(key)
    del key

    assert kept() is None
    assert proven.wording(Key("secret")) == WORDING
