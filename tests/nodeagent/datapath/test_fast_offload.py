"""Offloaded frames end as the same ordinary frames that they would have been all the way.

One world has pods that send super-frames and partial frames, carried so between its nodes; in the
other the same frames were completed before they entered the node, and no flow is ever remembered,
so that all take the slow path. What arrives at a completing end is the same, octet for octet.
"""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from netstack import offload
from netstack.wire.malformed import MalformedPacket
from nodeagent.datapath import fast_offload
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.output import Output, completed

REMOTE, LOCAL, SERVICE = "10.244.2.5", "10.244.1.6", "10.96.0.10"
REMOTE6, SERVICE6 = "fd00:10:244:2::5", "fd00:10:96::10"
MAC, GATEWAY = "0a:58:0a:f4:01:05", "0a:57:c0:a8:40:01"
LOCAL_MAC = "0a:58:0a:f4:01:06"
DESTINATIONS = {REMOTE: 5353, LOCAL: 5353, SERVICE: 80, REMOTE6: 5353, SERVICE6: 80}
PORTS = {to: 4000 + number for number, to in enumerate(DESTINATIONS)}
CHECKSUM, CHECKSUM6 = slice(50, 52), slice(70, 72)
ONE, TWO = IPv4Address("192.168.64.1"), IPv4Address("192.168.64.2")


def network(to, identification=7):
    link = Ether(src=MAC, dst=LOCAL_MAC if to == LOCAL else GATEWAY)
    if ":" in to:
        return link / IPv6(src="fd00:10:244:1::5", dst=to)
    return link / IP(src="10.244.1.5", dst=to, flags="DF", id=identification)


def packet(to, sequence, payload, flags="A", identification=7):
    """Return a frame of the connection from pod 5 to *to*, all checksums right."""
    ports = {"sport": PORTS[to], "dport": DESTINATIONS[to]}
    segment = TCP(**ports, flags=flags, seq=sequence, ack=1, window=500)
    return bytes(network(to, identification) / segment / Raw(payload))


def datagram(to, payload):
    return bytes(network(to) / UDP(sport=PORTS[to], dport=DESTINATIONS[to]) / Raw(payload))


def views(frames):
    return [memoryview(bytearray(frame)) for frame in frames]


