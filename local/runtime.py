"""The inside of an execution environment: import one function's module, then run it once per line of standard input.

Started by `local.environment` with the function's environment variables and nothing else. Each line in is an event with
its context, each line out an answer; what the function prints goes to its log.
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
    """What Lambda passes beside the event."""

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
        """Return how long the invocation may still take."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def load_handler(code: Path, handler: str) -> Handler:
    """Import a handler such as `app.lambda_handler` from a function's folder."""
    module_name, _, attribute = handler.rpartition(".")
    # Lambda puts the function's folder first too; what stood here is the repository, which the cloud does not have.
    sys.path[0] = str(code)
    loaded: Handler = getattr(importlib.import_module(module_name), attribute)
    return loaded


def main(code: Path, handler_name: str) -> None:
    """Serve invocations until standard input ends."""
    # Answers keep the pipe; whatever the function prints, metrics included, joins standard error in the log.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        handler = load_handler(code, handler_name)
    except Exception as failure:  # noqa: BLE001 -- whatever an import raises is for the person who starts the stack
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
    # The stack has ended, perhaps without a chance to say so: nothing that still runs here has anyone to answer to.
    os._exit(0)


def _invoke(handler: Handler, event: object, context: LambdaContext) -> dict[str, object]:
    try:
        return {"answer": json.loads(json.dumps(handler(event, context)))}
    except Exception:  # noqa: BLE001 -- Lambda's edge: whatever a handler raises is a failed invocation and a log entry
        traceback.print_exc()
        return {"failed": True}


def _answer(answers: TextIO, answer: Mapping[str, object]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
