"""Read the relay that a request gives for one message (an override).

The request gives host, port and credentials together. Stored credentials are never used: otherwise a caller could send
them to another host. An override is never stored, so a message with an override cannot be queued.
"""

from mailer.errors import InvalidRequest
from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import Relay
from mailer.secret import names
from mailer.secret.entries import Entries, Words
from mailer.secret.relay import read_relay
from mailer.secret.spelling import shown

# For each entry of the secret: its member in a request's transport. A preset is not allowed in a request.
_WORDS = Words(
    {
        names.HOST: "host", names.PORT: "port", names.SECURE: "secure", names.REQUIRE_TLS: "require_tls",
        names.AUTH: "auth", names.USERNAME: "username", names.PASSWORD: "password",
        names.CA_CERTIFICATE: "ca_certificate", names.CONNECTION_TIMEOUT: "connection_timeout",
        names.SOCKET_TIMEOUT: "socket_timeout",
    }
)  # fmt: skip
MEMBERS = tuple(_WORDS.names.values())


def read_override(value: object, policy: RelayPolicy, *, pointer: str = "/transport") -> Relay:
    """Return the relay of the request. The rules are the same as for a project's secret.

    Raises `InvalidRequest` with every problem and its pointer.
    """
    if not isinstance(value, dict):
        raise InvalidRequest(Problem("wrong-type", "Give an object of host, port and credentials.", pointer=pointer))
    problems = [
        Problem("unknown-field", "There is no member of this name. Remove it.", pointer=f"{pointer}/{_escaped(name)}")
        for name in value
        if name not in MEMBERS
    ]
    entries = Entries({name: member for name, member in value.items() if name in MEMBERS}, _WORDS)
    entries.require(names.HOST, "Give the relay's host name.")
    relay = read_relay(entries, policy)
    problems += [
        Problem(each.code, each.detail, pointer=f"{pointer}/{each.entry}" if each.entry in MEMBERS else pointer)
        for each in entries.problems
    ]
    if problems or relay is None:
        raise InvalidRequest(*problems)
    return relay


def _escaped(name: str) -> str:
    return shown(name).replace("~", "~0").replace("/", "~1")
