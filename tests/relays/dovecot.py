"""Dovecot's submission service. It hands every message to another server, which is a test server here."""

from collections.abc import Sequence
from pathlib import Path

from tests.relays.packages import user_id
from tests.relays.server import PASSWORD, RealServer
from tests.support.faulty_relay import Relay
from tests.support.hostile_relay import HostileRelay

_CONFIGURATION = """\
protocols = submission
log_path = /var/log/dovecot.log
base_dir = /run/dovecot
ssl = required
ssl_cert = </etc/chain.pem
ssl_key = </etc/key.pem
mail_location = maildir:~/Maildir
hostname = relay.example.com
submission_relay_host = 127.0.0.1
submission_relay_port = {backend}
submission_relay_trusted = no
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home=/home/mailer
}}
service submission-login {{
  inet_listener submission {{
    address = 127.0.0.1
    port = {starttls}
  }}
  inet_listener submissions {{
    address = 127.0.0.1
    port = {implicit}
    ssl = yes
  }}
}}
{options}
"""
_UNKNOWN = b"550 5.1.1 User unknown\r\n"


class Dovecot(RealServer):
    """Dovecot in front of a server that stores what it gets."""

    package = "dovecot-submissiond"
    name = "Dovecot"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        answers = {f"dead{number}@example.net".encode(): _UNKNOWN for number in range(20)}
        self._backend = HostileRelay(Relay(answers=answers, extensions=(b"PIPELINING", b"SIZE 52428800", b"8BITMIME")))
        self._backend.__enter__()
        self._seen = 0

    @property
    def command(self) -> Sequence[str]:
        return ("/usr/sbin/dovecot", "-F")

    def configure(self) -> None:
        text = _CONFIGURATION.format(
            backend=self._backend.port,
            password=PASSWORD,
            owner=user_id("mailer"),
            starttls=self.ports.starttls,
            implicit=self.ports.implicit,
            options="".join(f"{name} = {value}\n" for name, value in self.options.items()),
        )
        self.write("etc/dovecot/dovecot.conf", text)

    def empty(self) -> None:
        self.make_directory("run/dovecot", mode=0o755)
        self.make_directory("home/mailer", user=user_id("mailer"))
        self.make_directory("var/lib/dovecot", mode=0o755)
        self._seen = len(self._backend.messages)

    def stored(self) -> list[bytes]:
        return [message.content for message in self._backend.messages[self._seen :]]
