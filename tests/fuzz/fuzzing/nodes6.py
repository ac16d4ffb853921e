"""A node with both families and offload: IPv6 from everywhere, super-frames, partial frames."""

from __future__ import annotations

from functools import partial

from fuzzing.packets import ipv6, mended_ipv6, script, steps
from fuzzing.target import Target
from netdev import framing
from netdev.framing import MalformedBatch
from netstack import offload
from netstack.host import Host
from netstack.tcp.connection import TcpConnection
from netstack.wire import MalformedPacket
from netstack.wire.vxlan import Vxlan
from nodeagent.datapath.conntrack import icmp_error
from nodeagent.datapath.packet import FlowTuple
from nodeagent.datapath.packet6 import Packet6
from simulator.checkers import bounds
from simulator.cluster import Cluster, port_name
from simulator.kernel import node_address, node_address6
from simulator.link import BARE, VXLAN
from simulator.plan import Plan
from simulator.pod import Pod
from simulator.tables import POD_TCP_PORT, service_address6, vtep_mac
from simulator.world import World

_PLAN = Plan(
    nodes=2,
    pods=3,
    versions=(4, 6),
    offload=True,
    services=(("pod-1", "pod-2"),),
    conntrack_max=32,
)
_IPV6 = b"\x86\xdd"
_HEADER = Vxlan(1).emit()
_PARTIAL_HEADER = b"\x0c" + _HEADER[1:]
#: Of Ethernet, IPv6, and TCP with all options.
_HEADERS_MAX = 14 + 40 + 60
_PROTOCOLS = (6, 17, 58, 0, 44, 60, 43, 59)


