"""Bearer tokens verified against the issuer's public keys (RFC 7515, 7517, 7519, 8725).

The key decides the algorithm, not the token: RSA keys (2048 bits or more) verify RS256, P-256 keys ES256, and Ed25519
keys EdDSA. A token is refused if its header names another algorithm. Keys come only from the operator's setting: the
headers `jku`, `x5u`, `x5c` and `jwk` are ignored. A token with a `crit` header is always refused.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mailer.adapters.net.elapsed import Clocks, Moment
from mailer.token import KeysUnavailable, Principal, Refusal, TokenRefused, parse_claims

MAX_TOKEN = 8 * 1024
_MINIMUM_RSA_BITS = 2048
_FRESH_SECONDS = 600.0
_STALE_SECONDS = 3600.0
_UNKNOWN_KEY_SECONDS = 60.0
_RETRY_SECONDS = 5.0

# A tuple, because a header's value may be unhashable.
_ALGORITHMS = ("RS256", "ES256", "EdDSA")
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})


class InvalidKeySet(ValueError):
    """The document is not a key set, or has no key that may verify a token."""


type KeySet = Mapping[str, jwt.PyJWK]


class JwksVerifier(msgspec.Struct, frozen=True):
    """Implements `TokenVerifier`; safe to share between threads. `find` returns the issuer's key for a key id."""

    find: Callable[[str], jwt.PyJWK | None]
    issuer: str
    audience: str
    clocks: Clocks = Clocks()

    def verify(self, token: str) -> Principal:
        """Return the caller; raises `TokenRefused`, or `KeysUnavailable` if the keys cannot be fetched."""
        if len(token) > MAX_TOKEN or not _COMPACT.match(token):
            raise TokenRefused(Refusal.MALFORMED)
        claims = _parse_object(self._verified_payload(token))
        return parse_claims(claims, issuer=self.issuer, audience=self.audience, now=self.clocks.wall())

    def _verified_payload(self, token: str) -> bytes:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            raise TokenRefused(Refusal.MALFORMED) from None
        _check_header(header)
        key = self.find(header["kid"])
        if key is None:
            raise TokenRefused(Refusal.KEY_UNKNOWN)
        algorithms = [key.algorithm_name]
        if header["alg"] not in algorithms:
            raise TokenRefused(Refusal.ALGORITHM)
        try:
            payload: bytes = jwt.PyJWS(algorithms).decode(token, key, algorithms)
        except jwt.InvalidTokenError:
            raise TokenRefused(Refusal.SIGNATURE) from None
        return payload


class FetchedKeys:
    """Keys from a URL, cached for 10 minutes. If they cannot be fetched again, they are used for up to one hour.

    Callers can invent key ids, so a token with an unknown id causes at most one fetch a minute. `fetch` returns the
    document or raises `OSError`.
    """

    def __init__(
        self,
        fetch: Callable[[], str],
        *,
        clocks: Clocks = Clocks(),  # noqa: B008 -- frozen, with two functions only
    ) -> None:
        self._fetch = fetch
        self._clocks = clocks
        self._lock = threading.Lock()
        self._keys: KeySet = {}
        self._fetched_at: Moment | None = None
        self._attempted_at: Moment | None = None

    def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return the key with this id; raises `KeysUnavailable` if no key set is known."""
        with self._lock:
            is_old = self._age(self._fetched_at) >= _FRESH_SECONDS
            pause = _RETRY_SECONDS if is_old else _UNKNOWN_KEY_SECONDS
            if (is_old or key_id not in self._keys) and self._age(self._attempted_at) >= pause:
                self._refresh()
            if self._age(self._fetched_at) >= _STALE_SECONDS:
                self._keys, self._fetched_at = {}, None
                raise KeysUnavailable
            return self._keys.get(key_id)

    def _refresh(self) -> None:
        self._attempted_at = self._clocks.now()
        try:
            keys = parse_key_set(self._fetch())
        except (OSError, InvalidKeySet):
            return
        self._keys, self._fetched_at = keys, self._clocks.now()

    def _age(self, moment: Moment | None) -> float:
        return float("inf") if moment is None else self._clocks.seconds_since(moment)


def parse_key_set(document: str) -> KeySet:
    """Return the keys that may verify tokens, by id; raises `InvalidKeySet` if there are none.

    Keys of another kind, keys without an id and keys for other uses than signatures are ignored (RFC 7517 section 5).
    Keys that share an id are ignored too, because the id is ambiguous.
    """
    try:
        entries = _parse_object(document.encode()).get("keys")
    except (TokenRefused, UnicodeEncodeError):
        raise InvalidKeySet("The key set is no JSON object.") from None
    if not isinstance(entries, list):
        raise InvalidKeySet("The key set has no list of keys.")
    usable = [(entry["kid"], key) for entry in entries if (key := _verification_key(entry)) is not None]
    ids = [key_id for key_id, _ in usable]
    keys = {key_id: key for key_id, key in usable if ids.count(key_id) == 1}
    if not keys:
        raise InvalidKeySet("The key set holds no RSA (2048 bits or more), P-256 or Ed25519 public key with an id.")
    return keys


def _verification_key(entry: object) -> jwt.PyJWK | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or "d" in entry:
        return None
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        # The "alg" is left out, so that the kind of the key decides the algorithm.
        key = jwt.PyJWK({name: value for name, value in entry.items() if name != "alg"})
    except (jwt.PyJWKError, jwt.InvalidKeyError, TypeError, ValueError):
        return None
    is_short = isinstance(key.key, RSAPublicKey) and key.key.key_size < _MINIMUM_RSA_BITS
    is_known = key.algorithm_name in _ALGORITHMS and entry.get("alg", key.algorithm_name) == key.algorithm_name
    return key if is_known and not is_short else None


def _check_header(header: Mapping[str, object]) -> None:
    if "crit" in header or "b64" in header or not isinstance(header.get("kid"), str):
        raise TokenRefused(Refusal.MALFORMED)
    if header.get("alg") not in _ALGORITHMS:
        raise TokenRefused(Refusal.ALGORITHM)
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise TokenRefused(Refusal.NOT_AN_ACCESS_TOKEN)


def _parse_object(octets: bytes) -> dict[str, object]:
    try:
        parsed = json.loads(octets)
    except (ValueError, RecursionError):
        raise TokenRefused(Refusal.MALFORMED) from None
    if not isinstance(parsed, dict):
        raise TokenRefused(Refusal.MALFORMED)
    return parsed
