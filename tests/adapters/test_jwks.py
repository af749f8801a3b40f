"""Bearer tokens: only those that the operator's issuer signed, with the algorithm of its key, are accepted."""

import base64
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from mailer.adapters.jwks import FetchedKeys, InvalidKeySet, JwksVerifier, parse_key_set
from mailer.adapters.net.elapsed import Clocks
from mailer.token import KeysUnavailable, Refusal, TokenRefused

from tests.fakes import FakeClock

ISSUER, AUDIENCE = "https://issuer.example", "mailer"

RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
STRANGER = rsa.generate_private_key(65537, 2048)

type PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
type Jwk = dict[str, object]


def jwk(key: PrivateKey, key_id: str, **members: object) -> Jwk:
    match key:
        case rsa.RSAPrivateKey():
            written = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case ec.EllipticCurvePrivateKey():
            written = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case ed25519.Ed25519PrivateKey() | ed448.Ed448PrivateKey():
            written = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in written.items() if name != "key_ops"} | {"kid": key_id} | members


def key_set(*keys: Jwk) -> str:
    return json.dumps({"keys": keys})


KEYS = key_set(jwk(RSA_KEY, "rsa"), jwk(EC_KEY, "ec"), jwk(ED_KEY, "ed"))


def claims(**changes: object) -> dict[str, object]:
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": now + 300,
        "sub": "user-1",
        "project_id": "acme",
        "scope": "email:send",
    } | changes


def sign(key: PrivateKey, algorithm: str, key_id: str, headers: Mapping[str, object] | None = None) -> str:
    return jwt.encode(claims(), key, algorithm, {"kid": key_id, **(headers or {})})


def unsigned(header: Mapping[str, object], signature: bytes = b"") -> str:
    return ".".join(map(_text, (json.dumps(header).encode(), json.dumps(claims()).encode(), signature)))


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def verifier(document: str = KEYS) -> JwksVerifier:
    return JwksVerifier(parse_key_set(document).get, issuer=ISSUER, audience=AUDIENCE)


def refusal(token: str, document: str = KEYS) -> Refusal:
    with pytest.raises(TokenRefused) as refused:
        verifier(document).verify(token)
    return refused.value.refusal


@pytest.mark.parametrize(
    ("key", "algorithm", "key_id"),
    [(RSA_KEY, "RS256", "rsa"), (EC_KEY, "ES256", "ec"), (ED_KEY, "EdDSA", "ed")],
    ids=["RS256", "ES256", "EdDSA"],
)
def test_a_token_signed_with_the_issuer_s_key_is_accepted(key: PrivateKey, algorithm: str, key_id: str) -> None:
    assert verifier().verify(sign(key, algorithm, key_id)).project_id == "acme"


def test_au1_an_unknown_key_id_is_refused() -> None:
    assert refusal(sign(RSA_KEY, "RS256", "other")) is Refusal.KEY_UNKNOWN


def test_au1_a_token_without_key_id_is_refused() -> None:
    assert refusal(jwt.encode(claims(), RSA_KEY, "RS256")) is Refusal.MALFORMED


def test_au1_a_stranger_s_signature_is_refused() -> None:
    assert refusal(sign(STRANGER, "RS256", "rsa")) is Refusal.SIGNATURE


def test_au1_alg_none_is_refused() -> None:
    assert refusal(unsigned({"alg": "none", "kid": "rsa"}, b"x")) is Refusal.ALGORITHM


def test_au1_a_token_without_signature_is_refused() -> None:
    assert refusal(unsigned({"alg": "none", "kid": "rsa"})) is Refusal.MALFORMED


def test_au1_hs256_with_the_public_key_is_refused() -> None:
    public = RSA_KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = unsigned({"alg": "HS256", "kid": "rsa"}).rpartition(".")[0]

    assert refusal(f"{signed}.{_text(hmac.digest(public, signed.encode(), 'sha256'))}") is Refusal.ALGORITHM


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_au1_another_algorithm_of_the_same_key_is_refused(algorithm: str) -> None:
    assert refusal(sign(RSA_KEY, algorithm, "rsa")) is Refusal.ALGORITHM