class Stage:
    """Two nodes; the pod on node 1 has a connection to one on each, so flows are known."""

    def __init__(self) -> None:
        self.world = World(7)
        self.cluster = Cluster(self.world, _PLAN, on_pod=self._serve)
        self.world.run(limit_s=0.01)
        self.kernel = self.cluster.kernels[1]
        self.pod, self.local, self.remote = (
            self.cluster.pods[name].host for name in ("pod-0", "pod-2", "pod-1")
        )
        self.flows = [self._connect(self.remote), self._connect(self.local)]
        self.world.run(limit_s=0.3)
        assert all(each.established for each in self.flows)
        self.targets = [each.packed for each in (
            service_address6(0), self.local.address6, self.remote.address6, node_address6(1),
        )]  # fmt: skip

    def _serve(self, pod: Pod) -> None:
        listener = pod.host.tcp_listen(None, POD_TCP_PORT)
        listener.on_ready = partial(self._accept, listener)

    def _accept(self, listener) -> None:  # type: ignore[no-untyped-def]
        connection = listener.accept()
        if connection is not None:
            connection.write(b"welcome" * 1000, self.world.now)

    def _connect(self, to: Host) -> TcpConnection:
        connection = self.pod.tcp_connect((to.address6, POD_TCP_PORT), self.world.now)
        connection.write(b"x" * 9000, self.world.now)
        self.cluster.pods["pod-0"].wake()
        return connection

    def packet(self, kind: int, body: bytes, source: bytes) -> bytes:
        """Return an IPv6 packet: as it is, or with a protocol and a target by its kind."""
        if kind & 1:
            return mended_ipv6(body)
        protocol, target = _PROTOCOLS[kind >> 1 & 7], self.targets[kind >> 4 & 3]
        if protocol in (6, 17):
            body = b"\x9c\x40\0\x50" + body
        return ipv6(protocol, source, target, body, hops=64)

    def segment(self, kind: int, body: bytes) -> bytes:
        """Return a segment of a flow that is known, as its pod sends it."""
        flow = self.flows[kind & 1]
        number = flow.snd_nxt + int.from_bytes(body[:2], "big", signed=True)
        head = flow.route[32:36] + (number & 0xFFFFFFFF).to_bytes(4, "big")
        head += (flow.rcv_nxt & 0xFFFFFFFF).to_bytes(4, "big")
        flags = body[2] if len(body) > 2 and kind & 2 else 0x10
        head += bytes([0x50, flags]) + b"\xff\xff\0\0\0\0"
        return ipv6(6, flow.local_address, flow.remote_address, head + body[3:], hops=64)

    def from_pod(self, kind: int, body: bytes) -> None:
        """Let the pod on node 1 send a frame, or what stands for several."""
        mac, gateway = self.pod.mac, self.kernel.node.bridge.mac
        local = kind & 4 and kind & 3 == 3 and kind >> 3 & 1
        head = (self.local.mac if local else gateway) + mac + _IPV6
        channel, frame = 0, body
        match kind & 3:
            case 1:
                frame = head + self.packet(kind >> 2, body, self.pod.address6.packed)
            case 2:
                frame = head + self.segment(kind >> 2, body)
            case 3:
                frame = head + self.segment(kind >> 3, body)
                segment = body[0] * 4 if body and kind & 4 else 0
                channel = framing.PARTIAL | segment
        self.kernel.receive_port(port_name(0), [(channel, frame)], self.world.now)

    def from_node(self, kind: int, body: bytes) -> None:
        """Let datagrams come from the other node, a run of them where they are partial."""
        vteps = bytes.fromhex((vtep_mac(1) + vtep_mac(2)).replace(":", ""))
        octets, channel = [body], VXLAN
        source = self.remote.address6.packed
        match kind & 3:
            case 1:
                octets = [_HEADER + vteps + _IPV6 + self.packet(kind >> 2, body, source)]
            case 2:
                octets, channel = [self.packet(kind >> 2, body, node_address6(2).packed)], BARE
            case 3:
                octets = [_PARTIAL_HEADER + vteps + _IPV6 + each for each in self._run(kind, body)]
        packets = [(channel, each) for each in octets]
        self.kernel.receive_underlay(node_address(2), packets, self.world.now)

    def _run(self, kind: int, body: bytes) -> list[bytes]:
        """Return segments of the other end of the first flow, that follow one another."""
        flow, size = self.flows[0], 1 + (body[0] if body else 0)
        number, packets = flow.rcv_nxt, []
        payload = body[1:] * (1 + (kind >> 2 & 7))
        for at in range(0, len(payload), size):
            piece = payload[at : at + size]
            ports = flow.route[34:36] + flow.route[32:34]
            head = ports + (number & 0xFFFFFFFF).to_bytes(4, "big")
            head += (flow.snd_nxt & 0xFFFFFFFF).to_bytes(4, "big") + b"\x50\x10\xff\xff\0\0\0\0"
            addresses = (flow.remote_address, flow.local_address)
            packets.append(ipv6(6, *addresses, head + piece, hops=63 + (kind >> 5 & 1)))
            number += len(piece)
        return packets[:100] or [body]

    def check(self) -> None:
        """Nothing may have grown."""
        kernels, pods = self.cluster.kernels.values(), self.cluster.pods.values()
        found = bounds(kernels, pods, conntrack_max=_PLAN.conntrack_max)
        assert not found, found


def receive(octets: bytes) -> None:
    stage = Stage()
    for kind, body in steps(octets):
        if kind >= 0xF8:
            stage.world.run(limit_s=(kind & 7) ** 3 * 0.01)
        elif kind & 1:
            stage.from_pod(kind >> 1, body)
        else:
            stage.from_node(kind >> 1, body)
    stage.world.run(limit_s=1.0)
    stage.check()


def cut_and_join(octets: bytes) -> None:
    """Any frame, cut, joined and completed; what was cut of a sound one is joined to it again."""
    segment, frame = int.from_bytes(octets[:2], "big"), octets[2:]
    whole = bytearray(frame)
    offload.complete(whole)
    assert len(whole) == len(frame)
    try:
        pieces = offload.cut(frame, segment, partial=True)
    except MalformedPacket:
        pieces = []
    assert sum(map(len, pieces)) <= len(frame) + _HEADERS_MAX * len(pieces)
    assert len(pieces) <= offload.SEGMENTS_MAX
    joined = offload.join([memoryview(each) for each in pieces])
    assert len(joined) <= len(pieces)
    halves = [memoryview(frame)[at : at + segment] for at in range(0, len(frame), segment or 64)]
    for each, _ in offload.join(halves):
        assert len(each) <= offload.OCTETS_MAX or each in halves


