"""Parse the https address of a token endpoint or a provider's API.

The rules for a relay's host apply, with the networks that the operator allows for HTTPS. The port must be 443 or a port
that the operator allows. No name is resolved here. A user name, password or fragment is refused, because admins see the
address.
"""

import re

import msgspec

from mailer.problem import InvalidText
from mailer.relay.host import InvalidHost, parse_host
from mailer.relay.policy import HTTPS_PORT, RelayPolicy

_MAX_URL = 2048
_URL = re.compile(
    r"https://(?P<host>[^\s/?#:@\[\]\\]+)(?::(?P<port>[1-9][0-9]{0,4}))?(?P<target>/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?\Z",
    re.IGNORECASE,
)


class InvalidUrl(InvalidText):
    """The text is not an allowed address."""


class HttpsUrl(msgspec.Struct, frozen=True):
    """Host, port and request target of an https address."""

    host: str
    port: int = HTTPS_PORT
    target: str = "/"

    @property
    def authority(self) -> str:
        """The value of the Host field."""
        return self.host if self.port == HTTPS_PORT else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"https://{self.authority}{self.target}"


def parse_https_url(text: str, policy: RelayPolicy) -> HttpsUrl:
    """Return the address; raises `InvalidUrl`."""
    allowed = policy.for_https()
    if not text.lower().startswith("https://"):
        raise InvalidUrl("url-not-https", "Write the whole address, starting with https://.")
    if len(text) > _MAX_URL:
        raise InvalidUrl("url-malformed", f"Shorten it: an address has at most {_MAX_URL} characters.")
    matched = _URL.match(text)
    if matched is None:
        raise InvalidUrl(
            "url-malformed",
            "Write the address as https://host/path, without user name, password, fragment, spaces or brackets.",
        )
    try:
        host = parse_host(matched["host"], allowed)
    except InvalidHost as invalid:
        if invalid.code == "host-not-allowed":
            raise InvalidUrl(
                "url-not-allowed",
                "Write a fully qualified public host name: the operator allows no private network here.",
            ) from None
        raise InvalidUrl("url-malformed", "Correct the host: it has letters, digits, hyphens and dots.") from None
    port = int(matched["port"] or HTTPS_PORT)
    if not allowed.allows_port(port):
        raise InvalidUrl("url-port-not-allowed", "Remove the port: the operator allows only 443 for this address.")
    return HttpsUrl(host.lower(), port, matched["target"] or "/")
