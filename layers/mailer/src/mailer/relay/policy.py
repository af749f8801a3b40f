"""Which relays and HTTPS servers the operator allows: ports, addresses and timeouts.

An address is allowed if it is public by the IANA special-purpose registries or in the operator's own ranges.
`ipaddress.is_global` is not used: it is true for multicast, NAT64 and other ranges that lead to private networks.
"""

from copy import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

type Network = IPv4Network | IPv6Network

HTTPS_PORT = 443
DEFAULT_PORTS = ((25, 25), (465, 465), (587, 587), (2465, 2465), (2525, 2525), (2587, 2587))

_SPECIAL = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    )
)  # fmt: skip
_GLOBAL_IPV6 = IPv6Network("2000::/3")


class RelayPolicy(msgspec.Struct, frozen=True):
    """The operator's limits. `ports` are inclusive ranges; addresses in `networks` are allowed although not public.

    `https_networks` are the same for token endpoints and providers' APIs. The timeouts, in seconds, are the smallest
    and the largest that a project may configure.
    """

    ports: tuple[tuple[int, int], ...] = DEFAULT_PORTS
    networks: tuple[Network, ...] = ()
    https_networks: tuple[Network, ...] = ()
    minimum_timeout: float = 1.0
    maximum_timeout: float = 20.0

    def for_https(self) -> "RelayPolicy":
        """Return the limits for HTTPS servers: their own networks, and port 443 as well."""
        return replace(self, networks=self.https_networks, ports=(*self.ports, (HTTPS_PORT, HTTPS_PORT)))

    def allows_port(self, port: int) -> bool:
        """Tell whether the platform may connect to this port."""
        return any(first <= port <= last for first, last in self.ports)

    def allows_address(self, text: str) -> bool:
        """Tell whether the platform may connect to this address; an IPv4-mapped address counts as its IPv4 address."""
        return self.covers(text) or _is_public(_parse(text))

    def covers(self, text: str) -> bool:
        """Tell whether the address is in the operator's own ranges."""
        address = _parse(text)
        return address is not None and any(address in network for network in self.networks)


def parse_network(text: str) -> Network:
    """Return the CIDR range; raises `ValueError` if it is malformed or has host bits."""
    return ip_network(text)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        return address.ipv4_mapped or address
    return address


def _is_public(address: IPv4Address | IPv6Address | None) -> bool:
    if address is None or any(address in network for network in _SPECIAL):
        return False
    return address.version == 4 or address in _GLOBAL_IPV6
