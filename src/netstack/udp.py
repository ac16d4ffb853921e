"""UDP sockets of a host (RFC 768, RFC 1122 §4.1), after Linux udp.c.

A datagram goes to the socket that fits best: connected to its sender before unconnected, bound to
its address before bound to any; one that is bound to any hears both families. A full socket drops.
Only a connected socket learns of ICMP errors, as on Linux without IP_RECVERR. There is no
SO_REUSEPORT and no multicast.
"""

from __future__ import annotations

import errno
import os
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netstack import ports
from netstack.addresses import (
    UNSPECIFIED,
    Endpoint,
    IpAddress,
    bound_to,
    clash,
    from_octets,
    to_octets,
)
from netstack.drops import DropReason
from netstack.icmp import IcmpError
from netstack.ip_family import Families, Family, Receive
from netstack.ip_output import TTL
from netstack.wakeups import Wakeups
from netstack.wire import checksum, ipv4, udp

#: Octets that wait in one socket (net.core.rmem_default), each datagram counted with its overhead.
RECEIVE_BUFFER_OCTETS: Final = 212_992
DATAGRAM_OVERHEAD_OCTETS: Final = 256


@dataclass(frozen=True, slots=True)
class Datagram:
    """What a UDP socket receives."""

    data: bytes
    remote: Endpoint


