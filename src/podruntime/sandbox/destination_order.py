"""In which order addresses are tried: RFC 6724 §6, which getaddrinfo sorts by.

The table of policies is the RFC's, as in musl; glibc's own is still that of RFC 3484, where unique
local addresses come before IPv4.

Rules 3, 4 and 7 have no subject here: a pod has no deprecated and no home addresses, and no
transport but its own. Rule 9 is for IPv6 alone, as in glibc where IPv4 addresses are not on one
subnet: round robin between servers survives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from typing import Final

from netstack.addresses import IpAddress as Address

#: The address that packets to a destination would have as their source; None: there is no route.
SourceFor = Callable[[Address], Address | None]

_MAPPED: Final = 0xFFFF << 32
#: Prefix, precedence and label (RFC 6724 §2.1), longest prefix first.
_POLICY: Final = tuple(
    (network.network_address, network.prefixlen, precedence, label)
    for network, precedence, label in sorted(
        (
            (IPv6Network("::1/128"), 50, 0),
            (IPv6Network("::/0"), 40, 1),
            (IPv6Network("::ffff:0:0/96"), 35, 4),
            (IPv6Network("2002::/16"), 30, 2),
            (IPv6Network("2001::/32"), 5, 5),
            (IPv6Network("fc00::/7"), 3, 13),
            (IPv6Network("::/96"), 1, 3),
            (IPv6Network("fec0::/10"), 1, 11),
            (IPv6Network("3ffe::/16"), 1, 12),
        ),
        key=lambda row: -row[0].prefixlen,
    )
)
_LINK_LOCAL_V4: Final = (ip_network("169.254.0.0/16"), ip_network("127.0.0.0/8"))
_LINK, _SITE, _GLOBAL = 0x2, 0x5, 0xE


def ordered(destinations: Iterable[Address], source_for: SourceFor) -> list[Address]:
    """Return *destinations*, best first; what is equal keeps its place."""

    def key(destination: Address) -> tuple[int, int, int, int, int, int]:
        source = source_for(destination)
        precedence, label = _policy(destination)
        if source is None:
            return (1, 0, 0, -precedence, scope(destination), 0)
        return (
            0,
            int(scope(source) != scope(destination)),
            int(_policy(source)[1] != label),
            -precedence,
            scope(destination),
            -_common_prefix(source, destination),
        )

    return sorted(destinations, key=key)


def scope(address: Address) -> int:
    """Return how far an address reaches, as multicast scopes are numbered (RFC 6724 §3.1)."""
    if isinstance(address, IPv4Address):
        networks = [each for each in _LINK_LOCAL_V4 if isinstance(each, IPv4Network)]
        return _LINK if any(address in each for each in networks) else _GLOBAL
    if address.is_multicast:
        return int(address) >> 112 & 0xF
    if address.is_link_local or address.is_loopback:
        return _LINK
    return _SITE if address.is_site_local else _GLOBAL


def _policy(address: Address) -> tuple[int, int]:
    number = int(address) | (_MAPPED if address.version == 4 else 0)
    for prefix, length, precedence, label in _POLICY:
        if (number ^ int(prefix)) >> (128 - length) == 0:
            return precedence, label
    raise AssertionError("::/0 has them all")


def _common_prefix(source: Address, destination: Address) -> int:
    if source.version == 4 or destination.version == 4:
        return 0
    differing = int(source) ^ int(destination)
    return min(64, 128 - differing.bit_length())
