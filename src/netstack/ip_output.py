"""IP output, after Linux ip_output.c: header, fragments, loopback or link.

Every packet of a host passes `transmit` of its family. What is addressed to the host itself waits
in the one `Loopback` until the host takes it; everything else goes to the link.
"""

from __future__ import annotations

import abc
import math
import random
from collections import Counter, deque
from collections.abc import Callable
from typing import ClassVar, Final

from netstack.addresses import Addresses
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
#: The same for a long TCP segment, partial: its headers, its payload, the octets of each piece.
SuperLink = Callable[[bytes, bytes | bytearray | memoryview, int, float], None]


class Loopback:
    """Packets of a host to itself, of both families, oldest first."""

    def __init__(self, drops: Counter[DropReason]) -> None:
        self.packets: deque[bytes] = deque()
        self.since = math.inf
        self._drops = drops

    def put(self, packet: bytes, now: float) -> None:
        if len(self.packets) >= LOOPBACK_QUEUE_MAX:
            self._drops[DropReason.LOOPBACK_FULL] += 1
        else:
            self.packets.append(packet)
            self.since = min(self.since, now)

    def note(self, now: float) -> None:
        """Remember since when packets wait, if any do."""
        self.since = now if self.packets else math.inf


class Output(abc.ABC):
    """What sending is in both families."""

    #: Where a header has its destination.
    destination: ClassVar[slice]

    def __init__(
        self, addresses: Addresses, path_mtu: PathMtu, *, loopback: Loopback, link: Link
    ) -> None:
        self.path_mtu = path_mtu
        self.link = link
        #: Set where super-frames may be asked for.
        self.super_link: SuperLink | None = None
        self.loop = loopback.put
        self._addresses = addresses

    @abc.abstractmethod
    def send(
        self,
        protocol: int,
        endpoints: tuple[bytes, bytes],
        payload: bytes,
        now: float,
        *,
        hop_limit: int = TTL,
    ) -> None:
        """Send *payload* from the first of *endpoints* to the second."""

    def mtu_towards(self, destination: bytes, now: float) -> int:
        if self._addresses.is_local(destination):
            return LOOPBACK_MTU
        return self.path_mtu.towards(destination, now)

    def is_local(self, destination: bytes) -> bool:
        return self._addresses.is_local(destination)

    def transmit(self, packet: bytes, now: float) -> None:
        """Send a whole packet."""
        if self._addresses.is_local(packet[self.destination]):
            self.loop(packet, now)
        else:
            self.link(packet, now)


class IpOutput(Output):
    """Send IPv4 packets; fragment what is too large and may be fragmented."""

    destination = slice(16, 20)

    def __init__(
        self,
        addresses: Addresses,
        *,
        mtu: int,
        rng: random.Random,
        loopback: Loopback,
        link: Link,
    ) -> None:
        super().__init__(addresses, PathMtu(mtu), loopback=loopback, link=link)
        self._identification = rng.randrange(1 << 16)

    def send(
        self,
        protocol: int,
        endpoints: tuple[bytes, bytes],
        payload: bytes,
        now: float,
        *,
        hop_limit: int = TTL,
    ) -> None:
        """Send *payload* from the first of *endpoints* to the second.

        As with Linux's default (IP_PMTUDISC_WANT) what fits forbids fragmentation on its way, and
        what does not fit is fragmented here.
        """
        mtu = self.mtu_towards(endpoints[1], now)
        self._identification = identification = (self._identification + 1) & 0xFFFF
        if ipv4.HEADER_OCTETS + len(payload) <= mtu:
            flags = ipv4.DONT_FRAGMENT
            packet = header(protocol, endpoints, identification, flags, len(payload), ttl=hop_limit)
            self.transmit(packet + payload, now)
            return
        step = (mtu - ipv4.HEADER_OCTETS) & ~7
        for start in range(0, len(payload), step):
            piece = payload[start : start + step]
            flags = start >> 3
            if start + step < len(payload):
                flags |= ipv4.MORE_FRAGMENTS
            packet = header(protocol, endpoints, identification, flags, len(piece), ttl=hop_limit)
            self.transmit(packet + piece, now)


def header(
    protocol: int,
    endpoints: tuple[bytes, bytes],
    identification: int,
    flags: int,
    length: int,
    *,
    ttl: int = TTL,
) -> bytes:
    """Return a header without options for *length* octets of payload."""
    source, destination = endpoints
    total_length = ipv4.HEADER_OCTETS + length
    total = (
        0x4500
        + total_length
        + identification
        + flags
        + (ttl << 8 | protocol)
        + int.from_bytes(source, "big")
        + int.from_bytes(destination, "big")
    )
    return ipv4.HEADER.pack(
        0x45,
        0,
        total_length,
        identification,
        flags,
        ttl,
        protocol,
        checksum.finish(total),
        source,
        destination,
    )
