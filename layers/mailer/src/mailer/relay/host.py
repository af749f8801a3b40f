"""Parse a relay's host name. It must be fully qualified, because the relay's certificate must contain it.

No name is resolved here. Forms that resolvers treat differently are refused: numbers, hexadecimal forms, trailing dots,
look-alike digits. A single label or an address is allowed only if the operator set `AllowedRelayCidrs`.
"""

from ipaddress import ip_address
from typing import Final

from mailer.message.address import MAX_DOMAIN, InvalidAddress, is_host_name, parse_domain
from mailer.problem import InvalidText
from mailer.relay.policy import RelayPolicy

# Only local resolvers know these names. The same is true of a single label.
_LOCAL_DOMAINS: Final = (".internal", ".local", ".localhost")
_MISTAKES: Final = (
    ("://", "Remove the scheme: write smtp.example.com, not a URL."),
    ("@", "Remove everything up to the @. The user name is a setting of its own."),
    ("/", "Remove the slash: write only the host name."),
    ("[", "Remove the brackets."),
    ("_", "Check the name: host names have no underscore."),
    (" ", "Remove the space: give one host name."),
)


class InvalidHost(InvalidText):
    """The text is not an allowed host."""


def parse_host(text: str, policy: RelayPolicy) -> str:
    """Return the host name in A-labels, or an address that the operator allows; raises `InvalidHost`."""
    if len(text) > MAX_DOMAIN:
        raise InvalidHost("host-malformed", f"Shorten it: a host name has at most {MAX_DOMAIN} characters.")
    if (address := _address(text)) is not None:
        if policy.covers(address):
            return address
        raise InvalidHost(
            "host-not-allowed",
            "Give the relay's host name: the operator does not allow this address.",
        )
    host = _host_name(text)
    if not policy.networks and ("." not in host or host.lower().endswith(_LOCAL_DOMAINS)):
        raise InvalidHost(
            "host-not-allowed",
            "Write the fully qualified host name, such as smtp.example.com: the operator allows no relay in the "
            "platform's own network.",
        )
    return host


def _host_name(text: str) -> str:
    for mistake, remedy in _MISTAKES:
        if mistake in text:
            raise InvalidHost("host-malformed", remedy)
    if text.endswith("."):
        raise InvalidHost("host-malformed", "Remove the dot at the end.")
    if text.count(":") == 1:
        raise InvalidHost("host-malformed", "Remove the colon and the port. The port is a setting of its own.")
    try:
        host = text if text.isascii() else parse_domain(text)
    except InvalidAddress:
        host = ""
    if not is_host_name(host, minimum_labels=1):
        raise InvalidHost(
            "host-malformed", "Write the relay's host name, such as smtp.example.com: letters, digits, hyphens, dots."
        )
    return host


def _address(text: str) -> str | None:
    try:
        return None if "%" in text else str(ip_address(text))
    except ValueError:
        return None
