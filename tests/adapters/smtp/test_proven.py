"""The memory of relays to which one flight may be sent."""

import weakref
from dataclasses import dataclass

from mailer.adapters.smtp.proven import Proven


@dataclass(frozen=True)
class Key:
    """A key with a password."""

    password: str


def test_a_relay_is_proven_until_it_takes_a_message_in_another_way() -> None:
    proven = Proven()
    proven.note("relay", suits_one_flight=True)
    assert "relay" in proven

    proven.note("relay", suits_one_flight=False)
    assert "relay" not in proven


def test_the_least_recently_used_relay_is_forgotten_first() -> None:
    proven = Proven()
    for number in range(256):
        proven.note(number, suits_one_flight=True)
    proven.note(0, suits_one_flight=True)
    proven.note(256, suits_one_flight=True)

    assert [number for number in range(257) if number not in proven] == [1]


def test_TI13_no_password_is_kept() -> None:
    proven, key = Proven(), Key("secret")
    proven.note(key, suits_one_flight=True)
    kept = weakref.ref(key)
    del key

    assert kept() is None
    assert Key("secret") in proven
