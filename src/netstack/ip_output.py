"""IPv4 output, after Linux ip_output.c: header, fragments, loopback or link.

Every packet of a host passes `transmit`. What is addressed to the host itself waits in `looped`
until its owner takes it; everything else goes to the link.
"""

from __future__ import annotations

import math
import random
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from netstack.addresses import AddressTable
from netstack.drops import DropReason
from netstack.path_mtu import PathMtu
from netstack.wire import checksum, ipv4

#: MTU of `lo` is 65536 on Linux; a packet's length field ends one earlier.
LOOPBACK_MTU: Final = ipv4.PACKET_OCTETS_MAX
#: Packets to oneself that wait (net.core.netdev_max_backlog).
LOOPBACK_QUEUE_MAX: Final = 1000
TTL: Final = 64

#: What carries packets away from this host.
Link = Callable[[bytes, float], None]


class IpOutput:
    """Send packets; fragment what is too large and may be fragmented."""

    def __init__(
        self,
        addresses: AddressTable,
        *,
        mtu: int,
        rng: random.Random,
        link: Link,
        drops: Counter[DropReason],
    ) -> None:
        self.path_mtu = PathMtu(mtu)
        self.looped: deque[bytes] = deque()
        self.looped_since = math.inf
        self._addresses, self.link, self._drops = addresses, link, drops
        self._identification = rng.randrange(1 << 16)

    def mtu_towards(self, destination: bytes, now: float) -> int:
        if self._addresses.is_local(destination):
            return LOOPBACK_MTU
        return self.path_mtu.towards(destination, now)

    def is_local(self, destination: bytes) -> bool:
        return self._addresses.is_local(destination)

    def transmit(self, packet: bytes, now: float) -> None:
        """Send a whole packet."""
        if self._addresses.is_local(packet[16:20]):
            self.loop(packet, now)
        else:
            self.link(packet, now)

    def loop(self, packet: bytes, now: float) -> None:
        """Send a whole packet to ourselves."""
        if len(self.looped) >= LOOPBACK_QUEUE_MAX:
            self._drops[DropReason.LOOPBACK_FULL] += 1
        else:
            self.looped.append(packet)
            self.looped_since = min(self.looped_since, now)

    def note_looped(self, now: float) -> None:
        """Remember since when packets to oneself wait, if any do."""
        self.looped_since = now if self.looped else math.inf

    def send(
        self, protocol: int, endpoints: tuple[bytes, bytes], payload: bytes, now: float
    ) -> None:
        """Send *payload* from the first of *endpoints* to the second.

        As with Linux's default (IP_PMTUDISC_WANT) what fits forbids fragmentation on its way, and
        what does not fit is fragmented here.
        """
        mtu = self.mtu_towards(endpoints[1], now)
        self._identification = identification = (self._identification + 1) & 0xFFFF
        if ipv4.HEADER_OCTETS + len(payload) <= mtu:
            packet = header(protocol, endpoints, identification, ipv4.DONT_FRAGMENT, len(payload))
            self.transmit(packet + payload, now)
            return
        step = (mtu - ipv4.HEADER_OCTETS) & ~7
        for start in range(0, len(payload), step):
            piece = payload[start : start + step]
            flags = start >> 3
            if start + step < len(payload):
                flags |= ipv4.MORE_FRAGMENTS
            packet = header(protocol, endpoints, identification, flags, len(piece))
            self.transmit(packet + piece, now)


def header(
    protocol: int, endpoints: tuple[bytes, bytes], identification: int, flags: int, length: int
) -> bytes:
    """Return a header without options for *length* octets of payload."""
    source, destination = endpoints
    total_length = ipv4.HEADER_OCTETS + length
    total = (
        0x4500
        + total_length
        + identification
        + flags
        + (TTL << 8 | protocol)
        + int.from_bytes(source, "big")
        + int.from_bytes(destination, "big")
    )
    return ipv4.HEADER.pack(
        0x45,
        0,
        total_length,
        identification,
        flags,
        TTL,
        protocol,
        checksum.finish(total),
        source,
        destination,
    )
