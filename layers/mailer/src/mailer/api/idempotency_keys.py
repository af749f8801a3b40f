"""Idempotency keys: the key that the ledger stores, and the fingerprint of its request.

A key is the caller's name for a message within the project. The fingerprint covers the route and the body as a JSON
value, so the order of fields and the layout do not matter. It does not cover `Prefer`: a repeated request
with another preference means the same message.
"""

import msgspec

from mailer.input.json_body import Bounds, decode_body
from mailer.ledger.idempotency import KEY_LIFETIME_SECONDS, KeyUse, digest, fingerprint
from mailer.relay.secret_str import SecretStr

SEND_ROUTE = "POST emails"
BATCH_ROUTE = "POST emails/batch"
TEST_ROUTE = "POST email-config/test"

_ONE_MESSAGE = Bounds()


def key_use(key: str, index: int = 0, *, request: str, now: float) -> KeyUse:
    """Return a key as the ledger stores it for one message; `request` is the fingerprint of its request.

    The first message of a batch uses the key itself, so one key cannot name both a message and a batch.
    """
    own = digest("api", key) if index == 0 else digest("api-batch", f"{index} {key}")
    return KeyUse(own, request, now + KEY_LIFETIME_SECONDS)


def request_fingerprint(
    route: str, body: bytes | str, bounds: Bounds = _ONE_MESSAGE, *, platform_key: SecretStr
) -> str:
    """Return the fingerprint of a request. The body must have been decoded with the same bounds before."""
    content = msgspec.json.encode(decode_body(body, bounds), order="deterministic")
    return fingerprint(route, content, platform_key=platform_key)
