"""A caller's own name for a request: the same name never sends twice."""

import hashlib

import msgspec

KEY_LIFETIME_SECONDS = 24 * 3600.0
# An event may come back from a failure queue after 14 days, having waited 4 before: its key outlives both.
EVENT_KEY_LIFETIME_SECONDS = 30 * 24 * 3600.0


class StoredAnswer(msgspec.Struct, frozen=True):
    """The first answer to a request, as it is given again."""

    status: int
    body: str
    content_type: str


class KeyUse(msgspec.Struct, frozen=True):
    """A key that a request comes with: both are digests, so the ledger knows neither key nor body.

    `supersedes` is the message that the key stood for where its request is known to have come to nothing. `answer` is
    written with the key where it is known before the work is done, as for a message that is only queued.
    """

    digest: str
    fingerprint: str
    expires_at: float
    supersedes: str | None = None
    answer: StoredAnswer | None = None


class KeyState(msgspec.Struct, frozen=True):
    """What a key stands for: which message, of which request, and its answer once there is one."""

    id: str
    fingerprint: str
    answer: StoredAnswer | None = None


class KeyClosing(msgspec.Struct, frozen=True):
    """What becomes of a key when its request ends: its answer is kept, or without one it may be used again."""

    digest: str
    answer: StoredAnswer | None


def digest(namespace: str, text: str | bytes) -> str:
    """Return a digest of a key or a body; `namespace` keeps keys of different origins apart."""
    octets = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return hashlib.sha256(namespace.encode() + b"\0" + octets).hexdigest()
