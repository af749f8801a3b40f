"""The program of an execution environment: it imports a function, and runs it once for each line of standard input.

`local.environment` starts the program with only the function's environment variables. Each input line is an event with
its context, and each output line is an answer. The function's prints go to its log.
"""

import importlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import TextIO

type Handler = Callable[[object, LambdaContext], object]


class LambdaContext:
    """The context that Lambda passes with the event."""

    function_version = "$LATEST"
    identity = None
    client_context = None

    def __init__(self, invocation: Mapping[str, str], remaining_seconds: float) -> None:
        self.function_name = invocation["function_name"]
        self.invoked_function_arn = invocation["arn"]
        self.memory_limit_in_mb = invocation["memory_megabytes"]
        self.aws_request_id = invocation["request_id"]
        self.log_group_name = f"/aws/lambda/{self.function_name}"
        self.log_stream_name = invocation["environment"]
        self._deadline = time.monotonic() + remaining_seconds

    def get_remaining_time_in_millis(self) -> int:
        """Return the invocation's remaining time in milliseconds."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def load_handler(code: Path, handler: str) -> Handler:
    """Import a handler such as `app.lambda_handler` from a function's folder."""
    module_name, _, attribute = handler.rpartition(".")
    # As in Lambda, the function's folder is first. Lambda has no repository, so its entry is removed from the path.
    sys.path[0] = str(code)
    loaded: Handler = getattr(importlib.import_module(module_name), attribute)
    return loaded


def main(code: Path, handler_name: str) -> None:
    """Serve invocations until standard input ends."""
    # The pipe is for answers only. The function's prints and metrics go to standard error, which is the log.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        handler = load_handler(code, handler_name)
    except Exception as failure:  # noqa: BLE001 -- every error of an import is reported to the stack
        traceback.print_exc()
        _answer(answers, {"not_ready": f"{type(failure).__name__}: {failure}"})
        return
    _answer(answers, {"ready": True})
    invocations: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read, args=(invocations,), daemon=True).start()
    while True:
        request = json.loads(invocations.get())
        context = LambdaContext(request["context"], request["remaining_seconds"])
        _answer(answers, _invoke(handler, request["event"], context))


def _read(invocations: SimpleQueue[str]) -> None:
    for line in sys.stdin:
        invocations.put(line)
    # The stack has ended, so no caller waits for an answer.
    os._exit(0)


def _invoke(handler: Handler, event: object, context: LambdaContext) -> dict[str, object]:
    try:
        return {"answer": json.loads(json.dumps(handler(event, context)))}
    except Exception:  # noqa: BLE001 -- as in Lambda, every error of a handler is a failed invocation and a log entry
        traceback.print_exc()
        return {"failed": True}


def _answer(answers: TextIO, answer: Mapping[str, object]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
