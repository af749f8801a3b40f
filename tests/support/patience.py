"""Waiting for what another process does."""

import threading
import time
from collections.abc import Callable

_PATIENCE = 20.0


def eventually(is_true: Callable[[], object], *, within: float = _PATIENCE) -> None:
    """Wait until something is true, and fail where that takes longer than it may."""
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < within
        threading.Event().wait(0.05)
