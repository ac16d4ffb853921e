"""A node's datapath that is fed by its pods, by other nodes, and by whoever sends octets to it."""

from __future__ import annotations

from fuzzing.packets import ipv4, mended_ipv4, script, steps
from fuzzing.target import Target
from netstack.wire.vxlan import Vxlan
from simulator.checkers import bounds
from simulator.cluster import Cluster, port_name
from simulator.kernel import node_address
from simulator.link import BARE, VXLAN
from simulator.plan import Plan
from simulator.tables import service_address, vtep_mac
from simulator.world import World

_PLAN = Plan(nodes=2, pods=3, services=(("pod-1", "pod-2"),), conntrack_max=32)
_IPV4, _ARP = b"\x08\0", b"\x08\x06"
_HEADER = Vxlan(1).emit()
_VTEP = bytes.fromhex(vtep_mac(1).replace(":", ""))
_OTHER_VTEP = bytes.fromhex(vtep_mac(2).replace(":", ""))


class Stage:
    """Two nodes with tables as flannel and kube-proxy write them; pods that only listen."""

    def __init__(self) -> None:
        self.world = World(7)
        self.cluster = Cluster(self.world, _PLAN, on_pod=lambda pod: None)
        self.world.run(limit_s=0.01)
        self.kernel = self.cluster.kernels[1]
        self.pod, self.local, self.remote = (
            self.cluster.pods[name].host for name in ("pod-0", "pod-2", "pod-1")
        )
        self.targets = [each.packed for each in (
            service_address(0), self.local.address, self.remote.address, node_address(1),
        )]  # fmt: skip

    def packet(self, kind: int, body: bytes, source: bytes) -> bytes:
        """Return an IPv4 packet: as it is, or one whose protocol and target the kind chooses."""
        if kind & 1:
            return mended_ipv4(body)
        protocol = (6, 17, 1, 1)[kind >> 1 & 3]
        target = self.targets[kind >> 3 & 3]
        if protocol == 6:
            body = b"\x9c\x40\0\x50" + bytes(8) + body[:4].ljust(4, b"\x50") + bytes(4) + body[4:]
        elif protocol == 17:
            body = b"\x9c\x40\0\x35" + (8 + len(body)).to_bytes(2, "big") + b"\0\0" + body
        elif kind & 64:
            quoted = ipv4(17, target, source, b"\0\x35\x9c\x40" + body)
            body = body[:8].ljust(8, b"\3") + quoted
        flags = int.from_bytes(body[-2:], "big") if kind & 32 else 0x4000
        return ipv4(protocol, source, target, body, flags=flags)

    def from_pod(self, kind: int, body: bytes) -> None:
        """Let the pod on node 1 send a frame."""
        mac, gateway = self.pod.mac, self.kernel.node.bridge.mac
        frame = body
        if kind & 7 == 1:
            frame = b"\xff" * 6 + mac + _ARP + body
        elif kind & 7 > 1:
            to = self.local.mac if kind & 128 else gateway
            frame = to + mac + _IPV4 + self.packet(kind >> 1, body, self.pod.address.packed)
        self.kernel.receive_port(port_name(0), [(0, frame)], self.world.now)

    def from_node(self, kind: int, body: bytes) -> None:
        """Let a datagram come from the other node."""
        octets, channel = body, VXLAN
        if kind & 3 == 1:
            octets = _HEADER + _VTEP + _OTHER_VTEP + _IPV4
            octets += self.packet(kind >> 2, body, self.remote.address.packed)
        elif kind & 3 == 2:
            octets, channel = self.packet(kind >> 2, body, node_address(2).packed), BARE
        elif kind & 3 == 3:
            octets, channel = _HEADER + body, (VXLAN, BARE)[kind >> 2 & 1]
        self.kernel.receive_underlay(node_address(2), [(channel, octets)], self.world.now)

    def check(self) -> None:
        """Nothing may have grown."""
        kernels, pods = self.cluster.kernels.values(), self.cluster.pods.values()
        found = bounds(kernels, pods, conntrack_max=_PLAN.conntrack_max)
        assert not found, found


def _run(octets: bytes, *, pods: bool, nodes: bool) -> None:
    stage = Stage()
    for kind, body in steps(octets):
        if kind >= 0xF8:
            stage.world.run(limit_s=(kind & 7) ** 3 * 0.01)
        elif pods and not (nodes and kind & 1):
            stage.from_pod(kind >> nodes, body)
        else:
            stage.from_node(kind >> pods, body)
    stage.world.run(limit_s=1.0)
    stage.check()


def receive_port(octets: bytes) -> None:
    _run(octets, pods=True, nodes=False)


def receive_underlay(octets: bytes) -> None:
    _run(octets, pods=False, nodes=True)


def both(octets: bytes) -> None:
    _run(octets, pods=True, nodes=True)


def receive_vxlan_batch(octets: bytes) -> None:
    """Datagrams of one stride, as UDP_GRO hands them over, cut anywhere."""
    stage = Stage()
    stride = int.from_bytes(octets[:2], "big")
    node, now = stage.kernel.node, stage.world.now
    node.receive_vxlan(node_address(2), memoryview(bytearray(octets[2:])), stride, now)
    node.flush(now)
    stage.check()


_SYN = b"\x50\x02\xff\xff"
_SEEDS = [
    script(*((kind << 1 | low, _SYN + b"data") for low in (0, 1) for kind in range(2, 60, 7))),
    script((4, _SYN), (0xF9, b""), (4, b"\x50\x10\xff\xff"), (4, b"\x50\x11\xff\xff")),
    script((1, bytes(28)), (0, b"\xff" * 6 + b"\x0a" + bytes(60))),
    script(*((kind, b"\x03\x04" + bytes(40)) for kind in range(64, 128, 3))),
]
_INNER = _HEADER + _VTEP + _OTHER_VTEP + _IPV4
_INNER += ipv4(17, b"\x0a\xf4\2\2", b"\x0a\xf4\1\2", b"\0\x35\0\x35\0\x0c\0\0data")

_PACKAGES = ("netstack", "nodeagent.datapath")
TARGETS = {
    "node-port": Target(receive_port, _PACKAGES, _SEEDS),
    "node-underlay": Target(receive_underlay, _PACKAGES, _SEEDS),
    "node": Target(both, _PACKAGES, _SEEDS),
    "node-vxlan": Target(receive_vxlan_batch, _PACKAGES, [
        len(_INNER).to_bytes(2, "big") + _INNER * 3, b"\0\0" + _INNER, b"\0\x07" + _INNER,
    ]),
}  # fmt: skip
