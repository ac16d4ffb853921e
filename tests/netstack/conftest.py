"""A network in memory, in virtual time, from one seed: hosts on an Ethernet that misbehaves.

Nothing sleeps: when nobody has anything to say, time moves to the next deadline. Every failure of a
check names the seed and the wire, which are all that is needed to see it again.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from itertools import groupby
from typing import Any

import pytest

from netstack import offload
from netstack.host import Host
from netstack.offload import SuperFrame
from netstack.tcp.connection import TcpConnection


@dataclass(frozen=True, kw_only=True)
class Wire:
    """How the Ethernet treats a frame."""

    delay_s: float = 0.001
    jitter_s: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    #: Hosts agree on offload: super-frames are cut on the way, what arrives together is joined.
    offload: bool = False


@dataclass
class Network:
    """Hosts on one Ethernet."""

    seed: int
    wire: Wire
    now: float = 1000.0
    hosts: list[Host] = field(default_factory=list)
    #: Sees every frame that is sent; what it returns False for is lost.
    passes: Callable[[bytes], bool] = lambda frame: True
    sent: list[tuple[float, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._flying: list[tuple[float, int, Host, bytes, bool]] = []
        self._count = 0

    def host(self, number: int, **options: Any) -> Host:
        """Add a host; *options* are the constructor's."""
        options = {
            "address": IPv4Interface(f"10.0.0.{number}/24"),
            "gateway": None,
            "mtu": 1450,
        } | options
        host = Host(
            mac=bytes([2, 0, 0, 0, 0, number]),
            rng=random.Random(self.seed * 1000 + number),
            **options,
        )
        host.offload = self.wire.offload
        self.hosts.append(host)
        return host

    def host6(self, number: int, **options: Any) -> Host:
        """Add a host with an address of each family."""
        address6 = IPv6Interface(f"fd00::{number}/64")
        return self.host(number, **({"address6": address6} | options))

    def run(self, *, until: Callable[[], bool] = lambda: False, limit_s: float = 600.0) -> None:
        """Let time pass until *until* holds, nothing is left to happen, or *limit_s* is over."""
        end = self.now + limit_s
        while not until():
            for host in self.hosts:
                self._carry(host)
            moments = [host.deadline() for host in self.hosts]
            moments += [self._flying[0][0]] if self._flying else []
            if min(moments) > end:
                self.now = max(self.now, end)
                return
            self.now = max(self.now, min(moments))
            self._deliver()
            for host in self.hosts:
                if host.deadline() <= self.now:
                    host.handle_deadline(self.now)

    def _carry(self, host: Host) -> None:
        for whole in host.frames_to_send():
            for frame in self._cut(whole):
                self.sent.append((self.now, frame))
                copies = 1 + (self.rng.random() < self.wire.duplicate)
                for _ in range(copies):
                    if self.passes(frame) and self.rng.random() >= self.wire.loss:
                        self._fly(host, *self._mangle(frame))

    def _cut(self, frame: bytes) -> list[bytes]:
        """Return the ordinary frames of a super-frame, still partial."""
        if not isinstance(frame, SuperFrame):
            return [frame]
        return [bytes(each) for each in offload.cut(frame, frame.segment, partial=True)]

    def _mangle(self, frame: bytes) -> tuple[bytes, bool]:
        """Return what becomes of a frame, and whether it is partial."""
        if self.rng.random() >= self.wire.corrupt:
            return frame, self.wire.offload
        mangled = bytearray(frame)
        if self.wire.offload:
            offload.complete(mangled)
        mangled[self.rng.randrange(14, len(frame))] ^= 1 << self.rng.randrange(8)
        return bytes(mangled), False

    def _fly(self, sender: Host, frame: bytes, partial: bool) -> None:
        arrives_at = self.now + self.wire.delay_s + self.rng.uniform(0, self.wire.jitter_s)
        for host in self.hosts:
            if host is not sender and (frame[:6] == host.mac or frame[0] & 1):
                self._count += 1
                heapq.heappush(self._flying, (arrives_at, self._count, host, frame, partial))

    def _deliver(self) -> None:
        due = []
        while self._flying and self._flying[0][0] <= self.now:
            due.append(heapq.heappop(self._flying)[2:])
        for (host, partial), together in groupby(due, key=lambda each: (each[0], each[2])):
            frames = [memoryview(frame) for _, frame, _ in together]
            if partial:
                joined = [each for each, _ in offload.join(frames)]
                host.receive_frames(joined, self.now, partial=True)
            else:
                for frame in frames:
                    host.receive_frame(frame, self.now)


class Peer:
    """Somebody who sends octets and keeps what comes, then closes: a connection's user."""

    def __init__(self, network: Network, connection: TcpConnection, data: bytes) -> None:
        self.network, self.connection, self.data = network, connection, data
        self.sent = 0
        self.received = bytearray()
        self.ended = False
        connection.on_change = self.act

    def act(self) -> None:
        connection, now = self.connection, self.network.now
        self.received += connection.read(1 << 20, now)
        while self.sent < len(self.data) and connection.writable_octets:
            self.sent += connection.write(self.data[self.sent : self.sent + 65536], now)
        if self.sent == len(self.data) and connection.established:
            connection.shutdown_write(now)
        self.ended = self.ended or connection.end_of_stream


@pytest.fixture
def network() -> Network:
    """A wire that behaves."""
    return Network(1, Wire())


@pytest.fixture
def make_network() -> Callable[..., Network]:
    return lambda seed, **wire: Network(seed, Wire(**wire))


@pytest.fixture
def make_peer() -> type[Peer]:
    return Peer


@pytest.fixture
def connect() -> Callable[..., tuple[TcpConnection, TcpConnection]]:
    """Return a connection from the first host to port 80 of the second, and its other end."""

    def make(network: Network, client: Host, server: Host) -> tuple[TcpConnection, TcpConnection]:
        listener = server.tcp_listen(None, 80)
        near = client.tcp_connect((server.address, 80), network.now)
        network.run(until=lambda: near.established or near.closed, limit_s=60)
        assert near.established, f"seed {network.seed}, {network.wire}: {near.error}"
        network.run(limit_s=0.1)
        far = listener.accept()
        assert far is not None
        return near, far

    return make


@pytest.fixture
def address() -> Callable[[int], IPv4Address]:
    return lambda number: IPv4Address(f"10.0.0.{number}")
