"""A transport that one message brings along: a whole destination, and nothing of the project's own.

Whoever may bring one names host, port and credentials together. Stored credentials are never mixed in, so none can be
sent to a host that a caller chose; and what was brought along is never stored, so such a message cannot wait.
"""

from collections.abc import Mapping

from mailer.errors import InvalidRequest
from mailer.problem import Problem
from mailer.relay.policy import RelayPolicy
from mailer.relay.relay import Relay
from mailer.secret import names
from mailer.secret.entries import Entries
from mailer.secret.relay import read_relay

# What a request calls the entries of a secret; a preset is no destination that a caller wrote down.
MEMBERS: Mapping[str, str] = {
    "host": names.HOST,
    "port": names.PORT,
    "secure": names.SECURE,
    "require_tls": names.REQUIRE_TLS,
    "auth": names.AUTH,
    "username": names.USERNAME,
    "password": names.PASSWORD,
    "ca_certificate": names.CA_CERTIFICATE,
    "connection_timeout": names.CONNECTION_TIMEOUT,
    "socket_timeout": names.SOCKET_TIMEOUT,
}
_MEMBER_OF_ENTRY = {entry: member for member, entry in MEMBERS.items()}


def read_override(value: object, policy: RelayPolicy, *, pointer: str = "/transport") -> Relay:
    """Parse the relay that a request brings along; raises `InvalidRequest` with every problem and its pointer.

    The rules are those of a project's secret, vetting of host and port included.
    """
    if not isinstance(value, dict):
        raise InvalidRequest(Problem("wrong-type", "Give an object of host, port and credentials.", pointer=pointer))
    problems = [
        Problem("unknown-field", "There is no member of this name. Remove it.", pointer=f"{pointer}/{_escaped(name)}")
        for name in value
        if name not in MEMBERS
    ]
    entries = Entries({MEMBERS[name]: member for name, member in value.items() if name in MEMBERS})
    entries.require(names.HOST, "Give the relay's host name.")
    relay = read_relay(entries, policy)
    problems += [_at(problem, pointer) for problem in entries.problems]
    if problems or relay is None:
        raise InvalidRequest(*problems)
    return relay


def _at(problem: Problem, pointer: str) -> Problem:
    member = _MEMBER_OF_ENTRY.get(problem.entry or "", "")
    detail = problem.detail
    for entry, name in sorted(_MEMBER_OF_ENTRY.items(), key=lambda each: -len(each[0])):
        detail = detail.replace(entry, name)
    return Problem(problem.code, detail, pointer=f"{pointer}/{member}" if member else pointer)


def _escaped(name: str) -> str:
    return names.shown(name).replace("~", "~0").replace("/", "~1")
