"""An event loop for callers that have none: it lives as long as the execution environment, and its connections too."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress


class OwnLoop:
    """One event loop; one thread uses it at a time."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def run[Result](self, work: Coroutine[None, None, Result]) -> Result:
        """Do the work and return its result."""
        # `Runner.run` would exchange the signal handlers at every call; what it does against an interruption stays.
        loop = self._runner.get_loop()
        task = loop.create_task(work)
        try:
            return loop.run_until_complete(task)
        except BaseException:
            # Raised by a signal's handler: what was interrupted must not go on inside the next call.
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    loop.run_until_complete(task)
            raise

    def close(self) -> None:
        """Close the loop."""
        self._runner.close()
