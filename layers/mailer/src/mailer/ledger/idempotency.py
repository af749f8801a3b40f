"""Idempotency keys: if a request is repeated with the same key, its message is not sent twice."""

import hashlib

import msgspec

KEY_LIFETIME_SECONDS = 24 * 3600.0
# An event can wait 4 days in its queue and 14 in the failure queue; its key outlives both.
EVENT_KEY_LIFETIME_SECONDS = 30 * 24 * 3600.0


class StoredAnswer(msgspec.Struct, frozen=True):
    """The first answer to a request. A repeated request gets it again."""

    status: int
    body: str
    content_type: str


class KeyUse(msgspec.Struct, frozen=True):
    """The key of a request. Digests of the key and the body are stored, never their texts.

    `supersedes` is the id of the failed message that the key named before. `answer` is stored with the key if it is
    known before the work is done, as for a queued message.
    """

    digest: str
    fingerprint: str
    expires_at: float
    supersedes: str | None = None
    answer: StoredAnswer | None = None


class KeyState(msgspec.Struct, frozen=True):
    """A stored key: its message, the fingerprint of its request, and the answer if it is known."""

    id: str
    fingerprint: str
    answer: StoredAnswer | None = None


class KeyClosing(msgspec.Struct, frozen=True):
    """The end of a key's request: the answer to store, or None to free the key."""

    digest: str
    answer: StoredAnswer | None


def digest(namespace: str, text: str | bytes) -> str:
    """Return a digest of a key or a body. In another namespace the same text has another digest."""
    octets = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return hashlib.sha256(namespace.encode() + b"\0" + octets).hexdigest()
