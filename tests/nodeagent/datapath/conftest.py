"""Real datapath processes with pods in the test process: what the tests of this folder stand on."""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address
from pathlib import Path

import pytest
from loopback import PREFIX

from componentbase import rpc
from componentbase.clock import monotonic
from netdev.veth import VethClient
from netstack.host import Host
from netstack.icmp import EchoReply
from netstack.ip_host import IpHost
from netstack.tcp.connection import TcpConnection
from netstack.wire.ethernet import format_mac
from nodeagent.datapath import outer_frame, tables
from nodeagent.datapath.control import Control
from nodeagent.datapath.devices import OVERLAY_MTU, Port
from nodeagent.datapath.node import Identity, Node, Outputs
from nodeagent.datapath.output import Output

HOST_ADDRESS = IPv4Address("192.168.64.254")
HOST_ADDRESS6 = IPv6Address("fd00:192:168:64::fe")
SITE, SITE6 = (
    IPv4Address("203.0.113.1"),
    IPv6Address("2001:db8:203:113::1"),
)  # In the world outside.


class Pod:
    """A network stack behind a veth, driven by the running loop."""

    def __init__(
        self, directory: Path, node: int, number: int, *, dual: bool = False, offload: bool = False
    ) -> None:
        self.interface = f"veth{number}"
        self.address = IPv4Address(f"10.244.{node}.{number}")
        self.address6 = IPv6Interface(f"fd00:10:244:{node}::{number}/64") if dual else None
        self.mac = bytes((10, 88)) + self.address.packed
        self.host = Host(
            mac=self.mac,
            address=IPv4Interface(f"{self.address}/24"),
            gateway=IPv4Address(f"10.244.{node}.1"),
            address6=self.address6,
            gateway6=IPv6Address(f"fd00:10:244:{node}::1") if dual else None,
            mtu=OVERLAY_MTU,
            rng=random.Random(number),
        )
        self.up = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.veth = VethClient(
            directory / "veth.sock",
            self.interface,
            self._receive,
            on_up=self._connected,
            offload=offload,
        )

    @property
    def link(self):
        return {
            "name": self.interface,
            "kind": "veth",
            "mac": format_mac(self.mac),
            "address": f"{self.address}/24",
            "address6": str(self.address6 or ""),
            "mtu": OVERLAY_MTU,
        }

    async def start(self) -> None:
        self.veth.start()
        async with asyncio.timeout(10):
            await self.up.wait()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.veth.close()

    def _connected(self) -> None:
        self.host.offload = self.veth.offload
        self.up.set()
        self.pump()

    def _receive(self, frames, partial) -> None:
        self.host.receive_frames(frames, monotonic(), partial=partial)
        self.pump()

    def pump(self) -> None:
        """Send what the stack has to say, and look again when it is due."""
        frames = self.host.frames_to_send()
        if frames:
            self.veth.send(frames)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.host.deadline()
        if deadline != math.inf:
            delay_s = max(0.0, deadline - monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._due)

    def _due(self) -> None:
        self._timer = None
        self.host.handle_deadline(monotonic())
        self.pump()

    async def ping(self, address: str, *, timeout_s: float = 5.0) -> bool:
        """Tell whether *address* answers one echo request."""
        answer = asyncio.Event()
        self.host.on_echo_reply = lambda reply: answer.set()
        self.host.ping(
            ip_address(address), identifier=7, sequence=1, payload=b"x" * 56, now=monotonic()
        )
        self.pump()
        try:
            async with asyncio.timeout(timeout_s):
                await answer.wait()
        except TimeoutError:
            return False
        return True

    def serve_tcp(self, port: int, answer: bytes) -> None:
        """Answer the first octets of every connection with *answer*, then close."""
        listener = self.host.tcp_listen(None, port)

        def ready() -> None:
            connection = listener.accept()
            while connection is not None:
                _answer_once(self, connection, answer)
                connection = listener.accept()

        listener.on_ready = ready

    async def fetch(self, address: str, port: int, *, timeout_s: float = 5.0) -> bytes:
        """Connect, send a request, return everything that comes back."""
        connection = self.host.tcp_connect((ip_address(address), port), monotonic())
        received, done, sent = bytearray(), asyncio.Event(), []

        def changed() -> None:
            if connection.error is not None:
                done.set()
                return
            if connection.established and not sent:
                sent.append(connection.write(b"GET / HTTP/1.0\r\n\r\n", monotonic()))
            if connection.readable_octets:
                received.extend(connection.read(1 << 20, monotonic()))
            if connection.end_of_stream:
                done.set()

        connection.on_change = changed
        self.pump()
        async with asyncio.timeout(timeout_s):
            await done.wait()
        error = connection.error
        connection.close(monotonic())
        self.pump()
        if error is not None:
            raise error
        return bytes(received)


