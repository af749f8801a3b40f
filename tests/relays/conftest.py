"""The real servers. A test of a server that this machine cannot unpack or start is skipped, with the reason."""

import atexit
from functools import cache
from pathlib import Path

import pytest

from tests.relays.dovecot import Dovecot
from tests.relays.exim import Exim
from tests.relays.opensmtpd import OpenSmtpd
from tests.relays.packages import NotAvailable
from tests.relays.postfix import Postfix
from tests.relays.server import RealServer

_DIRECTORY = Path(__file__).parents[2] / ".local" / "relays"
SERVERS: tuple[type[RealServer], ...] = (Postfix, Exim, OpenSmtpd, Dovecot)


@cache
def _unpacked(kind: type[RealServer]) -> RealServer | NotAvailable:
    try:
        server = kind(_DIRECTORY)
    except NotAvailable as missing:
        return missing
    atexit.register(server.kill)
    return server


def _started(kind: type[RealServer]) -> RealServer:
    server = _unpacked(kind)
    if isinstance(server, NotAvailable):
        pytest.skip(f"{kind.name} is not available: {server}")
    try:
        server.fresh()
    except NotAvailable as failed:
        pytest.skip(f"{kind.name} is not available: {failed}")
    return server


@pytest.fixture(params=SERVERS, ids=lambda kind: kind.name)
def server(request: pytest.FixtureRequest) -> RealServer:
    """Each server in turn, with an empty queue."""
    kind: type[RealServer] = request.param
    return _started(kind)


@pytest.fixture
def postfix() -> RealServer:
    """Postfix, with an empty queue."""
    return _started(Postfix)


@pytest.fixture
def exim() -> RealServer:
    """Exim, with an empty queue."""
    return _started(Exim)


@pytest.fixture
def opensmtpd() -> RealServer:
    """OpenSMTPD, with an empty queue."""
    return _started(OpenSmtpd)
