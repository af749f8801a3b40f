"""Header fields of requests: Idempotency-Key, If-Match and Prefer."""

import re
from collections.abc import Mapping

from mailer.errors import InvalidRequest
from mailer.problem import Problem

MAX_KEY = 256

_PRINTABLE = re.compile(r"[ -~]+\Z")
ANY_ETAG = "*"
_ETAG = re.compile(r'"([!#-~]{1,64})"\Z')
_SPACE = " \t"
# One preference of a list (RFC 7240 section 2). It ends at a comma outside quoted strings.
_PREFERENCE = re.compile(r'(?:[^",]++|"(?:[^"\\]|\\.)*+(?:"|\\?\Z))+')
_RESPOND_ASYNC = re.compile(r'respond-async[ \t]*(?:=[ \t]*(?:"")?[ \t]*)?(?:;.*)?\Z', re.IGNORECASE | re.DOTALL)


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return the value of a header field, or None. `name` is in lower case; the names in `headers` in any case."""
    return next((value for key, value in headers.items() if key.lower() == name), None)


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """Return the idempotency key, or None if there is none; raises `InvalidRequest`."""
    value = header(headers, "idempotency-key")
    if value is None:
        return None
    key = value.strip(_SPACE)
    if len(key) > MAX_KEY or not _PRINTABLE.match(key):
        remedy = f"Give an Idempotency-Key of 1 to {MAX_KEY} printable ASCII characters, or leave the header out."
        raise InvalidRequest(Problem("idempotency-key-malformed", remedy, pointer=""))
    return key


def if_match(headers: Mapping[str, str]) -> str | None:
    """Return the ETag of If-Match; `ANY_ETAG` for `*`; None if there is no condition.

    Raises `InvalidRequest`.
    """
    value = header(headers, "if-match")
    if value is None:
        return None
    if value.strip() == ANY_ETAG:
        return ANY_ETAG
    matched = _ETAG.match(value.strip())
    if matched is None:
        remedy = 'Give one ETag of an answer, with its quotes: If-Match: "...".'
        raise InvalidRequest(Problem("precondition-malformed", remedy, pointer=""))
    return matched[1]


def prefers_async(headers: Mapping[str, str]) -> bool:
    """Tell whether the caller prefers `respond-async`. Other preferences are ignored (RFC 7240 section 2)."""
    preferences = _PREFERENCE.findall(header(headers, "prefer") or "")
    return any(_RESPOND_ASYNC.match(preference.strip(_SPACE)) for preference in preferences)
