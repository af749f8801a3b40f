"""Waits for conditions that another process makes true."""

import threading
import time
from collections.abc import Callable

_PATIENCE = 20.0


def eventually(is_true: Callable[[], object], *, within: float = _PATIENCE) -> None:
    """Wait until a condition is true, and fail if it takes too long."""
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < within
        threading.Event().wait(0.05)
