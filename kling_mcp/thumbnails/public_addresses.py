"""Which network addresses a link may lead to: only public ones.

Pure: it resolves no name and opens no connection. An address that is not certainly public is refused.
"""

from __future__ import annotations

import ipaddress
from typing import Final

# `is_global` follows the registries of special addresses, but the answer for these differs between Python
# versions, or the address is public in name only.
_NEVER_V4: Final = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "192.0.0.0/24",  # IETF assignments; a cloud keeps its metadata at 192.0.0.192
            "168.63.129.16/32",  # a cloud's own host services
            "192.88.99.0/24",  # relays into 6to4
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NEVER_V6: Final = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # IETF assignments, Teredo among them, which hides an IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4, which hides an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
# The one translation prefix that networks without IPv4 really use (RFC 6052): the IPv4 address in its last 32
# bits is where the connection ends.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether this literal address, in its normal spelling, is public.

    An IPv4 address inside an IPv6 one (mapped, or translated by NAT64) is checked itself; other tunnels are
    refused. Text that is not an address is not public.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return _is_public_v4(parsed)
    if parsed.scope_id:
        return False
    inner = parsed.ipv4_mapped
    if parsed in _NAT64:
        inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
    if inner is not None:
        return _is_public_v4(inner)
    return parsed in _GLOBAL_UNICAST and parsed.is_global and not any(parsed in network for network in _NEVER_V6)


def _is_public_v4(address: ipaddress.IPv4Address) -> bool:
    return address.is_global and not any(address in network for network in _NEVER_V4)
