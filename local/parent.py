"""Detects that the make which started this process was interrupted.

GNU make does not pass on a SIGINT that was sent to it alone: it expects that the terminal signalled the whole group,
and waits. While it waits it blocks the signal, which can be observed.
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
