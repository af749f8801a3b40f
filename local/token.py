"""Signed tokens. Each stack has its own identity service, whose public key is the parameter JwtJwks."""

import json
import secrets
import time
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

ALGORITHM = "ES256"
EVERY_SCOPE = "email:send email:read email-config:read email-config:write email:override-transport"
OPERATOR = "*"
DEFAULT_LIFETIME_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private key of a stack, with the issuer and audience of its tokens."""

    private_pem: str
    key_id: str
    issuer: str
    audience: str

    def issue(self, *, project_id: str, scope: str, lifetime_seconds: int = DEFAULT_LIFETIME_SECONDS) -> str:
        """Return a bearer token for one project, or for every project if the id is `*`."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "operator" if project_id == OPERATOR else f"project:{project_id}",
            "project_id": project_id,
            "scope": scope,
            "iat": now,
            "exp": now + lifetime_seconds,
        }
        return jwt.encode(claims, self.private_pem, ALGORITHM, headers={"kid": self.key_id})


def create_signing_key(*, issuer: str, audience: str) -> tuple[SigningKey, str]:
    """Create a key; return it with its public half as a JSON Web Key Set."""
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")
    key_id = secrets.token_hex(8)
    public = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    public |= {"kid": key_id, "alg": ALGORITHM, "use": "sig"}
    return SigningKey(pem, key_id, issuer, audience), json.dumps({"keys": [public]}, separators=(",", ":"))
