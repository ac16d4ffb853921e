"""A fabric in this process, hosts on loopback networks of this test process, and diallers."""

from __future__ import annotations

import asyncio
import atexit
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

from componentbase.journal import Journal
from podwire.fabric.config import Balancer, BalancerTarget, Door, Rule, Topology
from podwire.fabric.fabric import Fabric


def _claim() -> tuple[str, str, socket.socket]:
    """Return a near and a far network that are this test process's while the socket lives."""
    for number in range(1, 255):
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            holder.bind(f"\0podwire-fabric-tests-{number}")
        except OSError:
            holder.close()
        else:
            return f"127.77.{number}", f"127.78.{number}", holder
    raise AssertionError("254 test processes run at once")


NEAR, FAR, _holder = _claim()
atexit.register(_holder.close)
API, KUBELET = 6443, 10250


class Host:
    """Something that listens at a near address and echoes, or does what it is told."""

    def __init__(self, part: int, name: str) -> None:
        self.name, self.near, self.far = name, f"{NEAR}.{part}", f"{FAR}.{part}"
        self.servers: list[asyncio.Server] = []
        self.peers: list[str] = []
        self.accepted: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def listen(self, port: int, serve=None) -> None:
        async def accept(reader, writer) -> None:
            self.peers.append(writer.get_extra_info("peername")[0])
            self.accepted.append((reader, writer))
            with suppress(OSError):
                await (serve or echo)(reader, writer)
            writer.close()

        self.servers.append(await asyncio.start_server(accept, self.near, port))

    async def dial(self, address: tuple[str, int]):
        """Connect to a far address as this host."""
        return await asyncio.open_connection(*address, local_addr=(self.near, 0))

    def reset_all(self) -> None:
        """Do what a kernel does when the process is killed with octets unread."""
        for _, writer in self.accepted:
            writer.transport.abort()

    def close(self) -> None:
        for server in self.servers:
            server.close()
        for _, writer in self.accepted:
            writer.close()


async def echo(reader, writer) -> None:
    """Send back what comes, and the end, too."""
    while octets := await reader.read(1 << 16):
        writer.write(octets)
        await writer.drain()
    writer.write_eof()


class Network:
    """Nodes 1 and 2, control planes 1 to 3, and the fabric between them."""

    def __init__(self, journal: Path) -> None:
        self.fabric = Fabric(Journal(journal, "fabric"))
        self.hosts = {f"node-{n}": Host(n, f"node-{n}") for n in (1, 2)}
        for k in (1, 2, 3):
            self.hosts[f"control-plane-{k}"] = Host(250 + k, f"control-plane-{k}")
        self.node, self.other_node = self.hosts["node-1"], self.hosts["node-2"]
        self.master = self.hosts["control-plane-1"]

    @property
    def topology(self) -> Topology:
        masters = [host for name, host in self.hosts.items() if name.startswith("control")]
        nodes = [host for name, host in self.hosts.items() if name.startswith("node")]
        doors = [Door(listen=(h.far, API), target=(h.near, API), host=h.name) for h in masters]
        doors += [
            Door(listen=(h.far, KUBELET), target=(h.near, KUBELET), host=h.name) for h in nodes
        ]
        targets = [BalancerTarget(host=h.name, address=(h.near, API)) for h in masters]
        return Topology(
            hosts={host.near: name for name, host in self.hosts.items()},
            doors=doors,
            balancers=[
                Balancer(listen=self.endpoint, targets=targets),
                Balancer(listen=(f"{NEAR}.250", API), targets=targets),
            ],
        )

    @property
    def endpoint(self) -> tuple[str, int]:
        return f"{FAR}.250", API

    @property
    def api(self) -> tuple[str, int]:
        return self.master.far, API

    def impair(self, *rules: tuple[str, str], **wanted) -> None:
        """Let the ways *rules* have one fault, and all others none."""
        self.fabric.impair([Rule(from_=source, to=to, **wanted) for source, to in rules])

    def impair_both(self, **wanted) -> None:
        """Impair both directions between node-1 and control-plane-1."""
        here, there = self.node.name, self.master.name
        self.impair((here, there), (there, here), **wanted)

    def heal(self) -> None:
        self.fabric.impair([])

    def connections(self) -> list[dict]:
        return self.fabric.status()["connections"]

    def close(self) -> None:
        self.fabric.close()
        for host in self.hosts.values():
            host.close()


def pytest_asyncio_loop_factories(config, item):
    """Test on the loop that the process has: other code than asyncio's watches sockets in it."""
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    """Return a network whose fabric listens."""
    made = Network(tmp_path / "fabric.jsonl")
    made.fabric.configure(made.topology)
    try:
        yield made
    finally:
        made.close()


@asynccontextmanager
async def connected(opening):
    """Close the connection that *opening* makes."""
    reader, writer = await opening
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def until(condition, *, timeout_s: float = 30.0) -> None:
    """Wait for what will be seen soon."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def wait():
    """Return `until`."""
    return until


@pytest.fixture
def open_():
    """Return `connected`."""
    return connected


@pytest.fixture
def unanswered():
    """See that nobody answers: no SYN, or, where users may not filter those, nothing that is sent.

    Its argument is an attempt to connect.
    """

    async def ask(dial) -> None:
        reader, writer = await dial
        try:
            writer.write(b"x")
            await reader.read(1)
        finally:
            writer.transport.abort()

    async def see(dial) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(dial), 0.3)

    return see