def _answer_once(pod: Pod, connection, answer: bytes) -> None:
    def changed() -> None:
        if connection.readable_octets:
            connection.read(1 << 16, monotonic())
            connection.write(answer, monotonic())
            connection.close(monotonic())

    connection.on_change = changed
    changed()


async def launch(directory: Path) -> asyncio.subprocess.Process:
    """Start a datapath."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "nodeagent.datapath", str(directory / "config.json")
    )


@dataclass
class NodeProcess:
    """A datapath process and its netlink connection."""

    number: int
    directory: Path
    process: asyncio.subprocess.Process
    netlink: rpc.Client
    dual: bool = False
    pods: list[Pod] = field(default_factory=list)

    async def add_pod(self, number: int, *, offload: bool = False) -> Pod:
        pod = Pod(self.directory, self.number, number, dual=self.dual, offload=offload)
        await self.netlink.call("link_replace", {"entries": [pod.link]})
        await pod.start()
        self.pods.append(pod)
        return pod

    async def restart(self, others: list[int]) -> None:
        """Kill the process, start a new one and fill its tables again."""
        self.process.kill()
        await self.process.wait()
        await self.netlink.close()
        self.process = await launch(self.directory)
        self.netlink = await rpc.connect_retrying(self.directory / "netlink.sock")
        await program(self, others)
        links = [pod.link for pod in self.pods]
        await self.netlink.call("link_replace", {"entries": links})


def vtep_mac(number: int) -> str:
    return f"ee:00:00:00:00:{number:02x}"


async def program(node: NodeProcess, others: list[int]) -> None:
    """Fill the tables as flannel does."""
    n, call = node.number, node.netlink.call
    await call("settings", {"cluster_cidr": "10.244.0.0/16", "masquerade_cidr": "10.244.0.0/16"})
    addresses = [
        {"address": f"10.244.{n}.1/24", "device": "cni0"},
        {"address": f"10.244.{n}.0/32", "device": "flannel.1"},
        {"address": f"192.168.64.{n}/24", "device": "eth0"},
    ]
    await call("address_replace", {"entries": addresses})
    vtep = {
        "name": "flannel.1",
        "vni": 1,
        "mac": vtep_mac(n),
        "local": f"192.168.64.{n}",
        "port": 4789,
        "mtu": OVERLAY_MTU,
    }
    await call("vtep_replace", {"entries": [vtep]})
    for other in others:
        via, mac = f"10.244.{other}.0", vtep_mac(other)
        route = {
            "destination": f"{via}/24",
            "device": "flannel.1",
            "via": via,
            "onlink": True,
        }
        await call("route_replace", {"entries": [route]})
        neighbour = {"address": via, "device": "flannel.1", "mac": mac, "state": "PERMANENT"}
        await call("neighbour_replace", {"entries": [neighbour]})
        fdb = {"mac": mac, "device": "flannel.1", "remote": f"192.168.64.{other}"}
        await call("fdb_replace", {"entries": [fdb]})
    if node.dual:
        await _program6(node, others)


async def _program6(node: NodeProcess, others: list[int]) -> None:
    n, call = node.number, node.netlink.call
    cidr = "10.244.0.0/16,fd00:10:244::/56"
    await call("settings", {"cluster_cidr": cidr, "masquerade_cidr": cidr})
    addresses = [
        {"address": f"fd00:10:244:{n}::1/64", "device": "cni0"},
        {"address": f"fd00:10:244:{n}::/128", "device": "flannel.1"},
    ]
    await call("address_replace", {"entries": addresses})
    for other in others:
        via, mac = f"fd00:10:244:{other}::", vtep_mac(other)
        route = {"destination": f"{via}/64", "device": "flannel.1", "via": via, "onlink": True}
        await call("route_replace", {"entries": [route]})
        neighbour = {"address": via, "device": "flannel.1", "mac": mac, "state": "PERMANENT"}
        await call("neighbour_replace", {"entries": [neighbour]})


@asynccontextmanager
async def run_cluster(
    tmp_path: Path, block: int, nodes: int = 2, *, dual: bool = False, **more: object
):
    """Run datapaths of nodes 1.. with transport addresses PREFIX.*block*.N, *more* configured."""
    started: list[NodeProcess] = []
    try:
        for number in range(1, nodes + 1):
            directory = tmp_path / f"node-{number}"
            directory.mkdir()
            config = {
                "node_name": f"node-{number}",
                "internal_ip": f"192.168.64.{number}",
                "transport_map": {"192.168.64.0/24": f"{PREFIX}.{block}.0/24"},
                "external_map": {"192.168.65.0/24": f"{PREFIX}.{block + 100}.0/24"},
                "directory": str(directory),
                "host_address": "192.168.64.254",
                "log_file": str(directory / "datapath.log"),
                **more,
            }
            if dual:
                config["transport_map"]["fd00:192:168:64::/120"] = f"{PREFIX}.{block}.0/24"
                config["external_map"]["fd00:192:168:65::/120"] = f"{PREFIX}.{block + 100}.0/24"
                config["internal_ip6"] = f"fd00:192:168:64::{number}"
                config["host_address6"] = str(HOST_ADDRESS6)
            (directory / "config.json").write_text(json.dumps(config))
            process = await launch(directory)
            try:
                netlink = await rpc.connect_retrying(directory / "netlink.sock", timeout_s=10)
            except rpc.RpcError:
                process.kill()
                raise
            started.append(NodeProcess(number, directory, process, netlink, dual))
        for node in started:
            others = [other.number for other in started if other is not node]
            await program(node, others)
        yield started
    finally:
        for node in started:
            for pod in node.pods:
                pod.close()
            if node.process.returncode is None:
                node.process.terminate()
            await node.netlink.close()
            await node.process.wait()


def frontend_entry(address: str, port: int, backends: list[tuple[str, int]], **fields: object):
    """Return an entry of the frontend table."""
    return {
        "address": address,
        "port": port,
        "protocol": "TCP",
        "service": "default/web",
        "backends": [{"address": each[0], "port": each[1]} for each in backends],
        **fields,
    }


class World:
    """Nodes joined by memory, pods that are stacks, and one clock that waits for nobody."""

    def __init__(self, nodes: int = 2, seed: int = 1, *, dual: bool = False) -> None:
        self.now, self.dual = 1000.0, dual
        self.wire: list[tuple[int, int, bytes]] = []  # Receiver; sender, 0 for bare IP; octets.
        self.stacks: dict[str, tuple[Node, Port, Host]] = {}
        self.nodes = {number: self._new_node(number, seed) for number in range(1, nodes + 1)}
        self.controls = {
            number: Control(node, self._new_output) for number, node in self.nodes.items()
        }
        for number in self.nodes:
            self._program(number)

    def _new_node(self, number: int, seed: int) -> Node:
        host = IPv4Address(f"192.168.64.{number}")

        @cache
        def vxlan(remote: IPv4Address) -> Output:
            def transmit(frames, _now) -> None:
                header = self.nodes[number].vtep.header
                receiver = int(remote) & 0xFF
                self.wire += [(receiver, number, header + bytes(frame)) for frame in frames]

            return Output(
                f"vxlan {remote}",
                transmit,
                show=lambda frame: self.nodes[number].tap_vxlan(remote, frame),
            )

        def underlay(remote: IPv4Address | IPv6Address) -> Output | None:
            if remote in (HOST_ADDRESS, HOST_ADDRESS6, SITE, SITE6):
                return self.nodes[number].outside_output
            if int(remote) & 0xFF not in self.nodes:
                return None

            def transmit(frames, _now) -> None:
                receiver = int(remote) & 0xFF
                self.wire += [(receiver, 0, bytes(frame)[14:]) for frame in frames]

            return Output(f"underlay {remote}", transmit)

        node = Node(
            Identity(
                name=f"node-{number}",
                internal_ip=IPv4Interface(f"{host}/24"),
                bridge_mac=b"\x0a\x57" + host.packed,
                eth0_mac=outer_frame.mac_of(host),
                internal_ip6=IPv6Interface(f"fd00:192:168:64::{number}/120") if self.dual else None,
            ),
            Outputs(vxlan=vxlan, underlay=underlay),
            random.Random(seed + number),
        )
        node.outside = IpHost(
            address=IPv4Interface(f"{HOST_ADDRESS}/24"),
            address6=IPv6Interface(f"{HOST_ADDRESS6}/120") if self.dual else None,
            mtu=OVERLAY_MTU,
            rng=node.rng,
            source_for=lambda _destination: HOST_ADDRESS,
            source_for6=lambda _destination: HOST_ADDRESS6,
        )
        return node

    def _new_output(self, name: str) -> Output:
        def transmit(frames, now) -> None:
            _, _, host = self.stacks[name]
            host.receive_frames([bytes(frame) for frame in frames], now)

        return Output(
            name, transmit, show=lambda frame: self.stacks[name][0].tap(name, "out", frame)
        )

    def _program(self, n: int) -> None:
        control = self.controls[n]
        cidr = "10.244.0.0/16,fd00:10:244::/56" if self.dual else "10.244.0.0/16"
        control.settings(tables.Settings(cluster_cidr=cidr, masquerade_cidr=cidr))
        control.address_replace(
            [
                tables.Address(address=f"10.244.{n}.1/24", device="cni0"),
                tables.Address(address=f"10.244.{n}.0/32", device="flannel.1"),
            ]
        )
        if self.dual:
            control.address_replace(
                [
                    tables.Address(address=f"fd00:10:244:{n}::1/64", device="cni0"),
                    tables.Address(address=f"fd00:10:244:{n}::/128", device="flannel.1"),
                ]
            )
        control.vtep_replace(
            [tables.Vtep(name="flannel.1", vni=1, mac=vtep_mac(n), local=f"192.168.64.{n}")]
        )
        for other in self.nodes:
            if other != n:
                self.add_remote(n, other)

    def add_remote(self, n: int, other: int) -> None:
        """Tell node *n* of node *other*, as flannel does."""
        control, via, mac = self.controls[n], f"10.244.{other}.0", vtep_mac(other)
        route = tables.Route(destination=f"{via}/24", device="flannel.1", via=via, onlink=True)
        control.route_replace([route])
        control.neighbour_replace([tables.Neighbour(address=via, device="flannel.1", mac=mac)])
        remote = f"192.168.64.{other}"
        control.fdb_replace([tables.Fdb(mac=mac, device="flannel.1", remote=remote)])
        if self.dual:
            via = f"fd00:10:244:{other}::"
            route = tables.Route(destination=f"{via}/64", device="flannel.1", via=via, onlink=True)
            control.route_replace([route])
            control.neighbour_replace([tables.Neighbour(address=via, device="flannel.1", mac=mac)])

    def pod(self, n: int, number: int, *, gateway6: str = "") -> Host:
        """Add a pod to node *n*."""
        name, address = f"veth{n}-{number}", IPv4Address(f"10.244.{n}.{number}")
        mac = b"\x0a\x58" + address.packed
        address6 = IPv6Interface(f"fd00:10:244:{n}::{number}/64") if self.dual else None
        entry = tables.Link(
            name=name,
            mac=format_mac(mac),
            address=f"{address}/24",
            address6=str(address6 or ""),
        )
        self.controls[n].link_replace([entry])
        port = self.nodes[n].ports[name]
        port.connected = True
        host = Host(
            mac=mac,
            address=IPv4Interface(f"{address}/24"),
            gateway=IPv4Address(f"10.244.{n}.1"),
            address6=address6,
            gateway6=IPv6Address(gateway6 or f"fd00:10:244:{n}::1") if self.dual else None,
            mtu=OVERLAY_MTU,
            rng=random.Random(number),
        )
        self.stacks[name] = self.nodes[n], port, host
        self.run()
        return host

    def service(self, address: str, port: int, backends, *, protocol="TCP", **fields) -> None:
        """Program a frontend on every node."""
        entry = tables.Frontend(
            address=address,
            port=port,
            protocol=protocol,
            service="default/web",
            backends=[tables.Backend(address=str(a), port=p) for a, p in backends],
            **fields,
        )
        for control in self.controls.values():
            control.frontend_replace([entry])

    def run(self, seconds: float = 0.0) -> None:
        """Let everything happen until *seconds* from now, and until nothing is under way."""
        end = self.now + seconds
        for _ in range(100_000):
            if self._exchange():
                continue
            due = min(
                [each.deadline() for each in self.nodes.values()]
                + [host.deadline() for _, _, host in self.stacks.values()]
            )
            if due > end:
                self.now = end
                return
            self.now = max(self.now, due)
            for node in self.nodes.values():
                node.handle_deadline(self.now)
            for _, _, host in self.stacks.values():
                if host.deadline() <= self.now:
                    host.handle_deadline(self.now)
        raise AssertionError("the world does not come to rest")

    def _exchange(self) -> bool:
        busy = False
        for node, port, host in list(self.stacks.values()):
            frames = host.frames_to_send()
            if frames:
                busy = True
                node.receive_port(port, [memoryview(bytearray(each)) for each in frames], self.now)
                node.flush(self.now)
        for node in self.nodes.values():
            if node.outside_woken or node.stack_woken or node.dirty:
                busy = True
                node.flush(self.now)
        wire, self.wire = self.wire, []
        for receiver, sender, octets in wire:
            busy = True
            node, view = self.nodes[receiver], memoryview(bytearray(octets))
            if sender:
                address = IPv4Address(f"192.168.64.{sender}")
                node.receive_vxlan(address, view, len(view), self.now)
            else:
                node.receive_underlay(view, self.now)
            node.flush(self.now)
        return busy

    # What pods do.

    def ping(self, host: IpHost, address: str) -> bool:
        """Tell whether *address* answers."""
        replies: list[EchoReply] = []
        host.on_echo_reply = replies.append
        host.ping(ip_address(address), identifier=9, sequence=1, payload=b"x" * 56, now=self.now)
        self.wake()
        self.run(3.0)
        return bool(replies)

    def connect(self, host: IpHost, address: str, port: int, **options) -> TcpConnection:
        """Begin a connection and give it time."""
        connection = host.tcp_connect((ip_address(address), port), self.now, **options)
        self.wake()
        self.run(1.0)
        return connection

    def wake(self) -> None:
        """Say that the nodes' own stacks may have something to send."""
        for node in self.nodes.values():
            node.outside_woken = node.stack_woken = True


@pytest.fixture
def cluster():
    """Return what starts datapath processes."""
    return run_cluster


@pytest.fixture
def frontend():
    """Return what makes entries of the frontend table."""
    return frontend_entry


@pytest.fixture(scope="module")
def shared_world():
    """Return two nodes in memory, for all tests of a module."""
    return World()


@pytest.fixture(scope="module")
def shared_dual():
    """Return two nodes in memory that speak both families, for all tests of a module."""
    return World(dual=True)


@pytest.fixture
def world():
    """Return two nodes in memory."""
    return World()


@pytest.fixture
def dual():
    """Return two nodes in memory that speak both families."""
    return World(dual=True)


@pytest.fixture
def prefix():
    """Return the first two octets of this process's transport addresses."""
    return PREFIX