def test_au1_a_key_of_another_kind_than_the_algorithm_is_refused() -> None:
    assert refusal(sign(RSA_KEY, "RS256", "ec")) is Refusal.ALGORITHM


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"crit": ["exp"]}, id="crit"),
        pytest.param({"crit": []}, id="empty-crit"),
        pytest.param({"b64": True, "crit": ["b64"]}, id="b64"),
    ],
)
def test_au1_a_critical_header_is_refused(headers: Mapping[str, object]) -> None:
    token = sign(RSA_KEY, "RS256", "rsa")
    _, payload, signature = token.split(".")
    header = _text(json.dumps({"alg": "RS256", "kid": "rsa", **headers}).encode())

    assert refusal(f"{header}.{payload}.{signature}") is Refusal.MALFORMED


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u"])
def test_au1_a_key_inside_the_token_is_ignored(name: str) -> None:
    headers = {name: jwk(STRANGER, "rsa") if name == "jwk" else "https://attacker.example/keys"}

    assert refusal(sign(STRANGER, "RS256", "rsa", headers)) is Refusal.SIGNATURE


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", 7])
def test_au2_a_token_of_another_type_is_refused(kind: object) -> None:
    assert refusal(unsigned({"alg": "RS256", "kid": "rsa", "typ": kind}, b"x")) is Refusal.NOT_AN_ACCESS_TOKEN


def test_au1_two_signatures_are_refused() -> None:
    token = sign(RSA_KEY, "RS256", "rsa")

    assert refusal(f"{token}.{token.rpartition('.')[2]}") is Refusal.MALFORMED


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c", "..", "a b.c.d", "é.é.é", '{"payload":"","signatures":[]}', "a." * 5000 + "a"],
    ids=range(9),
)
def test_au1_a_text_that_is_not_a_compact_token_is_refused(token: str) -> None:
    assert refusal(token) is Refusal.MALFORMED


def test_au1_an_altered_claim_is_refused() -> None:
    header, _, signature = sign(RSA_KEY, "RS256", "rsa").split(".")
    payload = _text(json.dumps(claims(project_id="*")).encode())

    assert refusal(f"{header}.{payload}.{signature}") is Refusal.SIGNATURE


def test_au1_an_expired_token_is_refused() -> None:
    token = jwt.encode(claims(exp=int(time.time()) - 60), RSA_KEY, "RS256", {"kid": "rsa"})

    assert refusal(token) is Refusal.EXPIRED


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.sampled_from(["RS256", "ES256", "rsa", "ec", "JWT"])
        | st.lists(st.text()),
    ),
    st.binary(min_size=1, max_size=300),
)
def test_au1_an_unsigned_token_is_refused_with_any_header(header: dict[str, object], signature: bytes) -> None:
    with pytest.raises(TokenRefused):
        verifier().verify(unsigned(header, signature))


def test_a_refusal_does_not_hold_the_token() -> None:
    token = sign(STRANGER, "RS256", "rsa")
    with pytest.raises(TokenRefused) as refused:
        verifier().verify(token)

    assert token not in repr((refused.value, refused.value.args, refused.value.__cause__))


# -- key sets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unusable",
    [
        pytest.param(jwk(rsa.generate_private_key(65537, 1024), "k"), id="rsa-1024"),  # noqa: S505 -- a weak key on purpose
        pytest.param(jwk(ec.generate_private_key(ec.SECP384R1()), "k"), id="p-384"),
        pytest.param(jwk(ed448.Ed448PrivateKey.generate(), "k"), id="ed448"),
        pytest.param({"kty": "oct", "k": "c2VjcmV0", "kid": "k"}, id="symmetric"),
        pytest.param(jwk(RSA_KEY, "k", use="enc"), id="for-encryption"),
        pytest.param(jwk(RSA_KEY, "k", key_ops=["encrypt"]), id="not-for-verifying"),
        pytest.param(jwk(RSA_KEY, "k", key_ops=7), id="operations-are-no-list"),
        pytest.param(jwk(RSA_KEY, "k", alg="RS512"), id="for-another-algorithm"),
        pytest.param(jwk(RSA_KEY, "k", alg="HS256"), id="for-hs256"),
        pytest.param(jwk(RSA_KEY, "k", d="AQAB"), id="private"),
        pytest.param(jwk(RSA_KEY, "k", n=7), id="number-is-no-text"),
        pytest.param(jwk(RSA_KEY, "k", e=["AQAB"]), id="number-is-a-list"),
        pytest.param(jwk(EC_KEY, "k", crv=["P-256"]), id="curve-is-a-list"),
        pytest.param(jwk(EC_KEY, "k", y="AA"), id="not-on-the-curve"),
        pytest.param(jwk(RSA_KEY, "k", kty={}), id="type-is-an-object"),
        pytest.param(jwk(RSA_KEY, "k", kid=7), id="id-is-no-text"),
        pytest.param({"kid": "k"}, id="no-type"),
    ],
)
def test_a_key_that_may_not_verify_is_ignored(unusable: Jwk) -> None:
    assert set(parse_key_set(key_set(unusable, jwk(EC_KEY, "ec")))) == {"ec"}


