"""A real Postfix as the sink: a separate instance in a temporary directory, which discards accepted mail.

It needs an installed Postfix and root. There is no AUTH, because Postfix needs a SASL server for it.
"""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.authority import Certificates
from benchmarks.helper_process import ProgramFailed
from benchmarks.sink import listener_name
from benchmarks.spec import HOST, Security

_START_SECONDS = 15.0

_MAIN = """\
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file =
mail_owner = postfix
inet_interfaces = {host}
inet_protocols = ipv4
myhostname = sink.example
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
default_transport = discard:
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_forbid_unauth_pipelining = yes
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
smtpd_tls_chain_files = {key}, {chain}
smtpd_tls_mandatory_protocols = >=TLSv1.3
smtpd_tls_session_cache_database =
message_size_limit = 52428800
"""

_SERVICES = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

_OPTIONS = {
    Security.PLAIN: "-o smtpd_tls_security_level=none",
    Security.STARTTLS: "-o smtpd_tls_security_level=encrypt",
    Security.IMPLICIT: "-o smtpd_tls_wrappermode=yes -o smtpd_tls_security_level=encrypt",
}


class PostfixNotRunning(Exception):
    """Postfix cannot run on this machine; the text says why."""


@contextmanager
def running_postfix(directory: Path, certificates: Certificates) -> Iterator[Mapping[str, int]]:
    """Run Postfix and yield its ports, with the same names as the ports of the sink."""
    program = shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise PostfixNotRunning("--postfix needs an installed Postfix")
    if os.geteuid() != 0:
        raise PostfixNotRunning("--postfix needs root, as Postfix itself does")
    home = directory / "postfix"
    ports = _configure(home, certificates)
    command = [program, "-c", str(home / "etc"), "start-fg"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as process:  # noqa: S603
        try:
            _wait_for(process, ports)
            yield ports
        finally:
            process.terminate()


def _configure(home: Path, certificates: Certificates) -> dict[str, int]:
    # Postfix's user must be able to enter every directory above its queue.
    home.parent.chmod(0o755)
    (home / "etc").mkdir(parents=True)
    (home / "queue").mkdir()
    (home / "data").mkdir()
    shutil.chown(home / "data", pwd.getpwnam("postfix").pw_uid)
    (home / "etc" / "main.cf").write_text(
        _MAIN.format(directory=home, host=HOST, key=certificates.key, chain=certificates.chain), "ascii"
    )
    ports: dict[str, int] = {}
    services = [_SERVICES]
    for security, options in _OPTIONS.items():
        for chunking in (True, False):
            port = ports[listener_name(security, chunking=chunking)] = _free_port()
            hidden = "silent-discard" if chunking else "chunking,silent-discard"
            services.append(f"{HOST}:{port} inet n - n - - smtpd {options} -o smtpd_discard_ehlo_keywords={hidden}\n")
    (home / "etc" / "master.cf").write_text("".join(services), "ascii")
    return ports


def _wait_for(process: subprocess.Popen[bytes], ports: Mapping[str, int]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            for port in ports.values():
                socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise ProgramFailed("Postfix did not start; its log says why")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
