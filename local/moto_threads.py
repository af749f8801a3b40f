"""A correction of moto: its server uses a thread per request, but its backends expect a single thread.

Without it, two writers of one DynamoDB item could both find their condition true. A queue could lose a message if one
thread appends it while another thread removes a message. The stack must
not lose or double a message, so moto must not either.
"""

import functools
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.sqs.models import Queue, SQSBackend

from local.exchange import Environ, StartResponse, WsgiApp, observe

_SQS_TARGET = "AmazonSQS."


def one_at_a_time(app: WsgiApp) -> WsgiApp:
    """Serve requests of the JSON protocols one after the other.

    Requests to SQS are excepted, because they may wait for messages; they have their own locks.
    """
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
    """Patch moto: every operation that changes a queue's messages holds the queue's lock.

    A thread that waits for messages releases the lock while it waits.
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

    SQSBackend.receive_message = with_lock_of(receive)  # type: ignore[method-assign]  # moto has no hook for it
    SQSBackend.purge_queue = with_lock_of(purge)  # type: ignore[method-assign]  # as above
    SQSBackend.change_message_visibility = with_lock_of(change)  # type: ignore[method-assign]  # as above
    Queue.delete_message = delete_locked  # type: ignore[assignment,method-assign]  # as above
