"""Which addresses count as public."""

from __future__ import annotations

import ipaddress

from hypothesis import example, given
from hypothesis import strategies as st

from kling_mcp.thumbnails.public_addresses import is_public

PRIVATE = [
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",  # shared by a carrier's customers
    "100.100.100.200",  # metadata of a cloud
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",  # host services of a cloud
    "169.254.169.254",  # metadata of most clouds
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.9",
    "192.0.0.192",  # metadata of a cloud
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",  # the old way to hide an IPv4 address
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1",  # translation inside one network
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo to 127.0.0.1
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::1",  # 6to4 of 127.0.0.1
    "2002:5db8:d822::1",  # 6to4 of a public address, through a relay that nobody knows
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # metadata of a cloud
    "fe80::1",
    "fe80::1%eth0",
    "2606:2800:21f::1%1",
    "fec0::1",
    "ff02::1",
]
NO_ADDRESS = ["", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "1.2.3.4/32", " 93.184.216.34", "[::1]"]
PUBLIC = [
    "1.1.1.1",
    "93.184.216.34",
    "172.15.0.1",
    "172.32.0.1",
    "100.63.255.255",
    "2606:4700::1111",
    "2a00:1450:4001:80b::200e",
    "::ffff:93.184.216.34",
    "64:ff9b::93.184.216.34",
]


def test_addresses_not_surely_public_are_refused() -> None:
    assert [address for address in [*PRIVATE, *NO_ADDRESS] if is_public(address)] == []


def test_the_public_internet_is_let_through() -> None:
    assert [address for address in PUBLIC if not is_public(address)] == []


@given(st.ip_addresses(v=4))
@example(ipaddress.IPv4Address("169.254.169.254"))
@example(ipaddress.IPv4Address("93.184.216.34"))
def test_a_wrapped_address_is_judged_like_the_one_inside(inner: ipaddress.IPv4Address) -> None:
    assert is_public(f"::ffff:{inner}") == is_public(f"64:ff9b::{inner}") == is_public(str(inner))


@given(st.ip_addresses(v=6))
def test_private_ipv6_addresses_are_never_public(address: ipaddress.IPv6Address) -> None:
    if address.is_private or address.is_link_local or address.is_multicast or address.is_reserved:
        # What Python calls private includes mapped and translated addresses, which are judged by what they hold.
        assert not is_public(str(address)) or int(address) >> 32 in {0xFFFF, 0x64FF9B << 64}
