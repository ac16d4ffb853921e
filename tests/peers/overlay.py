"""Two real datapath processes, programmed as flannel does, with kernels as their pods.

A kernel's TAP is joined to a veth of its node in this process, which keeps what passes. The
datapaths run in a namespace of their own, so their transport addresses are nobody else's.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from netns import Namespace

from componentbase import rpc
from componentbase.clock import wall_ns
from netdev.pcapng import PcapngWriter
from netdev.veth import VethClient

MTU = 1450
_FRAMES = 64
_FRAME_OCTETS = 1 << 16


def vtep_mac(node: int) -> str:
    return f"ee:00:00:00:00:{node:02x}"


class KernelPod:
    """A kernel with the address 10.244.N.2, behind a veth of node N."""

    def __init__(self, namespace: Namespace, node: int, directory: Path) -> None:
        self.namespace, self.address = namespace, f"10.244.{node}.2"
        mac = f"0a:58:0a:f4:{node:02x}:02"
        self.link = {
            "name": "veth00000002", "kind": "veth", "mac": mac, "mtu": MTU,
            "address": f"{self.address}/24",
        }  # fmt: skip
        self._tap = namespace.tap("eth0")
        # A patient kernel: a busy machine must not look like a loss.
        namespace.sysctl("net.ipv4.tcp_early_retrans=0")
        namespace.ip(
            f"link set eth0 address {mac} mtu {MTU} txqueuelen 10000 up",
            f"address add {self.address}/24 dev eth0",
            f"route add default via 10.244.{node}.1 rto_min 5s",
        )
        self.seen: list[tuple[int, str, bytes]] = []
        self.up = asyncio.Event()
        self.veth = VethClient(
            directory / "veth.sock", "veth00000002", self._from_node, on_up=self.up.set
        )
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._tap, self._from_kernel)

    def close(self) -> None:
        self._loop.remove_reader(self._tap)
        self.veth.close()
        os.close(self._tap)

    def impatient(self) -> None:
        """Let the kernel repair losses as fast as it does by default."""
        self.namespace.sysctl("net.ipv4.tcp_early_retrans=3")
        gateway = self.address.rsplit(".", 1)[0] + ".1"
        self.namespace.ip(f"route change default via {gateway}")

    def _from_kernel(self) -> None:
        frames: list[bytes] = []
        try:
            while len(frames) < _FRAMES:
                frames.append(os.read(self._tap, _FRAME_OCTETS))
        except BlockingIOError:
            pass
        self.seen += [(wall_ns(), "out", frame) for frame in frames]
        if frames:
            self.veth.send(frames)

    def _from_node(self, frames: list[memoryview], _partial: bool) -> None:
        for frame in frames:
            self.seen.append((wall_ns(), "in", bytes(frame)))
            os.write(self._tap, frame)

    def save(self, file: Path) -> Path:
        """Write what passed as a capture."""
        with file.open("wb") as stream:
            writer = PcapngWriter(stream)
            for at_ns, direction, octets in self.seen:
                writer.packet(at_ns, "eth0", octets, direction=direction)
        return file


@dataclass
class Node:
    """A datapath process, its netlink connection and its pod."""

    number: int
    process: asyncio.subprocess.Process
    netlink: rpc.Client
    pod: KernelPod

    async def replace(self, table: str, **entry: object) -> None:
        await self.netlink.call(f"{table}_replace", {"entries": [entry]})

    async def vtep(self, mtu: int = MTU) -> None:
        await self.replace(
            "vtep", name="flannel.1", vni=1, mac=vtep_mac(self.number), port=4789, mtu=mtu,
            local=f"192.168.64.{self.number}",
        )  # fmt: skip

    async def program(self, other: int) -> None:
        """Fill the tables as flannel does."""
        n, via, mac = self.number, f"10.244.{other}.0", vtep_mac(other)
        for address, device in (
            (f"10.244.{n}.1/24", "cni0"),
            (f"10.244.{n}.0/32", "flannel.1"),
            (f"192.168.64.{n}/24", "eth0"),
        ):
            await self.replace("address", address=address, device=device)
        await self.vtep()
        await self.replace(
            "route", destination=f"{via}/24", device="flannel.1", via=via, onlink=True
        )
        await self.replace("neighbour", address=via, device="flannel.1", mac=mac, state="PERMANENT")
        await self.replace("fdb", mac=mac, device="flannel.1", remote=f"192.168.64.{other}")
        await self.replace("link", **self.pod.link)
        self.pod.veth.start()
        async with asyncio.timeout(10):
            await self.pod.up.wait()


async def _launch(namespace: Namespace, directory: Path, number: int) -> asyncio.subprocess.Process:
    directory.mkdir()
    config = {
        "node_name": directory.name,
        "internal_ip": f"192.168.64.{number}",
        "transport_map": {"192.168.64.0/24": "127.0.1.0/24"},
        "directory": str(directory),
        "host_address": "192.168.64.254",
        "log_file": str(directory / "datapath.log"),
    }
    path = directory / "config.json"
    path.write_text(json.dumps(config))
    command = [*namespace.enter, sys.executable, "-m", "nodeagent.datapath", str(path)]
    return await asyncio.create_subprocess_exec(*command)


@asynccontextmanager
async def overlay(
    directory: Path, underlay: Namespace, pods: list[Namespace]
) -> AsyncIterator[list[Node]]:
    """Run a node for each of two kernels, joined by VXLAN."""
    nodes: list[Node] = []
    try:
        for number, namespace in enumerate(pods, 1):
            place = directory / f"node-{number}"
            process = await _launch(underlay, place, number)
            netlink = await rpc.connect_retrying(place / "netlink.sock", timeout_s=20)
            nodes.append(Node(number, process, netlink, KernelPod(namespace, number, place)))
        for node in nodes:
            await node.program(3 - node.number)
        yield nodes
    finally:
        for node in nodes:
            node.pod.close()
            node.process.kill()
            await node.netlink.close()
            await node.process.wait()