class Net:
    """A world of two nodes, and what its pods 1-6 and 2-5 were sent."""

    def __init__(self, world, *, offloads):
        self.world, self.node = world, world.nodes[1]
        self.arrived = {name: [] for name in ("veth1-5", "veth1-6", "veth2-5")}
        for number, pod in ((1, 5), (1, 6), (2, 5)):
            host = world.pod(number, pod)
            node = world.nodes[number]
            for address in (host.address, host.address6):
                node.neighbours.replace("cni0", int(address), host.mac)
            node.bridge.fdb.replace(host.mac, node.ports[f"veth{number}-{pod}"])
        world.service(SERVICE, 80, [(REMOTE, 5353)])
        world.service(SERVICE6, 80, [(REMOTE6, 5353)])
        self.between = Output("vxlan", self._ordinary, offload=self._offloaded)
        self.node.vxlan_output = lambda _remote: self.between
        for name, arrived in self.arrived.items():
            port = world.nodes[int(name[4])].ports[name]
            port.output.transmit = lambda frames, _now, to=arrived: to.extend(map(bytes, frames))
        self.port, self.offloads = self.node.ports["veth1-5"], offloads
        for to in DESTINATIONS:
            self.open(to)
        for arrived in self.arrived.values():
            arrived.clear()

    def open(self, to):
        """Let conntrack see the beginning of a connection, both ways."""
        self.send([packet(to, 0, b"", "S")])
        for name, arrived in self.arrived.items():
            for syn in [each for each in map(Ether, arrived) if TCP in each]:
                answer = TCP(sport=syn[TCP].dport, dport=syn[TCP].sport, flags="SA", seq=0, ack=1)
                ip = syn.payload
                frame = Ether(src=syn.dst, dst=syn.src) / type(ip)(src=ip.dst, dst=ip.src)
                node = self.world.nodes[int(name[4])]
                node.receive_port(node.ports[name], views([bytes(frame / answer)]), 1000.0)
                node.flush(1000.0)
            arrived.clear()
        wire, self.world.wire = self.world.wire, []
        for _, _, octets in wire:
            self.node.receive_vxlan(TWO, memoryview(bytearray(octets)), len(octets), 1000.0)
        self.node.flush(1000.0)
        self.send([packet(to, 1, b"")])

    def send(self, frames):
        """Send ordinary frames."""
        self.node.receive_port(self.port, views(frames), 1000.0)
        self.node.flush(1000.0)

    def say(self, frame, segment=0):
        """Send what is partial, or a super-frame."""
        if self.offloads:
            open_ = bytearray(frame)
            if (frame[23] if frame[12] == 8 else frame[20]) == 6:
                open_[CHECKSUM if frame[12] == 8 else CHECKSUM6] = b"??"
            self.node.receive_offloaded(self.port, [memoryview(open_)], segment, 1000.0)
            return
        for whole in offload.cut(frame, segment, partial=False) if segment else [frame]:
            for node in self.world.nodes.values():
                node.clear_flows()
            self.node.receive_port(self.port, views([whole]), 1000.0)

    def end(self):
        self.node.flush(1000.0)

    def _ordinary(self, frames, now):
        for frame in frames:
            self._carry([self.node.vtep.header + bytes(frame)], now)

    def _offloaded(self, frames, segment, now):
        header, train = self.node.vtep.partial_header, frames
        for frame in frames:
            train = offload.cut(frame, segment, partial=True) if segment else [frame]
            self._carry([header + bytes(each) for each in train], now)

    def _carry(self, train, now):
        octets = memoryview(bytearray(b"".join(train)))
        node = self.world.nodes[2]
        if not self.offloads:
            node.clear_flows()
        node.receive_vxlan(ONE, octets, len(train[0]), now)
        node.flush(now)


destinations = st.sampled_from(list(DESTINATIONS))
messages = st.one_of(
    st.tuples(st.just("super"), destinations, st.integers(1, 5000), st.integers(100, 1400)),
    st.tuples(st.just("partial"), destinations, st.integers(0, 1300), st.just(0)),
    st.tuples(st.just("udp"), destinations, st.integers(12, 1300), st.just(0)),
    st.tuples(st.just("fin"), destinations, st.integers(0, 10), st.just(0)),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(messages, min_size=1, max_size=12))
def test_streams_arrive_as_if_nothing_were_offloaded(world, stream):
    worlds = [type(world)(dual=True) for _ in range(2)]
    nets = Net(worlds[0], offloads=True), Net(worlds[1], offloads=False)
    for net in nets:
        sequences = dict.fromkeys(DESTINATIONS, 1)
        for number, (kind, to, size, segment) in enumerate(stream):
            payload = bytes((number + each) & 0xFF for each in range(size))
            if kind == "udp":
                net.say(datagram(to, payload))
                continue
            flags = {"fin": "FA"}.get(kind, "PA" if number % 2 else "A")
            frame = packet(to, sequences[to], payload, flags, 100 * number)
            sequences[to] += size
            net.say(frame, segment)
        net.end()
    assert nets[0].arrived == nets[1].arrived
    assert nets[0].node.drops == nets[1].node.drops


@pytest.fixture
def net(world):
    return Net(type(world)(dual=True), offloads=True)


