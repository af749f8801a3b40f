"""The make that started this process, where one did.

GNU make does not pass on a SIGINT that was sent to it alone: it takes for granted that the terminal sent one to the
whole group, and waits. While it waits it has the signal blocked, and that can be seen.
"""

import os
import signal
from pathlib import Path

_SIGINT = 1 << (signal.SIGINT - 1)


def make_was_interrupted() -> bool:
    """Tell whether this process's parent is a make that got SIGINT and waits for us to end."""
    try:
        status = Path(f"/proc/{os.getppid()}/status").read_text(encoding="ascii")
    except OSError:
        return False
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return fields.get("Name") in ("make", "gmake") and bool(int(fields.get("SigBlk", "0"), 16) & _SIGINT)
