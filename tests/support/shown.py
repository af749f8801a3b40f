"""Bodies of answers as callers get them."""

import json
from typing import Any

import msgspec
from mailer.api.body import Body


def shown(body: Body) -> Any:
    """Return a body as decoded JSON."""
    return json.loads(msgspec.json.encode(body))
