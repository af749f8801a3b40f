"""Run a real SMTP server in its own root, on loopback ports, and stop it at once with SIGKILL."""

import os
import shutil
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.relays.packages import NotAvailable, unpack
from tests.support.certificates import authority
from tests.support.patience import eventually
from tests.support.sending import RELAY_NAME

LOOPBACK = "127.0.0.1"
USERNAME, PASSWORD = "mailer", "open-sesame"
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Ports:
    """The ports of one run: STARTTLS with a login, implicit TLS with a login, and a port without a login."""

    starttls: int
    implicit: int
    trusting: int


class RealServer(ABC):
    """A server from the distribution's packages.

    Every server refuses the recipients `dead0@example.net` to `dead19@example.net`, and keeps accepted messages in its
    queue, where `stored` finds them. Without `has_login` it accepts messages only without TLS and login.
    """

    package: str
    name: str
    has_login: bool = True

    def __init__(self, directory: Path) -> None:
        self.root = unpack(self.package, directory)
        self.ports = Ports(*_free_ports(3))
        self.options: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._log = directory / f"{self.package}.log"
        key, chain = authority().files(RELAY_NAME)
        self.write("etc/key.pem", key)
        self.write("etc/chain.pem", chain)

    @abstractmethod
    def configure(self) -> None:
        """Write the configuration, with `options` of the test."""

    @abstractmethod
    def empty(self) -> None:
        """Remove everything that the server stored, and make its directories."""

    @property
    @abstractmethod
    def command(self) -> Sequence[str]:
        """The command that runs the server in the foreground, as seen in its root."""

    @abstractmethod
    def stored(self) -> list[bytes]:
        """Return the content of every message that the server took responsibility for."""

    def fresh(self, **options: str) -> None:
        """Start with an empty queue and these options of the server's own configuration."""
        self.kill()
        self.options = options
        self.empty()
        self.configure()
        self.start()

    def start(self) -> None:
        """Start the server, and wait until it listens; raises `NotAvailable`."""
        with self._log.open("ab") as log:
            self._process = process = subprocess.Popen(  # noqa: S603 -- the server's own command
                ["chroot", str(self.root), *self.command],  # noqa: S607 -- of the system
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        listeners = (self.ports.starttls, self.ports.implicit) if self.has_login else (self.ports.trusting,)
        with suppress(AssertionError):
            eventually(lambda: process.poll() is not None or all(map(_listens, listeners)), within=_START_SECONDS)
        if not all(map(_listens, listeners)):
            said = self._log.read_text("utf-8", "replace").strip().splitlines()[-3:]
            self.kill()
            raise NotAvailable(f"{self.name} did not start: {' / '.join(said)}")

    def kill(self) -> None:
        """End every process of the server at once, as a power failure does."""
        eventually(self._is_dead, within=_STOP_SECONDS)
        if self._process is not None:
            self._process.wait(_STOP_SECONDS)
            self._process = None

    def _is_dead(self) -> bool:
        running = _processes_in(self.root)
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not running

    def write(self, path: str, content: str | bytes, *, mode: int = 0o644) -> None:
        """Write a file of the server's root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(mode)

    def make_directory(self, path: str, *, user: int = 0, group: int | None = None, mode: int = 0o700) -> Path:
        """Make an empty directory of the server's root."""
        directory = self.root / path
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        os.chown(directory, user, user if group is None else group)
        directory.chmod(mode)
        return directory

    def run(self, *command: str) -> bytes:
        """Run a command of the server in its root, and return its output."""
        return subprocess.run(  # noqa: S603 -- the server's own command
            ["chroot", str(self.root), *command],  # noqa: S607 -- of the system
            capture_output=True,
            check=True,
            timeout=30,
        ).stdout


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((LOOPBACK, port)) == 0


def _processes_in(root: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            is_ours = entry.name.isdigit() and (entry / "root").readlink() == root
            if is_ours and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(entry.name))
    return found
