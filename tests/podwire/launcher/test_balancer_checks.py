"""Nodes that hang are left out by load balancers: real processes, real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from ipaddress import IPv4Network
from types import SimpleNamespace

import pytest

from nodeagent.proxy.proxier_health import PORT
from podwire.cluster import blocks
from podwire.cluster.layout import EXTERNAL, Cluster
from podwire.launcher import listeners
from podwire.launcher.balancer_checks import BalancerChecks
from podwire.launcher.balancing import MISSES

BALANCED = 8080
#: A node's datapath as far as it counts here: it lets in who comes, and says who it is.
NODE = """
import asyncio, sys
from componentbase.tasks import Tasks
from nodeagent.datapath.doorway import Doorway

class Node(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(sys.argv[2].encode())
        transport.close()

async def main():
    await Doorway(Node, Tasks()).open(sys.argv[1], 8080, shared=True)
    print("listening", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class World:
    """Two nodes behind the balancer's address, and who answers for their kube-proxies."""

    def __init__(self, block: int) -> None:
        self.cluster = Cluster(name="test", nodes=2, block=block)
        self.address = f"127.0.{EXTERNAL + block}.1"
        self.nodes: dict[str, subprocess.Popen[str]] = {}
        self.healthy = {"node-1": True, "node-2": True}
        self.noted: list[tuple[str, str]] = []
        for name in self.healthy:
            node = subprocess.Popen(
                [sys.executable, "-c", NODE, self.address, name], stdout=subprocess.PIPE, text=True
            )
            assert node.stdout is not None
            assert node.stdout.readline() == "listening\n"
            self.nodes[name] = node
        self.checks = BalancerChecks(
            lambda: self.cluster,
            SimpleNamespace(processes=self.processes),  # type: ignore[arg-type]
            SimpleNamespace(note=lambda *what: self.noted.append(what)),  # type: ignore[arg-type]
        )

    def processes(self):
        return [
            SimpleNamespace(plan=SimpleNamespace(node=name, role="datapath"), pid=node.pid)
            for name, node in self.nodes.items()
        ]

    @contextlib.asynccontextmanager
    async def kube_proxies(self) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for number, name in enumerate(self.healthy, 1):
                server = await asyncio.start_server(
                    lambda _reader, writer, name=name: self.answer(writer, name),
                    self.cluster.transport_address(number),
                    PORT,
                )
                await stack.enter_async_context(server)
            yield

    def answer(self, writer: asyncio.StreamWriter, name: str) -> None:
        writer.write(b"HTTP/1.0 %d OK\r\n\r\n" % (200 if self.healthy[name] else 503))
        writer.close()

    def who_answers(self) -> set[str]:
        return {asked(self.address) for _ in range(24)}

    async def check(self, times: int = 1) -> None:
        for _ in range(times):
            await self.checks.check()


def asked(address: str) -> str:
    with socket.create_connection((address, BALANCED), timeout=5) as client:
        try:
            return client.recv(100).decode()
        except TimeoutError:
            return "silence"


def wait_until_stopped(pid: int) -> None:
    deadline = time.monotonic() + 5
    while True:
        with open(f"/proc/{pid}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "T":
                return
        assert time.monotonic() < deadline


def may_take_sockets() -> bool:
    """Tell whether this system lets a process have another one's sockets."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=theirs
        )
        try:
            listeners.take(child.pid, 0).close()
        except OSError:
            return False
        finally:
            ours.shutdown(socket.SHUT_WR)
            child.wait()
    return True


@pytest.fixture
def world():
    if not may_take_sockets():
        pytest.skip("this system lets nobody have another process's sockets (pidfd_getfd)")
    block, held = blocks.claim(1)
    with held:
        made = World(block)
        try:
            yield made
        finally:
            for node in made.nodes.values():
                node.send_signal(signal.SIGCONT)
                node.kill()
                node.communicate()


def test_a_node_that_hangs_gets_nobody_new_and_comes_back(world):
    async def story():
        async with world.kube_proxies():
            await world.check(MISSES)
            assert world.who_answers() == {"node-1", "node-2"}

            os.kill(world.nodes["node-2"].pid, signal.SIGSTOP)
            wait_until_stopped(world.nodes["node-2"].pid)
            world.healthy["node-2"] = False
            await world.check(MISSES)
            assert world.who_answers() == {"node-1"}
            await world.check()
            assert world.noted == [("balancer-left", "node-2")]

            os.kill(world.nodes["node-2"].pid, signal.SIGCONT)
            assert world.who_answers() == {"node-1"}
            world.healthy["node-2"] = True
            await world.check()
            async with asyncio.timeout(5):
                while world.who_answers() != {"node-1", "node-2"}:
                    await asyncio.sleep(0.02)
            assert world.noted[1:] == [("balancer-joined", "node-2")]

    asyncio.run(story())


def test_where_all_hang_all_keep_their_share(world):
    async def story():
        world.healthy = dict.fromkeys(world.healthy, False)
        async with world.kube_proxies():
            await world.check(MISSES + 1)
            assert world.who_answers() == {"node-1", "node-2"}
            assert world.noted == []

    asyncio.run(story())


def test_a_node_that_dies_while_it_is_left_out_leaves_nothing_behind(world):
    async def story():
        async with world.kube_proxies():
            world.healthy["node-2"] = False
            await world.check(MISSES)
            assert world.who_answers() == {"node-1"}
            world.nodes["node-2"].kill()
            world.nodes.pop("node-2").communicate()
            await world.check()
            assert world.who_answers() == {"node-1"}
            assert world.noted == [("balancer-left", "node-2")]
            world.nodes["node-1"].kill()
            world.nodes["node-1"].wait()
            (network,) = world.cluster.external_map.values()
            assert not listeners.listening(IPv4Network(network))

    asyncio.run(story())
