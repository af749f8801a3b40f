"""Secrets for tests; they must never appear in any output."""

import base64
from urllib.parse import quote

USERNAME = "canary-user"
PASSWORD = "Zx7f3a9c/pass wörd"
API_KEY = "SG.Kd83b1f60a-canary/key+9e"
TOKEN = "Qe51d0e8b2-reset"
BODY = "Wyc4417e90-body"
SUBJECT = "Vu0be2a6d3-subject"
PLATFORM_KEY = "Hn6c0f82a1b95de7-canary-platform-key"

_PREFIX = 8


def spellings(secret: str, username: str = USERNAME) -> frozenset[str]:
    """Return the forms in which a secret could leak: raw, prefix, base64 (alone, in AUTH PLAIN), URL-encoded, hex."""
    octets = secret.encode()
    plain = base64.b64encode(f"\0{username}\0{secret}".encode()).decode()
    encoded = base64.b64encode(octets).decode().rstrip("=")
    return frozenset({secret, secret[:_PREFIX], encoded, plain, quote(secret), octets.hex()})


ALL = frozenset(
    spelling for secret in (PASSWORD, API_KEY, TOKEN, BODY, SUBJECT, PLATFORM_KEY) for spelling in spellings(secret)
)


def found_in(text: str) -> list[str]:
    """Return the spellings that the text contains. They are masked, because a report must not leak them."""
    return [f"{spelling[:3]}…({len(spelling)} characters)" for spelling in sorted(ALL) if spelling in text]