def test_a_super_frame_stays_one_to_a_pod_that_takes_it(net):
    taken = []
    output = net.node.ports["veth1-6"].output
    output.offload = lambda frames, segment, _now: taken.append((list(frames), segment))
    before = net.port.rx_packets
    net.say(packet(LOCAL, 1, bytes(5000)), 1400)
    net.say(packet(LOCAL, 5001, bytes(10)))
    net.say(packet(LOCAL, 5011, bytes(10)))
    net.send([packet(LOCAL, 5021, b"last")])
    assert [(len(frames), segment) for frames, segment in taken] == [(1, 1400), (2, 0)]
    assert net.arrived["veth1-6"][-1].endswith(b"last")
    assert net.port.rx_packets - before == 4  # A super-frame is one, as in Linux.


@pytest.mark.parametrize("to", [REMOTE, SERVICE, REMOTE6, SERVICE6])
def test_a_super_frame_crosses_between_nodes_and_is_joined(net, to):
    taken = []
    output = net.world.nodes[2].ports["veth2-5"].output
    output.offload = lambda frames, segment, _now: taken.append((bytes(frames[0]), segment))
    payload = bytes(range(250)) * 40
    net.say(packet(to, 1, payload, "PA"), 1380)
    net.end()
    [(frame, segment)] = taken
    assert (segment, frame[-len(payload) :]) == (1380, payload)
    [connection] = [each for each in net.node.conntrack if each.original.source_port == PORTS[to]]
    assert connection.sides[0].octets == len(payload) + 40


@pytest.mark.parametrize("flags", ["SA", "FA", "RA", "UA"])
def test_a_super_frame_with_flags_that_no_one_cuts_is_dropped(net, flags):
    net.say(packet(REMOTE, 1, bytes(3000), flags), 1400)
    net.end()
    assert net.arrived["veth2-5"] == []
    assert net.port.drops == {DropReason.MALFORMED_FRAME: 1}


@pytest.mark.parametrize(
    ("octets", "segment"),
    [(3000, 46), (0, 1400), (61_990, 1400)],  # 66 segments; no payload; too long with headers.
)
def test_a_super_frame_that_makes_no_sense_is_dropped(net, octets, segment):
    net.say(packet(REMOTE, 1, bytes(octets)), segment)
    net.end()
    assert net.port.drops == {DropReason.MALFORMED_FRAME: 1}


def test_a_super_frame_whose_header_lies_about_its_length_is_dropped(net):
    net.say(packet(REMOTE, 1, bytes(3000)) + b"more", 1400)
    net.end()
    assert net.port.drops == {DropReason.MALFORMED_FRAME: 1}


def test_pieces_that_are_too_long_are_answered_as_such(net):
    net.say(packet(REMOTE, 1, bytes(2840)), 1420)  # 1,460 octets with both headers.
    net.end()
    assert net.arrived["veth2-5"] == []
    assert [Ether(each)[ICMP].nexthopmtu for each in net.arrived["veth1-5"]] == [1450, 1450]


def test_a_capture_shows_what_a_wire_would(net):
    seen = []
    net.node.taps["veth1-5"] = [lambda _interface, _way, frame: seen.append(bytes(frame))]
    frame = packet(REMOTE, 1, bytes(3000))
    net.say(frame, 1400)
    net.end()
    assert seen == [bytes(each) for each in offload.cut(frame, 1400, partial=False)]


def test_what_a_capture_sees_arrive_is_complete(net):
    seen = []
    two = net.world.nodes[2]
    two.taps["flannel.1"] = [lambda _interface, _way, frame: seen.append(bytes(frame))]
    net.say(packet(REMOTE, 1, bytes(3000)), 1400)
    net.end()
    assert len(seen) == 3
    for frame in seen:
        again = bytearray(frame)
        offload.complete(again)
        assert again == frame


@given(st.binary(max_size=120), st.sampled_from([0, 1, 1400]))
def test_any_octets_are_carried_or_dropped(octets, segment):
    frame = bytearray(octets)
    try:
        completed([frame], segment)
    except MalformedPacket:
        assert segment
    cache = fast_offload.FlowCache()
    slow = []
    try:
        fast_offload.run_super(
            cache, (frame, segment), [], lambda each, _now: slow.append(each), 0.0
        )
    except MalformedPacket:
        assert slow == []
