"""Postfix. It asks a program of its own whether a login is right; every accepted message goes to its queue `hold`."""

import base64
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tests.relays.packages import group_id, user_id
from tests.relays.server import LOOPBACK, PASSWORD, USERNAME, RealServer

_QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")
_MAIN = """\
compatibility_level = 3.6
maillog_file = /var/log/postfix.log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example.com
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
default_privs = mailer
mynetworks = 192.0.2.0/24
smtpd_peername_lookup = no
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{login_port}
smtpd_tls_chain_files = /etc/key.pem, /etc/chain.pem
smtpd_tls_session_cache_database =
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_sender_restrictions = check_sender_access regexp:/etc/postfix/senders
smtpd_recipient_restrictions = check_recipient_access regexp:/etc/postfix/recipients
smtpd_data_restrictions = check_client_access static:HOLD
"""
_MASTER = """\
127.0.0.1:{starttls} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes
127.0.0.1:{implicit} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes
127.0.0.1:{trusting} inet n - n - - smtpd -o smtpd_tls_security_level=encrypt -o mynetworks=127.0.0.0/8
    -o smtpd_relay_restrictions=permit_mynetworks,reject
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
smtp unix - - n - - smtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(RealServer):
    """Postfix with PIPELINING and CHUNKING."""

    package = "postfix"
    name = "Postfix"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._logins = _Logins()

    @property
    def command(self) -> Sequence[str]:
        return ("/usr/lib/postfix/sbin/master", "-c", "/etc/postfix", "-s")

    def configure(self) -> None:
        options = "".join(f"{name} = {value}\n" for name, value in self.options.items())
        self.write("etc/postfix/main.cf", _MAIN.format(login_port=self._logins.port) + options)
        self.write("etc/postfix/master.cf", _MASTER.format_map(vars_of(self)))
        self.write("etc/postfix/recipients", "/^dead/ 550 5.1.1 User unknown\n/^later/ 450 4.2.1 Try later\n")
        self.write("etc/postfix/senders", "/^forged@/ 553 5.7.1 Sender address rejected: not owned by user\n")

    def empty(self) -> None:
        owner, group = user_id("postfix"), group_id("postdrop")
        self.make_directory("var/spool/postfix", mode=0o755)
        for queue in _QUEUES:
            self.make_directory(f"var/spool/postfix/{queue}", user=owner)
        self.make_directory("var/spool/postfix/pid", mode=0o755)
        self.make_directory("var/spool/postfix/public", user=owner, group=group, mode=0o710)
        self.make_directory("var/spool/postfix/maildrop", user=owner, group=group, mode=0o730)
        self.make_directory("var/lib/postfix", user=owner)

    def stored(self) -> list[bytes]:
        # A file that may be executed was written completely.
        complete = (each for each in self._held() if each.stat().st_mode & 0o100)
        return [self.run("/usr/sbin/postcat", "-bhq", each.name).replace(b"\n", b"\r\n") for each in complete]

    def _held(self) -> Iterator[Path]:
        yield from (self.root / "var/spool/postfix/hold").iterdir()


def vars_of(server: RealServer) -> dict[str, int]:
    """Return the ports by their names."""
    ports = server.ports
    return {"starttls": ports.starttls, "implicit": ports.implicit, "trusting": ports.trusting}


class _Logins:
    """Answers Postfix's questions about logins in Dovecot's protocol for authentication."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    @staticmethod
    def _answer(client: socket.socket) -> None:
        right = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode()
        with client, client.makefile("rw", newline="\n") as stream, suppress(OSError):
            stream.write("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n")
            stream.flush()
            for line in stream:
                kind, *fields = line.rstrip("\n").split("\t")
                if kind == "AUTH":
                    is_right = f"resp={right}" in fields
                    stream.write(f"OK\t{fields[0]}\tuser={USERNAME}\n" if is_right else f"FAIL\t{fields[0]}\n")
                    stream.flush()
