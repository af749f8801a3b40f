"""A client that sends and reads raw octets, for tests of the test servers."""

import contextlib
import socket
import ssl
from collections.abc import Iterator


class RawClient:
    """A blocking connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = b""

    def send(self, octets: bytes) -> None:
        """Send the octets."""
        self.connection.sendall(octets)

    def read_line(self) -> bytes:
        """Return a line with its line end, or the rest of the stream."""
        while b"\n" not in self._buffer:
            octets = self.connection.recv(65536)
            if not octets:
                break
            self._buffer += octets
        line, separator, self._buffer = self._buffer.partition(b"\n")
        return line + separator

    def read_reply(self) -> bytes:
        """Return a reply of one or more lines."""
        reply = line = self.read_line()
        while line[3:4] == b"-":
            line = self.read_line()
            reply += line
        return reply

    def ask(self, command: bytes) -> bytes:
        """Send a command line and return the reply."""
        self.send(command + b"\r\n")
        return self.read_reply()

    def read_all(self) -> bytes:
        """Return everything up to the end of the stream."""
        octets, self._buffer = self._buffer, b""
        while piece := self.connection.recv(65536):
            octets += piece
        return octets


@contextlib.contextmanager
def connect(port: int, *, tls: ssl.SSLContext | None = None, name: str = "relay.example.com") -> Iterator[RawClient]:
    """Connect to a relay on loopback."""
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        if tls is not None:
            connection = stack.enter_context(
                tls.wrap_socket(connection, server_hostname=name, suppress_ragged_eofs=False)
            )
        yield RawClient(connection)


def upgrade(client: RawClient, context: ssl.SSLContext, name: str = "relay.example.com") -> RawClient:
    """Do the client's side of a TLS handshake on the connection."""
    return RawClient(context.wrap_socket(client.connection, server_hostname=name, suppress_ragged_eofs=False))
