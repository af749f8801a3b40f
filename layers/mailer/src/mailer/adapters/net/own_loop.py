"""An event loop for callers without an event loop. The loop and its connections live until the process ends."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress


class OwnLoop:
    """One event loop; one thread uses it at a time."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def blocking[**P, Result](self, method: Callable[P, Coroutine[None, None, Result]]) -> Callable[P, Result]:
        """Return a blocking version of the coroutine method, which runs on this loop."""
        return lambda *args, **kwargs: self.run(method(*args, **kwargs))

    def run[Result](self, work: Coroutine[None, None, Result]) -> Result:
        """Run the coroutine and return its result."""
        # `Runner.run` would replace the signal handlers at every call; its handling of interruptions is copied below.
        loop = self._runner.get_loop()
        task = loop.create_task(work)
        try:
            return loop.run_until_complete(task)
        except BaseException:
            # A signal handler raised. The interrupted task must not continue during the next call.
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    loop.run_until_complete(task)
            raise

    def close(self) -> None:
        """Close the loop."""
        self._runner.close()
