"""Exim. It delivers nothing: every accepted message stays in its spool."""

from collections.abc import Sequence

from tests.relays.packages import user_id
from tests.relays.server import PASSWORD, USERNAME, RealServer

_CONFIGURATION = """\
primary_hostname = relay.example.com
daemon_smtp_ports = {starttls} : {implicit} : {trusting}
local_interfaces = 127.0.0.1
tls_on_connect_ports = {implicit}
tls_advertise_hosts = *
tls_certificate = /etc/chain.pem
tls_privatekey = /etc/key.pem
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
host_lookup =
rfc1413_hosts =
queue_only = true
acl_smtp_mail = acl_mail
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = accept
{options}
begin acl
acl_mail:
  accept
acl_rcpt:
  deny senders = forged@*
       message = Sender address rejected: not owned by user
  deny local_parts = ^dead
       message = User unknown
  defer local_parts = ^later
       message = Try later
  drop local_parts = ^drop
       message = Go away
  accept authenticated = *
  accept condition = ${{if eq{{$received_port}}{{{trusting}}}}}
  deny message = relay not permitted
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{username}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
"""


class Exim(RealServer):
    """Exim with PIPELINING and CHUNKING."""

    package = "exim4-daemon-light"
    name = "Exim"

    @property
    def command(self) -> Sequence[str]:
        return ("/usr/sbin/exim4", "-bdf")

    def configure(self) -> None:
        text = _CONFIGURATION.format(
            starttls=self.ports.starttls,
            implicit=self.ports.implicit,
            trusting=self.ports.trusting,
            username=USERNAME,
            password=PASSWORD,
            options="".join(f"{name} = {value}\n" for name, value in self.options.items()),
        )
        self.write("etc/exim4/exim4.conf", text)
        (self.root / "etc/key.pem").chmod(0o644)

    def empty(self) -> None:
        owner = user_id("Debian-exim")
        for name in ("var/spool/exim4", "var/spool/exim4/input", "var/spool/exim4/db", "var/spool/exim4/msglog"):
            self.make_directory(name, user=owner, mode=0o750)
        self.make_directory("var/log/exim4", user=owner, mode=0o750)

    def stored(self) -> list[bytes]:
        spool = self.root / "var/spool/exim4/input"
        ids = (each.name.removesuffix("-H") for each in spool.glob("*-H"))
        return [self.run("/usr/sbin/exim4", "-Mvc", each).replace(b"\n", b"\r\n") for each in ids]