def test_an_id_of_two_keys_is_ignored() -> None:
    assert set(parse_key_set(key_set(jwk(RSA_KEY, "a"), jwk(STRANGER, "a"), jwk(EC_KEY, "b")))) == {"b"}


@pytest.mark.parametrize(
    "document", ["", "{", "[]", "{}", '{"keys": {}}', '{"keys": [7]}', "[" * 100_000, '{"keys": []}']
)
def test_a_document_without_a_usable_key_is_invalid(document: str) -> None:
    with pytest.raises(InvalidKeySet):
        parse_key_set(document)


# -- fetched keys -----------------------------------------------------------------------------------------------------


@dataclass
class Issuer:
    """An issuer's document, and how often it was fetched; None: unreachable."""

    document: str | None = KEYS
    clock: FakeClock = field(default_factory=FakeClock)
    fetches: int = 0

    def fetch(self) -> str:
        self.fetches += 1
        if self.document is None:
            raise OSError("unreachable")
        return self.document


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def keys(issuer: Issuer) -> FetchedKeys:
    return FetchedKeys(issuer.fetch, clocks=Clocks(issuer.clock, issuer.clock))


def test_keys_are_kept_for_ten_minutes(issuer: Issuer, keys: FetchedKeys) -> None:
    keys.find("rsa")
    issuer.clock.advance(599)
    keys.find("rsa")
    assert issuer.fetches == 1

    issuer.clock.advance(1)
    keys.find("rsa")

    assert issuer.fetches == 2


def test_an_unknown_id_causes_a_fetch_once_a_minute(issuer: Issuer, keys: FetchedKeys) -> None:
    keys.find("rsa")
    issuer.clock.advance(59)
    assert keys.find("new") is None
    assert issuer.fetches == 1
    issuer.document = key_set(jwk(RSA_KEY, "new"))
    issuer.clock.advance(1)

    assert keys.find("new") is not None
    assert keys.find("newer") is None
    assert issuer.fetches == 2


def test_a_withdrawn_key_is_unknown_after_the_next_fetch(issuer: Issuer, keys: FetchedKeys) -> None:
    keys.find("rsa")
    issuer.document = key_set(jwk(EC_KEY, "ec"))
    issuer.clock.advance(600)

    assert keys.find("rsa") is None


@pytest.mark.parametrize("document", [None, "<html>", '{"keys": []}'])
def test_the_last_good_keys_serve_for_an_hour(issuer: Issuer, keys: FetchedKeys, document: str | None) -> None:
    keys.find("rsa")
    issuer.document = document
    issuer.clock.advance(3599)
    assert keys.find("rsa") is not None

    issuer.clock.advance(1)

    with pytest.raises(KeysUnavailable):
        keys.find("rsa")


def test_an_unreachable_issuer_is_tried_again_after_five_seconds(issuer: Issuer, keys: FetchedKeys) -> None:
    issuer.document = None
    for _ in range(2):
        with pytest.raises(KeysUnavailable):
            keys.find("rsa")
    assert issuer.fetches == 1
    issuer.document = KEYS
    issuer.clock.advance(5)

    assert keys.find("rsa") is not None
