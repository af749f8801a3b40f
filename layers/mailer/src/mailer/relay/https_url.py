"""The address of a service that we speak to over HTTPS, as a project may write it.

The host obeys the rules of a relay's host, the port is 443 or one that the operator allows, and nothing is resolved
here. A user name, a password or a fragment in it is refused: it is shown, and kept nowhere as a secret.
"""

import re

import msgspec

from mailer.relay.host import InvalidHost, parse_host
from mailer.relay.policy import RelayPolicy

HTTPS_PORT = 443
_MAX_URL = 2048
_URL = re.compile(
    r"https://(?P<host>[^\s/?#:@\[\]\\]+)(?::(?P<port>[1-9][0-9]{0,4}))?(?P<target>/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?\Z",
    re.IGNORECASE,
)


class InvalidUrl(ValueError):
    """The text is no address that may be spoken to; `code` is stable, `detail` states the remedy."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class HttpsUrl(msgspec.Struct, frozen=True):
    """Where to connect, and what to ask for there."""

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
    if not text.lower().startswith("https://"):
        raise InvalidUrl("url-not-https", "Write the whole address, beginning with https://.")
    if len(text) > _MAX_URL:
        raise InvalidUrl("url-malformed", f"An address has at most {_MAX_URL} characters.")
    matched = _URL.match(text)
    if matched is None:
        raise InvalidUrl(
            "url-malformed",
            "Write the address as https://host/path, without user name, password, fragment, spaces or brackets.",
        )
    try:
        host = parse_host(matched["host"], policy)
    except InvalidHost as invalid:
        if invalid.code == "host-not-allowed":
            raise InvalidUrl(
                "url-not-allowed",
                "Write a fully qualified public host name; the operator allows no service in the platform's own "
                "network by this name.",
            ) from None
        raise InvalidUrl(
            "url-malformed", "The host in the address is not a host name: letters, digits, hyphens, dots."
        ) from None
    port = int(matched["port"] or HTTPS_PORT)
    if port != HTTPS_PORT and not (port <= 65535 and policy.allows_port(port)):
        raise InvalidUrl("url-port-not-allowed", "Remove the port: the operator allows only 443 for this address.")
    return HttpsUrl(host.lower(), port, matched["target"] or "/")
