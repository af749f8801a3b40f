"""Keeps what a relay says from carrying a project's credentials further."""

import base64
import re
from collections import defaultdict
from collections.abc import Callable
from urllib.parse import quote

from mailer.relay.relay import NoAuth, OAuthAuth, PasswordAuth, RelayAuth
from mailer.relay.secret_str import SecretStr

# So many characters in a row are no coincidence; relays cut, fold and re-case what they echo.
_WINDOW = 8
_SHORTEST = 3
_NOT_GRAPHIC = re.compile(r"[^!-~]+")


def credential_detector(auth: RelayAuth) -> Callable[[str], bool]:
    """Return the `secret_detector` of what the relay gets of a configuration.

    With OAuth 2.0 it gets none of it: what it gets is an access token.
    """
    match auth:
        case NoAuth() | OAuthAuth():
            return lambda _: False
        case PasswordAuth(_, password):
            return secret_detector(password)


def secret_detector(secret: SecretStr) -> Callable[[str], bool]:
    """Return a function that tells whether a text repeats eight characters of the secret, plain or encoded.

    It looks at the text as the relay sent it, before anything is cut or made printable. White space, case and what is
    not ASCII make no difference.
    """
    windows = _windows(secret.reveal())
    return lambda text: _repeats(text, windows)


def _repeats(text: str, windows: dict[int, set[str]]) -> bool:
    flat = _flatten(text)
    return any(
        flat[start : start + size] in known for size, known in windows.items() for start in range(len(flat) - size + 1)
    )


def _windows(password: str) -> dict[int, set[str]]:
    octets = password.encode()
    forms = [password, quote(password, safe=""), octets.hex()]
    # Base64 of a longer text shows the password at one of three alignments: skip what the octets around it shape.
    for shift, skip in ((0, 0), (1, 2), (2, 3)):
        forms.append(base64.b64encode(b"\0" * shift + octets).decode().rstrip("=")[skip:-1])
    windows: dict[int, set[str]] = defaultdict(set)
    for index, form in enumerate(map(_flatten, forms)):
        size = min(_WINDOW, len(form))
        # The password itself counts however short it is; three letters of an encoding are nobody's.
        if size >= (1 if index == 0 else _SHORTEST):
            windows[size].update(form[start : start + size] for start in range(len(form) - size + 1))
    return dict(windows)


def _flatten(text: str) -> str:
    return _NOT_GRAPHIC.sub("", text).lower()
