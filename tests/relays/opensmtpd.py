"""OpenSMTPD. Its next hop refuses connections, so every accepted message stays in its queue."""

from collections.abc import Sequence

from tests.relays.packages import user_id
from tests.relays.server import RealServer

_CONFIGURATION = """\
table dead file:/etc/dead
{options}
listen on 127.0.0.1 port {trusting} hostname relay.example.com
action "keep" relay host smtp://127.0.0.1:1
match from any for rcpt-to <dead> reject
match from any for any action "keep"
"""


class OpenSmtpd(RealServer):
    """OpenSMTPD, which offers neither PIPELINING nor CHUNKING. Its TLS does not work in a root of its own."""

    package = "opensmtpd"
    name = "OpenSMTPD"
    has_login = False

    @property
    def command(self) -> Sequence[str]:
        return ("/usr/sbin/smtpd", "-d")

    def configure(self) -> None:
        options = "".join(f"{name} {value}\n" for name, value in self.options.items())
        self.write("etc/smtpd.conf", _CONFIGURATION.format(trusting=self.ports.trusting, options=options))
        self.write("etc/dead", "".join(f"dead{number}@example.net\n" for number in range(20)))

    def empty(self) -> None:
        queue = user_id("opensmtpq")
        self.make_directory("var/spool/smtpd", mode=0o711)
        for name in ("corrupt", "incoming", "purge", "queue", "temporary"):
            self.make_directory(f"var/spool/smtpd/{name}", user=queue, group=0)
        self.make_directory("var/spool/smtpd/offline", group=queue, mode=0o770)
        self.make_directory("var/lib/opensmtpd/empty", mode=0o755)

    def stored(self) -> list[bytes]:
        queue = self.root / "var/spool/smtpd/queue"
        return [each.read_bytes().replace(b"\n", b"\r\n") for each in queue.glob("*/*/message")]
