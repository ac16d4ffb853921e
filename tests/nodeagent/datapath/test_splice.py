"""What a splice does with the kernel's side, seen by a transport that takes notes."""

from __future__ import annotations

import asyncio
import random
from ipaddress import IPv4Address, IPv4Interface

import pytest

from netstack.ip_host import IpHost
from nodeagent.datapath.splice import Splice

SERVER = IPv4Address("10.0.0.2")


class Kernel(asyncio.Transport):
    """The kernel's socket: what was done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.did: list[object] = []

    def write(self, data: bytes) -> None:
        self.did.append(data)

    def write_eof(self) -> None:
        self.did.append("eof")

    def close(self) -> None:
        self.did.append("close")

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Have any."""


class World:
    """A client and a server of the emulated network, and a splice at the client."""

    def __init__(self) -> None:
        self.client, self.server = (
            IpHost(address=IPv4Interface(f"{address}/24"), mtu=1450, rng=random.Random(1))
            for address in ("10.0.0.1", SERVER)
        )
        self.listener = self.server.tcp_listen(None, 80)
        self.splice, self.kernel = Splice(lambda: 1.0, lambda: None), Kernel()
        self.splice.connection_made(self.kernel)
        self.connection = self.client.tcp_connect((SERVER, 80), 1.0)
        self.splice.attach(self.connection)
        self.run()
        self.accepted = self.listener.accept()

    def run(self) -> None:
        """Carry packets until nobody has any."""
        while packets := [self.client.packets_to_send(), self.server.packets_to_send()]:
            if not any(packets):
                return
            self.server.receive_packets(packets[0], 1.0)
            self.client.receive_packets(packets[1], 1.0)


@pytest.fixture
def world():
    return World()


def test_what_both_sides_have_ended_is_closed_at_once(world):
    """The kernel's socket does not wait until the emulated FIN is acknowledged."""
    world.splice.data_received(b"question")
    world.run()
    assert world.accepted.read(99, 1.0) == b"question"
    world.accepted.write(b"answer", 1.0)
    world.accepted.close(1.0)
    world.run()
    assert world.kernel.did == [b"answer", "eof"]
    assert world.splice.eof_received() is True
    assert world.kernel.did == [b"answer", "eof", "close"]
    world.splice.connection_lost(None)
    world.run()
    assert world.connection.closed
    assert world.connection.error is None
    assert world.accepted.error is None


def test_side_that_has_not_ended_goes_on(world):
    assert world.splice.eof_received() is True
    world.run()
    assert world.accepted.end_of_stream
    assert world.kernel.did == []
    world.accepted.write(b"still here", 1.0)
    world.run()
    assert world.kernel.did == [b"still here"]
    world.accepted.close(1.0)
    world.run()
    assert world.kernel.did == [b"still here", "eof", "close"]
