"""The claims of a bearer token whose signature is valid.

Each claim has exactly one type and one meaning; a token with any other claim value is refused. The only audience of the
token must be this service: if a token were valid for two audiences, the other one could use it here.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import msgspec

from mailer.ledger.limits import ROLE
from mailer.project import EVERY_PROJECT, ProjectId, parse_project_id

LEEWAY_SECONDS = 30.0
_MAX_SCOPES = 100
_MAX_SUBJECT = 255

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}\Z")
_SUBJECT = re.compile(r"[\x21-\x7e]*\Z")


class Refusal(StrEnum):
    """The reason why a token is refused; safe to log."""

    MISSING = "token-missing"
    MALFORMED = "token-malformed"
    ALGORITHM = "token-algorithm-refused"
    KEY_UNKNOWN = "token-key-unknown"
    SIGNATURE = "token-signature-invalid"
    EXPIRED = "token-expired"
    NOT_YET_VALID = "token-not-yet-valid"
    ISSUER = "token-issuer-wrong"
    AUDIENCE = "token-audience-wrong"
    NOT_AN_ACCESS_TOKEN = "token-not-an-access-token"  # noqa: S105 -- a reason, not a token
    CLAIMS = "token-claims-invalid"


class TokenRefused(Exception):
    """The token is refused. No attribute of this exception contains the token."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


class KeysUnavailable(Exception):
    """The token cannot be checked: the issuer's keys are not available."""


class Principal(msgspec.Struct, frozen=True):
    """The caller of a request: its project, scopes, subject and role.

    `project_id` is None for the operator, whose token is for every project. The operator can limit each `role`; it is
    None if the token has no role.
    """

    project_id: ProjectId | None
    scopes: frozenset[str]
    subject: str
    role: str | None = None

    @property
    def project_claim(self) -> str:
        """The project claim as it is written in the token."""
        return EVERY_PROJECT if self.project_id is None else self.project_id

    @property
    def scope_claim(self) -> str:
        """The scopes as one string, sorted."""
        return " ".join(sorted(self.scopes))


class TokenVerifier(Protocol):
    """Verifies bearer tokens."""

    def verify(self, token: str) -> Principal:
        """Return the caller; raises `TokenRefused`, or `KeysUnavailable` if the keys are not available."""


def parse_claims(claims: Mapping[str, object], *, issuer: str, audience: str, now: float) -> Principal:
    """Return the caller that the claims of a verified token name; `now` is in seconds since the epoch.

    Raises `TokenRefused`. The expiry is required; clocks may differ by 30 s.
    """
    if claims.get("iss") != issuer:
        raise TokenRefused(Refusal.ISSUER)
    if claims.get("aud") not in (audience, [audience]):
        raise TokenRefused(Refusal.AUDIENCE)
    if claims.get("token_use", "access") != "access":
        raise TokenRefused(Refusal.NOT_AN_ACCESS_TOKEN)
    if now >= _seconds(claims.get("exp")) + LEEWAY_SECONDS:
        raise TokenRefused(Refusal.EXPIRED)
    if "nbf" in claims and now < _seconds(claims["nbf"]) - LEEWAY_SECONDS:
        raise TokenRefused(Refusal.NOT_YET_VALID)
    return Principal(
        _project_id(claims.get("project_id")), _scopes(claims.get("scope", "")), _subject(claims), _role(claims)
    )


def _seconds(claim: object) -> float:
    # bool is a subclass of int. A number too large for float() would raise, and is never a real date.
    if isinstance(claim, bool) or not isinstance(claim, int | float) or not 0 <= claim < 1e12:
        raise TokenRefused(Refusal.CLAIMS)
    return float(claim)


def _project_id(claim: object) -> ProjectId | None:
    if claim == EVERY_PROJECT:
        return None
    project_id = parse_project_id(claim) if isinstance(claim, str) else None
    if project_id is None:
        raise TokenRefused(Refusal.CLAIMS)
    return project_id


def _scopes(claim: object) -> frozenset[str]:
    scopes = claim.split(" ") if isinstance(claim, str) else claim
    if not isinstance(scopes, list) or len(scopes) > _MAX_SCOPES:
        raise TokenRefused(Refusal.CLAIMS)
    named = [scope for scope in scopes if scope != ""]
    if not all(isinstance(scope, str) and _SCOPE.match(scope) for scope in named):
        raise TokenRefused(Refusal.CLAIMS)
    return frozenset(named)


def _role(claims: Mapping[str, object]) -> str | None:
    role = claims.get("role")
    if role is not None and not (isinstance(role, str) and ROLE.match(role)):
        raise TokenRefused(Refusal.CLAIMS)
    return role


def _subject(claims: Mapping[str, object]) -> str:
    subject = claims.get("sub", "")
    if not isinstance(subject, str) or len(subject) > _MAX_SUBJECT or not _SUBJECT.match(subject):
        raise TokenRefused(Refusal.CLAIMS)
    return subject
