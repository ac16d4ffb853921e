"""UDP sockets of a host (RFC 768, RFC 1122 §4.1), after Linux udp.c.

A datagram goes to the socket that fits best: connected to its sender before unconnected, bound to
its address before bound to any. A full socket drops. Only a connected socket learns of ICMP errors,
as on Linux without IP_RECVERR. There is no SO_REUSEPORT and no multicast.
"""

from __future__ import annotations

import errno
import os
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from netstack import ports
from netstack.addresses import ANY, AddressTable, is_loopback
from netstack.drops import DropReason
from netstack.icmp import IcmpEndpoint, IcmpError
from netstack.ip_output import IpOutput
from netstack.wakeups import Wakeups
from netstack.wire import checksum, ipv4, udp
from netstack.wire.icmp import Unreachable

#: Octets that wait in one socket (net.core.rmem_default), each datagram counted with its overhead.
RECEIVE_BUFFER_OCTETS: Final = 212_992
DATAGRAM_OVERHEAD_OCTETS: Final = 256

Endpoint = tuple[IPv4Address, int]


@dataclass(frozen=True, slots=True)
class Datagram:
    """What a UDP socket receives."""

    data: bytes
    remote: Endpoint


class UdpSocket:
    """A bound UDP socket."""

    __slots__ = ("_address", "_layer", "_peer", "_queue", "_queued_octets", "error", "local",
                 "on_ready", "remote")  # fmt: skip

    def __init__(self, layer: UdpLayer, address: bytes, port: int) -> None:
        self.local: Endpoint = (IPv4Address(address), port)
        self.remote: Endpoint | None = None
        #: The last ICMP error; the reader that reports it sets it to None again.
        self.error: OSError | None = None
        #: Called once per batch of packets when there is a datagram or an error.
        self.on_ready: Callable[[], None] | None = None
        self._layer = layer
        self._address = address
        self._peer: tuple[bytes, int] | None = None
        self._queue: deque[Datagram] = deque()
        self._queued_octets = 0

    def receive(self) -> Datagram | None:
        """Return the oldest datagram, None when there is none."""
        if not self._queue:
            return None
        datagram = self._queue.popleft()
        self._queued_octets -= len(datagram.data) + DATAGRAM_OVERHEAD_OCTETS
        return datagram

    def send(self, data: bytes | memoryview, remote: Endpoint | None, now: float) -> None:
        """Send a datagram; *remote* may be None on a connected socket.

        Raises OSError: EDESTADDRREQ, EMSGSIZE, ENETUNREACH, EACCES (broadcast), EBADF (closed).
        """
        target = remote or self.remote
        if target is None:
            raise OSError(errno.EDESTADDRREQ, os.strerror(errno.EDESTADDRREQ))
        self._layer.send(self, bytes(data), (target[0].packed, target[1]), now)

    def connect(self, remote: Endpoint) -> None:
        """Send to *remote* by default, and receive from it only."""
        self._layer.connect(self, (remote[0].packed, remote[1]))
        self.remote = remote

    def close(self) -> None:
        self._layer.close(self)
        self._queue.clear()
        self._queued_octets = 0

    def wake(self) -> None:
        if self.on_ready is not None:
            self.on_ready()

    def fitness(self, source: tuple[bytes, int], destination: bytes) -> int:
        """Return how well a datagram fits (Linux compute_score), -1 when it does not."""
        if self._address not in (ANY, destination) or self._peer not in (None, source):
            return -1
        return (self._address != ANY) + 2 * (self._peer is not None)

    def bind_to(self, address: bytes, peer: tuple[bytes, int]) -> None:
        """Be connected."""
        self._address, self._peer = address, peer
        self.local = (IPv4Address(address), self.local[1])

    @property
    def bound_address(self) -> bytes:
        return self._address

    @property
    def peer(self) -> tuple[bytes, int] | None:
        return self._peer

    def offer(self, datagram: Datagram) -> bool:
        """Queue *datagram*; return False when the socket is full."""
        cost = len(datagram.data) + DATAGRAM_OVERHEAD_OCTETS
        if self._queued_octets + cost > RECEIVE_BUFFER_OCTETS:
            return False
        self._queue.append(datagram)
        self._queued_octets += cost
        return True


