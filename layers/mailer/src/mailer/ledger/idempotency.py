"""Idempotency keys: if a request is repeated with the same key, its message is not sent twice."""

import hashlib
import hmac

import msgspec

from mailer.relay.secret_str import SecretStr

KEY_LIFETIME_SECONDS = 24 * 3600.0
# An event can wait 4 days in its queue and 14 in the failure queue; its key outlives both.
EVENT_KEY_LIFETIME_SECONDS = 30 * 24 * 3600.0


class StoredAnswer(msgspec.Struct, frozen=True):
    """The first answer to a request. A repeated request gets it again."""

    status: int
    body: str
    content_type: str


class KeyUse(msgspec.Struct, frozen=True):
    """The key of a request. A digest of the key and a fingerprint of the body are stored, never their texts.

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

    def is_of_another_request(self, key: KeyUse) -> bool:
        """Whether the stored key belongs to a request with another body.

        Fingerprints under different platform keys cannot be compared. The bodies then count as equal: the caller gets
        the first answer, and no second message is sent.
        """
        known_key, _, known = self.fingerprint.rpartition(":")
        given_key, _, given = key.fingerprint.rpartition(":")
        return known_key == given_key and known != given


class KeyClosing(msgspec.Struct, frozen=True):
    """The end of a key's request: the answer to store, or None to free the key."""

    digest: str
    answer: StoredAnswer | None


def digest(namespace: str, key: str) -> str:
    """Return the digest under which a key is found. In another namespace the same key has another digest."""
    return hashlib.sha256(namespace.encode() + b"\0" + key.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(namespace: str, content: bytes, *, platform_key: SecretStr) -> str:
    """Return the HMAC of a content, after the id of the key and a colon.

    Without the key a short content, such as a code of six digits, could be found by trying every value.
    """
    return f"{_mac(platform_key, b'')[:8]}:{_mac(platform_key, namespace.encode() + b'\0' + content)}"


def _mac(platform_key: SecretStr, content: bytes) -> str:
    return hmac.digest(platform_key.reveal().encode(), content, "sha256").hex()
