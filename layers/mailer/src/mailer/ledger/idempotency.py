"""Idempotency keys: a request that is repeated with its key is never sent twice."""

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
    """The key of a request. Key and body are digests, so the ledger knows neither.

    `supersedes` is the failed message that the key stood for. `answer` is stored with the key if it is known before the
    work is done, as for a queued message.
    """

    digest: str
    fingerprint: str
    expires_at: float
    supersedes: str | None = None
    answer: StoredAnswer | None = None


class KeyState(msgspec.Struct, frozen=True):
    """What a key stands for: a message, its request's fingerprint, and the answer once it is known."""

    id: str
    fingerprint: str
    answer: StoredAnswer | None = None


class KeyClosing(msgspec.Struct, frozen=True):
    """The end of a key's request: the answer is stored, or the key is free again without one."""

    digest: str
    answer: StoredAnswer | None


def digest(namespace: str, text: str | bytes) -> str:
    """Return a digest of a key or a body; the same text has another digest in another namespace."""
    octets = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return hashlib.sha256(namespace.encode() + b"\0" + octets).hexdigest()
