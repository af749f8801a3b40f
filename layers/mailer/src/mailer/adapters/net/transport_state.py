"""State of asyncio's transports that asyncio does not expose: unsent octets and unread input."""

import asyncio
import select

# asyncio does not report that the buffer is empty, so the buffer is polled.
FLUSH_POLL_SECONDS = 0.002


def unsent_octets(transport: asyncio.WriteTransport) -> int:
    """Count the octets that the kernel has not accepted yet; the peer cannot have them."""
    # asyncio's TLS transport counts only octets that are not encrypted yet; the others are in the transport below.
    below = _below(transport)
    return transport.get_write_buffer_size() + (below.get_write_buffer_size() if below is not None else 0)


def is_gone(transport: asyncio.WriteTransport) -> bool:
    """Tell whether the connection is known to be lost or closing."""
    # A TLS transport learns late that the transport below is lost. By then its unsent octets were dropped. The empty
    # buffers must not be taken for delivered octets.
    if transport.is_closing():
        return True
    below = _below(transport)
    return hasattr(transport, "_ssl_protocol") and (below is None or below.is_closing())


def has_news(transport: asyncio.BaseTransport) -> bool:
    """Tell whether the socket may hold unread input: the end of the connection, or messages of TLS itself."""
    connection = transport.get_extra_info("socket")
    if connection is None or connection.fileno() < 0:
        return True
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLIN)
    return bool(poller.poll(0))


def _below(transport: asyncio.WriteTransport) -> asyncio.WriteTransport | None:
    below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    return below if isinstance(below, asyncio.WriteTransport) else None
