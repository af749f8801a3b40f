"""A scriptable HTTP service on loopback: it records requests and answers, hangs or breaks as the test decides.

`HttpService(behave)` calls `behave` for every complete request and records it in `requests`. `on_connect` decides what
happens at the first octet of a request, before the request is read. With a context the service uses TLS.
"""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Self


@dataclass(frozen=True)
class Request:
    """One complete request, as received."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """The operation's name in JSON protocols; the path in REST protocols."""
        return self.headers.get("x-amz-target", self.target).rpartition(".")[2]

    def json(self) -> dict[str, object]:
        """The body, which must be a JSON object."""
        parsed = json.loads(self.body)
        assert isinstance(parsed, dict)
        return parsed


@dataclass(frozen=True)
class Answer:
    """A complete answer. With `cut_after`, the connection ends after this many octets of the body."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    keep_alive: bool = True


@dataclass(frozen=True)
class Hang:
    """Do not answer until the server is closed."""


@dataclass(frozen=True)
class Close:
    """Close the connection in order, without an answer."""


@dataclass(frozen=True)
class Reset:
    """Break the connection (RST)."""


type Behaviour = Answer | Hang | Close | Reset


class HttpService:
    """The service; use it as a context manager."""

    def __init__(
        self,
        behave: Callable[[Request], Behaviour],
        *,
        on_connect: Callable[[int], Behaviour | None] | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.failed_handshakes = 0
        self._behave = behave
        self._on_connect = on_connect
        self._context = context
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._ended = threading.Semaphore(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def await_end_of_a_connection(self) -> None:
        """Wait until the service has closed one more connection."""
        assert self._ended.acquire(timeout=10)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self._lock:
            for connection in (*self._open, self._listener):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=5)
            assert not thread.is_alive()

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                number = self.connections
                self._open.add(connection)
            self._start(partial(self._welcome, connection, number))

    def _welcome(self, connection: socket.socket, number: int) -> None:
        if self._context is None:
            self._serve(connection, number)
            return
        try:
            protected = self._context.wrap_socket(connection, server_side=True)
        except OSError:
            self.failed_handshakes += 1
            connection.close()
            return
        with self._lock:
            self._open.add(protected)
        self._serve(protected, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, suppress(OSError):
            reaction = self._on_connect(number) if self._on_connect is not None else None
            if reaction is not None:
                # With TLS the server cannot peek. The reaction does not depend on the octet.
                connection.recv(1, 0 if self._context is not None else socket.MSG_PEEK)
                self._react(connection, reaction)
                # Closing with unread octets would send a reset, which could overtake the answer.
                while isinstance(reaction, Answer) and connection.recv(65536):
                    pass
                return
            stream = connection.makefile("rb")
            while (request := _read_request(stream.readline, stream.read)) is not None:
                self.requests.append(request)
                behaviour = self._behave(request)
                self._react(connection, behaviour)
                if not isinstance(behaviour, Answer) or not behaviour.keep_alive or behaviour.cut_after is not None:
                    break
            stream.close()
        with self._lock:
            self._open.discard(connection)
        self._ended.release()

    def _react(self, connection: socket.socket, behaviour: Behaviour) -> None:
        match behaviour:
            case Answer():
                connection.sendall(_octets(behaviour))
            case Hang():
                self._over.wait()
            case Reset():
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case Close():
                connection.shutdown(socket.SHUT_RDWR)


def _read_request(readline: Callable[[], bytes], read: Callable[[int], bytes]) -> Request | None:
    start = readline().decode().split()
    if len(start) != 3:
        return None
    headers: dict[str, str] = {}
    while (line := readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    body = read(length)
    return Request(start[0], start[1], headers, body) if len(body) == length else None


def _octets(answer: Answer) -> bytes:
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(answer.body)),
        "Connection": "keep-alive" if answer.keep_alive else "close",
        **answer.headers,
    }
    head = f"HTTP/1.1 {answer.status} Status\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return head.encode() + b"\r\n" + answer.body[: answer.cut_after]