class UdpSocket:
    """A bound UDP socket."""

    __slots__ = ("_address", "_layer", "_peer", "_queue", "_queued_octets", "error", "local",
                 "on_ready", "remote")  # fmt: skip

    def __init__(self, layer: UdpLayer, address: bytes, local: Endpoint) -> None:
        self.local = local
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
        self._layer.send(self, bytes(data), (to_octets(target[0]), target[1]), now)

    def connect(self, remote: Endpoint) -> None:
        """Send to *remote* by default, and receive from it only."""
        self._layer.connect(self, (to_octets(remote[0]), remote[1]))
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
        if self._peer not in (None, source) or not self._hears(destination):
            return -1
        return any(self._address) + 2 * (self._peer is not None)

    def _hears(self, destination: bytes) -> bool:
        address = self._address
        if any(address):
            return address == destination
        return not address or len(address) == len(destination)

    def bind_to(self, address: bytes, peer: tuple[bytes, int]) -> None:
        """Be connected."""
        self._address, self._peer = address, peer
        self.local = (from_octets(address), self.local[1])

    @property
    def bound_address(self) -> bytes:
        return self._address

    @property
    def queued_octets(self) -> int:
        """How much waits to be received, each datagram with its overhead."""
        return self._queued_octets

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
        families: Families,
        wakeups: Wakeups,
        drops: Counter[DropReason],
        rng: random.Random,
    ) -> None:
        self._families, self._wakeups, self._drops = families, wakeups, drops
        self._rng = rng
        self._by_port: dict[int, list[UdpSocket]] = {}
        self.ephemeral = ports.EPHEMERAL

    def bind(self, local: tuple[IpAddress | None, int], *, v6only: bool = False) -> UdpSocket:
        """Return a new socket; port 0 chooses one. Raises OSError EADDRINUSE, EADDRNOTAVAIL."""
        address, port = bound_to(local[0], v6only=v6only), local[1]
        ports.check(port)
        if any(address) and not self._families[len(address)].addresses.is_local(address):
            raise OSError(errno.EADDRNOTAVAIL, "cannot assign requested address")
        if port == 0:
            port = ports.pick(self._rng, lambda each: each not in self._by_port, self.ephemeral)
        if any(clash(each.bound_address, address) for each in self._by_port.get(port, ())):
            raise ports.in_use(port)
        socket = UdpSocket(self, address, (local[0] or UNSPECIFIED, port))
        self._by_port.setdefault(port, []).append(socket)
        return socket

    def sockets(self) -> list[UdpSocket]:
        return [socket for sharing in self._by_port.values() for socket in sharing]

    def connect(self, socket: UdpSocket, peer: tuple[bytes, int]) -> None:
        family = self._families[len(peer[0])]
        socket.bind_to(self._source(socket, family, peer[0]), peer)

    def close(self, socket: UdpSocket) -> None:
        sharing = self._by_port.get(socket.local[1], [])
        if socket in sharing:
            sharing.remove(socket)
        if not sharing:
            self._by_port.pop(socket.local[1], None)

    def send(
        self,
        socket: UdpSocket,
        data: bytes,
        target: tuple[bytes, int],
        now: float,
        *,
        hop_limit: int = TTL,
    ) -> None:
        destination, port = target
        family = self._families[len(destination)]
        if len(data) > family.datagram_octets_max:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        if socket not in self._by_port.get(socket.local[1], ()):
            raise OSError(errno.EBADF, "the socket is closed")
        addresses = family.addresses
        if len(destination) == 4 and addresses.is_group(destination):
            raise OSError(errno.EACCES, "broadcast is not permitted")
        source = self._source(socket, family, destination)
        if addresses.is_loopback(source) and not addresses.is_local(destination):
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
        endpoints = source, destination
        family.output.send(ipv4.PROTOCOL_UDP, endpoints, header + data, now, hop_limit=hop_limit)

    def receiver(self, family: Family) -> Receive:
        """Return what takes packets of *family* whose header has no options."""
        drops, wakeups, find = self._drops, self._wakeups, self._find
        header_octets, addresses_at = family.header_octets, family.addresses_at
        middle = addresses_at + family.address_octets

        def receive(octets: bytes, offset: int, end: int, now: float) -> None:
            start = offset + header_octets
            if end - start < udp.HEADER_OCTETS:
                drops[DropReason.UDP_MALFORMED] += 1
                return
            source_port, port, length, field = udp.HEADER.unpack_from(octets, start)
            if not udp.HEADER_OCTETS <= length <= end - start:
                drops[DropReason.UDP_MALFORMED] += 1
                return
            end = start + length
            if field or header_octets != ipv4.HEADER_OCTETS:  # IPv6 demands it (RFC 8200 §8.1).
                total = (
                    ipv4.PROTOCOL_UDP + length + checksum.add(octets[offset + addresses_at : end])
                )
                if not (field and checksum.holds(total)):
                    drops[DropReason.UDP_CHECKSUM] += 1
                    return
            source = octets[offset + addresses_at : offset + middle]
            destination = octets[offset + middle : start]
            socket = find((source, source_port), (destination, port))
            if socket is None:
                drops[DropReason.UDP_NO_SOCKET] += 1
                family.errors.port_unreachable(octets[offset:end], now)
                return
            data = octets[start + udp.HEADER_OCTETS : end]
            if socket.offer(Datagram(data, (from_octets(source), source_port))):
                wakeups.note(socket)
            else:
                drops[DropReason.UDP_QUEUE_FULL] += 1

        return receive

    def error_arrives(self, error: IcmpError, now: float) -> None:
        """Heed an ICMP error that quotes a datagram of ours."""
        if error.mtu is not None:
            path_mtu = self._families[len(error.destination)].output.path_mtu
            path_mtu.lower(error.destination, error.mtu, now)
            return
        source_port, port = udp.HEADER.unpack_from(error.payload)[:2]
        peer = (error.destination, port)
        socket = self._find(peer, (error.source, source_port))
        if socket is not None and socket.peer == peer and error.is_fatal:
            socket.error = OSError(error.errno, os.strerror(error.errno))
            self._wakeups.note(socket)

    def _source(self, socket: UdpSocket, family: Family, destination: bytes) -> bytes:
        """Return the address that *socket* sends from."""
        source = socket.bound_address
        if not any(source):
            return family.source_towards(destination)
        if len(source) != len(destination):
            raise OSError(errno.EAFNOSUPPORT, "the socket is bound to an address of another family")
        return source

    def _find(self, source: tuple[bytes, int], destination: tuple[bytes, int]) -> UdpSocket | None:
        candidates = self._by_port.get(destination[1])
        if not candidates:
            return None
        best = max(candidates, key=lambda each: each.fitness(source, destination[0]))
        return best if best.fitness(source, destination[0]) >= 0 else None
