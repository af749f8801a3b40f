"""The addresses and ports that a relay may have."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailer.relay.policy import RelayPolicy, parse_network

POLICY = RelayPolicy()

FORBIDDEN = [
    "0.0.0.0",  # noqa: S104 -- to be refused, not to bind to
    "127.0.0.1", "127.255.255.254", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "100.64.0.1", "100.127.255.255", "169.254.169.254", "169.254.169.253", "169.254.170.2", "224.0.0.1", "239.1.2.3",
    "240.0.0.1", "255.255.255.255", "192.0.0.1", "192.0.0.170", "192.0.2.1", "192.88.99.1", "198.18.0.1",
    "198.19.255.255", "198.51.100.1", "203.0.113.1", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::169.254.169.254",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1", "2001:10::1", "2001:20::1",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fd12:3456::1", "fe80::1",
    "fe80::1%eth0", "fec0::1", "5f00::1", "ff02::1", "4000::1", "2620:4f:8000::1",
]  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_private_address_is_refused(address: str) -> None:
    assert not POLICY.allows_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "192.0.1.1",
        "223.255.255.255", "2001:4860:4860::8888", "2a00:1450:4001::1a", "2606:4700::1111", "::ffff:8.8.8.8",
    ],
)  # fmt: skip
def test_a_public_address_is_allowed(address: str) -> None:
    assert POLICY.allows_address(address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "0x7f.1",
        "2130706433",
        "127.1",
        "0177.0.0.1",
        "8.8.8.8 ",
        "\uff18.8.8.8",
        "[::1]",
        "8.8.8.8/32",
        "8.8.8.8:25",
    ],
)
def test_an_address_that_is_not_canonical_is_refused(text: str) -> None:
    assert not POLICY.allows_address(text)


SPECIAL_IPV4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
        "240.0.0.0/4",
    )
]  # fmt: skip
INSIDE = st.sampled_from(SPECIAL_IPV4).flatmap(
    lambda network: st.integers(int(network.network_address), int(network.broadcast_address)).map(IPv4Address)
)
EMBEDDINGS = {
    "mapped": lambda address: IPv6Address((0xFFFF << 32) | int(address)),
    "compatible": lambda address: IPv6Address(int(address)),
    "translated": lambda address: IPv6Address((0xFFFF << 48) | int(address)),
    "NAT64": lambda address: IPv6Address((0x64FF9B << 96) | int(address)),
    "local NAT64": lambda address: IPv6Address((0x64FF9B0001 << 80) | int(address)),
    "6to4": lambda address: IPv6Address((0x2002 << 112) | (int(address) << 80)),
    "Teredo": lambda address: IPv6Address((0x20010000 << 96) | (int(address) ^ 0xFFFFFFFF)),
}


def is_outside_global_unicast(address: IPv6Address) -> bool:
    return address not in IPv6Network("2000::/3") and address.ipv4_mapped is None


@given(INSIDE)
def test_no_special_ipv4_address_is_allowed(address: IPv4Address) -> None:
    assert not POLICY.allows_address(str(address))


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@given(INSIDE)
def test_no_ipv6_form_of_a_special_ipv4_address_is_allowed(embedding: str, address: IPv4Address) -> None:
    embedded = EMBEDDINGS[embedding](address)

    assert not POLICY.allows_address(str(embedded))
    assert not POLICY.allows_address(embedded.exploded)


@given(st.integers(0, 2**128 - 1).map(IPv6Address).filter(is_outside_global_unicast))
def test_no_ipv6_address_outside_global_unicast_is_allowed(address: IPv6Address) -> None:
    assert not POLICY.allows_address(str(address))


@given(st.ip_addresses())
def test_every_allowed_address_is_global_in_the_standard_library(address: IPv4Address | IPv6Address) -> None:
    assert not POLICY.allows_address(str(address)) or ip_address(str(address)).is_global


@given(st.text())
def test_any_text_is_allowed_or_refused(text: str) -> None:
    assert POLICY.allows_address(text) in (True, False)


OPENED = RelayPolicy(networks=(parse_network("10.20.0.0/16"), parse_network("fd00:20::/32")))


@pytest.mark.parametrize("address", ["10.20.0.1", "::ffff:10.20.0.1", "fd00:20::25"])
def test_the_operators_ranges_allow_their_addresses(address: str) -> None:
    assert OPENED.covers(address)
    assert OPENED.allows_address(address)


@pytest.mark.parametrize("address", ["10.21.0.1", "127.0.0.1", "fd00:21::1", "169.254.169.254", "64:ff9b::a14:1"])
def test_the_operators_ranges_allow_no_other_address(address: str) -> None:
    assert not OPENED.allows_address(address)


def test_a_public_address_is_not_in_the_operators_ranges() -> None:
    assert not POLICY.covers("8.8.8.8")


def test_only_the_default_ports_are_allowed() -> None:
    assert [port for port in range(65536) if POLICY.allows_port(port)] == [25, 465, 587, 2465, 2525, 2587]


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10/8", "x", "", "10.0.0.0/33", "::/129"])
def test_a_range_is_canonical_cidr(text: str) -> None:
    with pytest.raises(ValueError, match=r"host bits set|does not appear"):
        parse_network(text)
