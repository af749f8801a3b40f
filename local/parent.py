"""Detects an interruption of the make that started this process.

If SIGINT is sent to GNU make only, make does not forward it: it expects that the terminal sent the signal to the whole
group, and waits. While make waits, it blocks the signal. This can be observed.
"""

import os
import signal
from pathlib import Path

_SIGINT = 1 << (signal.SIGINT - 1)


def make_was_interrupted() -> bool:
    """Tell whether the parent process is a make that got SIGINT and waits for this process to end."""
    try:
        status = Path(f"/proc/{os.getppid()}/status").read_text(encoding="ascii")
    except OSError:
        return False
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return fields.get("Name") in ("make", "gmake") and bool(int(fields.get("SigBlk", "0"), 16) & _SIGINT)