class UdpLayer:
    """All UDP sockets of a host."""

    def __init__(
        self,
        *,
        output: IpOutput,
        icmp: IcmpEndpoint,
        addresses: AddressTable,
        source_towards: Callable[[bytes], bytes],
        wakeups: Wakeups,
        drops: Counter[DropReason],
        rng: random.Random,
    ) -> None:
        self._output, self._icmp, self._addresses = output, icmp, addresses
        self._source_towards, self._wakeups, self._drops = source_towards, wakeups, drops
        self._rng = rng
        self._by_port: dict[int, list[UdpSocket]] = {}

    def bind(self, address: bytes, port: int) -> UdpSocket:
        """Return a new socket; port 0 chooses one. Raises OSError EADDRINUSE, EADDRNOTAVAIL."""
        ports.check(port)
        if address != ANY and not self._addresses.is_local(address):
            raise OSError(errno.EADDRNOTAVAIL, "cannot assign requested address")
        if port == 0:
            port = ports.pick(self._rng, lambda candidate: candidate not in self._by_port)
        if any(_overlap(each.bound_address, address) for each in self._by_port.get(port, ())):
            raise ports.in_use(port)
        socket = UdpSocket(self, address, port)
        self._by_port.setdefault(port, []).append(socket)
        return socket

    def connect(self, socket: UdpSocket, peer: tuple[bytes, int]) -> None:
        source = socket.bound_address
        socket.bind_to(self._source_towards(peer[0]) if source == ANY else source, peer)

    def close(self, socket: UdpSocket) -> None:
        sharing = self._by_port.get(socket.local[1], [])
        if socket in sharing:
            sharing.remove(socket)
        if not sharing:
            self._by_port.pop(socket.local[1], None)

    def send(self, socket: UdpSocket, data: bytes, target: tuple[bytes, int], now: float) -> None:
        destination, port = target
        if len(data) > udp.PAYLOAD_OCTETS_MAX:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        if socket not in self._by_port.get(socket.local[1], ()):
            raise OSError(errno.EBADF, "the socket is closed")
        if self._addresses.is_broadcast(destination):
            raise OSError(errno.EACCES, "broadcast is not permitted")
        source = self._source_towards(destination)
        if socket.bound_address != ANY:
            source = socket.bound_address
        if is_loopback(source) and not self._addresses.is_local(destination):
            raise OSError(errno.EINVAL, "a loopback address does not leave this host")
        length = udp.HEADER_OCTETS + len(data)
        total = (
            checksum.pseudo_header(source, destination, ipv4.PROTOCOL_UDP, length)
            + socket.local[1]
            + port
            + length
            + checksum.add(data)
        )
        header = udp.HEADER.pack(socket.local[1], port, length, checksum.finish_udp(total))
        self._output.send(ipv4.PROTOCOL_UDP, (source, destination), header + data, now)

    def receive(self, octets: bytes, offset: int, end: int, now: float) -> None:
        """Take a packet whose header is at *offset* and has 20 octets."""
        start = offset + ipv4.HEADER_OCTETS
        if end - start < udp.HEADER_OCTETS:
            self._drops[DropReason.UDP_MALFORMED] += 1
            return
        source_port, port, length, field = udp.HEADER.unpack_from(octets, start)
        if not udp.HEADER_OCTETS <= length <= end - start:
            self._drops[DropReason.UDP_MALFORMED] += 1
            return
        end = start + length
        pseudo = ipv4.PROTOCOL_UDP + length
        if field and not checksum.holds(pseudo + checksum.add(octets[offset + 12 : end])):
            self._drops[DropReason.UDP_CHECKSUM] += 1
            return
        source = (octets[offset + 12 : offset + 16], source_port)
        destination = octets[offset + 16 : offset + 20]
        socket = self._find(source, (destination, port))
        if socket is None:
            self._drops[DropReason.UDP_NO_SOCKET] += 1
            self._icmp.unreachable(Unreachable.PORT, octets[offset:end], now)
            return
        remote = (IPv4Address(source[0]), source_port)
        if socket.offer(Datagram(octets[start + udp.HEADER_OCTETS : end], remote)):
            self._wakeups.note(socket)
        else:
            self._drops[DropReason.UDP_QUEUE_FULL] += 1

    def error_arrives(self, error: IcmpError, now: float) -> None:
        """Heed an ICMP error that quotes a datagram of ours."""
        if error.fragmentation_needed:
            self._output.path_mtu.lower(error.destination, error.next_hop_mtu, now)
            return
        source_port, port = udp.HEADER.unpack_from(error.payload)[:2]
        peer = (error.destination, port)
        socket = self._find(peer, (error.source, source_port))
        if socket is not None and socket.peer == peer and error.is_fatal:
            socket.error = OSError(error.errno, os.strerror(error.errno))
            self._wakeups.note(socket)

    def _find(self, source: tuple[bytes, int], destination: tuple[bytes, int]) -> UdpSocket | None:
        candidates = self._by_port.get(destination[1])
        if not candidates:
            return None
        best = max(candidates, key=lambda each: each.fitness(source, destination[0]))
        return best if best.fitness(source, destination[0]) >= 0 else None


def _overlap(one: bytes, other: bytes) -> bool:
    return ANY in (one, other) or one == other
