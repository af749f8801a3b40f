"""Detect credentials in a relay's replies, so that they are not stored or shown."""

import base64
import re
from collections import defaultdict
from collections.abc import Callable
from urllib.parse import quote

from mailer.relay.relay import NoAuth, OAuthAuth, PasswordAuth, RelayAuth
from mailer.relay.secret_str import SecretStr

# Eight equal characters do not occur by chance. Relays shorten and fold texts that they repeat, and change their case.
_WINDOW = 8
_SHORTEST = 3
_NOT_GRAPHIC = re.compile(r"[^!-~]+")


def credential_detector(auth: RelayAuth) -> Callable[[str], bool]:
    """Return a detector for the password. With OAuth 2.0 it detects nothing: a relay gets only an access token."""
    match auth:
        case NoAuth() | OAuthAuth():
            return lambda _: False
        case PasswordAuth(_, password):
            return secret_detector(password)


def secret_detector(secret: SecretStr) -> Callable[[str], bool]:
    """Return a function that tells whether a text repeats eight characters of the secret, plain or encoded.

    The function needs the text as the relay sent it. It ignores white space, case and non-ASCII characters.
    """
    windows = _windows(secret.reveal())

    def repeats(text: str) -> bool:
        flat = _flatten(text)
        return any(
            flat[start : start + size] in known
            for size, known in windows.items()
            for start in range(len(flat) - size + 1)
        )

    return repeats


def _windows(password: str) -> dict[int, set[str]]:
    octets = password.encode()
    forms = [password, quote(password, safe=""), octets.hex()]
    # Base64 of a longer text contains the password at one of three offsets. The characters at both ends also depend on
    # the octets around the password, so they are left out.
    for shift, skip in ((0, 0), (1, 2), (2, 3)):
        forms.append(base64.b64encode(b"\0" * shift + octets).decode().rstrip("=")[skip:-1])
    windows: dict[int, set[str]] = defaultdict(set)
    for index, form in enumerate(map(_flatten, forms)):
        size = min(_WINDOW, len(form))
        # The plain password is searched even if it is very short. A short encoded form is not, because it would match
        # by chance.
        if size >= (1 if index == 0 else _SHORTEST):
            windows[size].update(form[start : start + size] for start in range(len(form) - size + 1))
    return dict(windows)


def _flatten(text: str) -> str:
    return _NOT_GRAPHIC.sub("", text).lower()
