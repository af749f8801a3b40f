"""moto for several threads at once: its server has as many as there are requests, and its backends count on one.

Two writers of one DynamoDB item may both find their condition true, and a queue that one thread shortens loses what
another appends meanwhile. The stack shows that nothing is lost and nothing is doubled, so its cloud must not do either.
"""

import functools
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.sqs.models import Queue, SQSBackend

from local.exchange import Environ, StartResponse, WsgiApp, observe

_SQS_TARGET = "AmazonSQS."


def one_at_a_time(app: WsgiApp) -> WsgiApp:
    """Let requests of the JSON protocols be served one after the other; queues, which wait, have locks of their own."""
    serving = threading.Lock()

    def served(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if not target or target.startswith(_SQS_TARGET):
            return app(environ, start_response)
        with serving:
            return observe(app, environ, start_response).answer

    return served


@functools.cache
def lock_queues() -> None:
    """Make the operations that change a queue's list of messages hold the lock that appending to it holds.

    A thread that waits for messages gives the lock back while it waits.
    """
    receive, purge, change = (
        SQSBackend.receive_message,
        SQSBackend.purge_queue,
        SQSBackend.change_message_visibility,
    )
    delete = Queue.delete_message

    def with_lock_of(operation: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(operation)
        def locked(backend: SQSBackend, queue_name: str, *arguments: object, **named: object) -> object:
            with backend.get_queue(queue_name)._messages_lock:
                return operation(backend, queue_name, *arguments, **named)

        return locked

    @functools.wraps(delete)
    def delete_locked(queue: Queue, receipt_handle: str) -> None:
        with queue._messages_lock:
            delete(queue, receipt_handle)

    SQSBackend.receive_message = with_lock_of(receive)  # type: ignore[method-assign]  # moto offers no other way in
    SQSBackend.purge_queue = with_lock_of(purge)  # type: ignore[method-assign]  # as above
    SQSBackend.change_message_visibility = with_lock_of(change)  # type: ignore[method-assign]  # as above
    Queue.delete_message = delete_locked  # type: ignore[assignment,method-assign]  # as above
