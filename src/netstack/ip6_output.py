"""IPv6 output, after Linux ip6_output.c: header, fragments at the source (RFC 8200 §4.5).

What is too long for the path is cut here, since no router cuts it. Hop limit 64, traffic class and
flow label zero (RFC 6437 lets a source not label). Identifications are random (RFC 7739 §5.3); a
packet that fits is never sent as an atomic fragment (RFC 8021).
"""

from __future__ import annotations

import random
from typing import Final

from netstack.addresses import Addresses
from netstack.ip_output import Link, Loopback, Output
from netstack.path_mtu import PathMtu
from netstack.wire import ipv6
from netstack.wire.ipv6 import Fragment, NextHeader

HOP_LIMIT: Final = 64


class Ip6Output(Output):
    """Send IPv6 packets; fragment what is too large."""

    destination = slice(24, 40)

    def __init__(
        self, addresses: Addresses, *, mtu: int, rng: random.Random, loopback: Loopback, link: Link
    ) -> None:
        super().__init__(addresses, PathMtu(mtu), loopback=loopback, link=link)
        self._rng = rng

    def send(
        self,
        protocol: int,
        endpoints: tuple[bytes, bytes],
        payload: bytes,
        now: float,
        *,
        hop_limit: int = HOP_LIMIT,
    ) -> None:
        mtu = self.mtu_towards(endpoints[1], now)
        if ipv6.HEADER_OCTETS + len(payload) <= mtu:
            self.transmit(header(protocol, endpoints, len(payload), hop_limit) + payload, now)
            return
        identification = self._rng.getrandbits(32)
        step = (mtu - ipv6.HEADER_OCTETS - ipv6.FRAGMENT_OCTETS) & ~7
        for start in range(0, len(payload), step):
            piece = payload[start : start + step]
            fragment = Fragment(
                next_header=protocol,
                offset=start,
                more=start + step < len(payload),
                identification=identification,
            )
            octets = fragment.emit() + piece
            outer = header(NextHeader.FRAGMENT, endpoints, len(octets), hop_limit)
            self.transmit(outer + octets, now)


def header(
    protocol: int, endpoints: tuple[bytes, bytes], length: int, hop_limit: int = HOP_LIMIT
) -> bytes:
    """Return a header for *length* octets of payload."""
    return ipv6.HEADER.pack(ipv6.VERSION, length, protocol, hop_limit, *endpoints)
