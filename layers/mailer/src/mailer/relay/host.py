"""The name of a relay as a project may write it: a fully qualified host name, which its certificate is checked against.

Nothing here resolves anything, and nothing that a resolver reads in a way of its own gets through: numbers, hexadecimal
forms, trailing dots, look-alike digits. A single label or an address needs the operator's ranges.
"""

from ipaddress import ip_address
from typing import Final

from mailer.message.address import MAX_DOMAIN, InvalidAddress, is_host_name, parse_domain
from mailer.relay.policy import RelayPolicy

# Only a local resolver answers for these, as for a single label.
_LOCAL_DOMAINS: Final = (".internal", ".local", ".localhost")
_MISTAKES: Final = (
    ("://", "Remove the scheme: write smtp.example.com, not a URL."),
    ("@", "Remove everything up to the @: the user name belongs into smtpUsername."),
    ("/", "Remove the slash: write only the host name."),
    ("[", "Remove the brackets."),
    ("_", "Host names have no underscore; check the name."),
    (" ", "Remove the space: give one host name."),
)


class InvalidHost(ValueError):
    """The text names no relay that may be reached; `code` is stable, `detail` states the remedy."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def parse_host(text: str, policy: RelayPolicy) -> str:
    """Return the host name in A-labels, or the address that the operator allows; raises `InvalidHost`."""
    if len(text) > MAX_DOMAIN:
        raise InvalidHost("host-malformed", f"A host name has at most {MAX_DOMAIN} characters.")
    if (address := _address(text)) is not None:
        if policy.covers(address):
            return address
        raise InvalidHost(
            "host-not-allowed",
            "Give the relay's host name, which its certificate is checked against; the operator allows no relay by "
            "this address.",
        )
    host = _host_name(text)
    if not policy.networks and ("." not in host or host.lower().endswith(_LOCAL_DOMAINS)):
        raise InvalidHost(
            "host-not-allowed",
            "Write the fully qualified host name, such as smtp.example.com; the operator allows no relay in the "
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
        raise InvalidHost("host-malformed", "Remove the colon and the port: the port belongs into smtpPort.")
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