def veth(octets: bytes) -> None:
    """A message of a veth with offload: its frames are its octets, cut."""
    frames, _ = framing.split_offloaded(memoryview(octets))
    assert b"".join(frames) == octets[framing.HEADER_OCTETS :]


def packet6(octets: bytes) -> None:
    """Translate whatever is a packet, and undo it for an error."""
    packet = Packet6.from_ip(mended_ipv6(octets), "cni0")
    was = bytes(packet.ip)
    packet.checksum_holds()
    if packet.is_icmp_error and (quoted := icmp_error.quoted_flow(packet)) is not None:
        icmp_error.translate_quote(packet, quoted._replace(source=1 << 99))
    if (flow := packet.flow) is not None:
        target = FlowTuple(flow.protocol, 1 << 100, 7, 1 << 101, 9)
        packet.translate_source(target)
        packet.translate_destination(target)
        arrived = packet.as_arrived()
        assert (arrived[:40], len(arrived)) == (was[:40], len(was))


_ECHO = b"\x80\0\0\0\0\1\0\1echo"
_SOLICIT = b"\x87\0\0\0\0\0\0\0" + bytes(16) + b"\1\1\2\2\2\2\2\2"
_SEEDS = [
    script(*((1 | kind << 1, b"\x01" + bytes(60)) for kind in range(0, 120, 5))),
    script(*((kind << 1, b"\x20" + b"data" * 30) for kind in range(0, 120, 7))),
    script((1 | 2 << 1, b"\0\0\x10hello"), (1 | 3 << 1, b"\0\0\x10partial"), (0xFA, b"")),
    script((1 | 7 << 1, b"\0\0\x10" + b"super" * 100), (3 << 1, b"\x40" + b"joined" * 60)),
    script((1 | 17 << 1, _ECHO), (1 | 5 << 1, b"\x60" + bytes(5) + b"\x3a\xff" + bytes(32))),
    script((17 << 1, _ECHO), (2 << 1, _SOLICIT), (1 << 1, _SOLICIT)),
    script((1 | 33 << 1, b"\x3a\0\0\x01\0\0\0\7" + bytes(24)), (33 << 1, b"\x2c\0" + bytes(30))),
]
_FRAME = bytes.fromhex("0a580af401020a580af4010186dd60000000006406400000") + bytes(100)

_SIX, _ENDS = b"\x60\0\0\0\0\0", (b"\xfd" + bytes(14) + b"\1") * 2

_PACKAGES = ("netstack", "nodeagent.datapath")
TARGETS = {
    "packet6": Target(packet6, ("nodeagent.datapath",), [
        _SIX + b"\x06\x40" + _ENDS + bytes(20),
        _SIX + b"\x2c\x09" + _ENDS + b"\x11\0\0\1" + bytes(12),
        _SIX + b"\x3a\x40" + _ENDS + b"\2\0\0\0\0\0\5\0" + _SIX + b"\x11\x40" + _ENDS + bytes(8),
    ], (MalformedPacket,)),
    "node6": Target(receive, _PACKAGES, _SEEDS),
    "offload": Target(cut_and_join, ("netstack",), [
        b"\0\x10" + _FRAME, b"\x05\x78" + bytes(12) + b"\x08\0\x45" + bytes(80),
    ]),
    "veth-offloaded": Target(veth, ("netdev",), [
        b"\0\x04\x80\0abcdefgh", b"\0\x08\x80\x02abcdefgh", b"\0\x02\0\0ab",
    ], (MalformedBatch,)),
}  # fmt: skip
