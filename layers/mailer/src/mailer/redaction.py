"""Keeps what a relay says from carrying a project's credentials further."""

import base64
from collections.abc import Callable
from copy import replace
from urllib.parse import quote

from mailer.relay import NoAuth, PasswordAuth, RelayAuth
from mailer.reply import Reply

WITHHELD = "(withheld: the reply repeats the credentials)"
_PREFIX = 8


def reply_redactor(auth: RelayAuth) -> Callable[[Reply], Reply]:
    """Return a function that withholds the text of any reply that repeats the password, plain or encoded.

    A prefix of eight characters is enough to withhold; relays cut what they echo.
    """
    match auth:
        case NoAuth():
            return lambda reply: reply
        case PasswordAuth(username, password):
            needles = _needles(username, password.reveal())
            return lambda reply: replace(reply, text=WITHHELD) if _repeats(reply.text, needles) else reply


def _repeats(text: str, needles: frozenset[str]) -> bool:
    lowered = text.lower()
    return any(needle in lowered for needle in needles)


def _needles(username: str, password: str) -> frozenset[str]:
    octets = password.encode()
    forms = {password, quote(password, safe=""), octets.hex()}
    forms.add(base64.b64encode(f"\0{username}\0{password}".encode()).decode())
    # Base64 of a longer text shows the password at one of three alignments: skip what the octets before it shape.
    for shift, skip in ((0, 0), (1, 2), (2, 3)):
        aligned = base64.b64encode(b"\0" * shift + octets).decode().rstrip("=")[skip:-1]
        if len(aligned) >= _PREFIX // 2:
            forms.add(aligned)
    return frozenset(form[:_PREFIX].lower() for form in forms if form)
