"""Controls a helper process. The process prints one JSON line when it is ready, and one for each input line.

It ends when its standard input ends, so it cannot outlive the run.
"""

import asyncio
import sys
from collections.abc import Callable

import msgspec


async def serve_control(ready: object, take: Callable[[], object]) -> None:
    """Report readiness, answer every line with the result of `take`, and return at the end of input."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    _say(ready)
    while await reader.readline():
        _say(take())


def _say(value: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()
