"""A cached verdict is never what the slow path would not say at that moment.

Two equal worlds live through the same tables, packets and pauses; in one of them every flow is
forgotten before each packet, so that its packets are always thought about. What leaves, what is
dropped and what conntrack knows must be the same in both.
"""

from __future__ import annotations

from functools import partial

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import Ether

from netstack.wire.ipv4 import PROTOCOL_ICMP
from netstack.wire.tcp import Flag
from nodeagent.datapath import fast_path, listing, tables

PODS = {5: "veth1-5", 6: "veth1-6"}
REMOTE, SERVICE = "10.244.2.5", "10.96.0.10"
REMOTE6, SERVICE6, POD6 = "fd00:10:244:2::5", "fd00:10:96::10", "fd00:10:244:1::5"
BACKENDS6 = {REMOTE: REMOTE6, "10.244.1.6": "fd00:10:244:1::6"}
OUTSIDE, OUTSIDE6 = "192.168.64.254", "fd00:192:168:64::fe"
GATEWAY = "0a:57:c0:a8:40:01"
VXLAN = b"\x08\0\0\0\0\0\x01\0"
VTEPS = {1: "ee:00:00:00:00:01", 2: "ee:00:00:00:00:02"}
#: Pod, peer and port of the few flows that are spoken of again and again.
FLOWS = [(5, REMOTE, 5353), (5, SERVICE, 80), (5, "10.244.1.6", 5353), (6, "10.244.1.5", 1000)]
FLOWS6 = [(5, REMOTE6, 5353), (5, SERVICE6, 80), (5, BACKENDS6["10.244.1.6"], 5353)]
flows = st.sampled_from([*FLOWS, *FLOWS6, (6, POD6, 1000)])
pairs = st.sampled_from([(REMOTE, "10.244.1.5"), (REMOTE6, POD6)])
flags = st.sampled_from([None, None, "S", "A", "PA", "FA", "R"])
ttls = st.sampled_from([64, 64, 64, 64, 2, 1])
ids = st.sampled_from([1, 2])
sizes = st.sampled_from([12, 12, 12, 1000, 1500])


def mac(pod):
    return f"0a:58:0a:f4:01:{pod:02x}"


def ip(source, destination, ttl):
    if ":" in destination:
        return IPv6(src=source, dst=destination, hlim=ttl)
    return IP(src=source, dst=destination, ttl=ttl)


def layer(sport, dport, tcp):
    if tcp is None:
        return UDP(sport=sport, dport=dport)
    return TCP(sport=sport, dport=dport, flags=tcp, seq=1, ack=1, window=500)


KINDS6 = {
    "echo-request": ICMPv6EchoRequest,
    "echo-reply": ICMPv6EchoReply,
    "time-exceeded": ICMPv6TimeExceeded,
}


def message(kind, identifier, destination, **fields):
    if ":" not in destination:
        return ICMP(type=kind, id=identifier, seq=1, **fields)
    rest = {} if kind == "time-exceeded" else {"id": identifier, "seq": 1}
    return KINDS6[kind](**rest, **fields)


class Twins(RuleBasedStateMachine):
    """Node 1 of two worlds, and what leaves it."""

    make_world = None

    @initialize()
    def build(self):
        self.worlds = [self.make_world(), self.make_world()]
        self.sent = [[], []]
        self.last = lambda _world, _node: None
        for world, sent in zip(self.worlds, self.sent, strict=True):
            for pod in PODS:
                world.pod(1, pod)
            world.pod(2, 5)
            node = world.nodes[1]
            for pod, name in PODS.items():
                output = node.ports[name].output
                output.transmit = lambda frames, _now, pod=pod, to=sent: to.extend(
                    (pod, bytes(frame)) for frame in frames
                )
            self._service(world, [REMOTE])
            node.drops.clear()

    @staticmethod
    def _service(world, backends):
        for protocol in ("TCP", "UDP"):
            pairs = [(backend, 5353) for backend in backends]
            world.service(SERVICE, 80, pairs, protocol=protocol)
            pairs = [(BACKENDS6[backend], 5353) for backend in backends]
            world.service(SERVICE6, 80, pairs, protocol=protocol)

    def each(self, act):
        for number, world in enumerate(self.worlds):
            if number:
                world.nodes[1].clear_flows()
            act(world, world.nodes[1])
            world.nodes[1].flush(world.now)
            self.sent[number] += [("wire", octets) for _, _, octets in world.wire]
            world.wire.clear()

    def change(self, act):
        """Let *act* happen between two equal packets."""
        self.each(self.last)
        self.each(act)
        self.each(self.last)

    @rule(flow=flows, other=flows, tcp=flags, ttl=ttls, size=sizes, times=st.integers(1, 3))
    def pod_sends(self, flow, other, tcp, ttl, size, times):
        pod, batch = flow[0], []
        for _, peer, port in (flow, other if other[0] == flow[0] else flow):
            sport = 5353 if pod == 6 else 1000
            source = f"fd00:10:244:1::{pod}" if ":" in peer else f"10.244.1.{pod}"
            to = mac(int(peer[-1])) if peer[:-1] == source[:-1] else GATEWAY
            frame = Ether(src=mac(pod), dst=to) / ip(source, peer, ttl)
            batch.append(bytes(frame / layer(sport, port, tcp) / bytes(size)))

        def act(world, node):
            frames = [memoryview(bytearray(octets)) for octets in batch[:times] * times]
            if world is self.worlds[1]:
                for each in frames:
                    node.clear_flows()
                    node.receive_port(node.ports[PODS[pod]], [each], world.now)
            else:
                node.receive_port(node.ports[PODS[pod]], frames, world.now)

        self.each(act)
        self.last = act

    @rule(tcp=flags, ttl=ttls, pair=pairs)
    def remote_answers(self, tcp, ttl, pair):
        tcp = "SA" if tcp == "S" else tcp
        inner = Ether(src=VTEPS[2], dst=VTEPS[1]) / ip(*pair, ttl)
        octets = VXLAN + bytes(inner / layer(5353, 1000, tcp) / bytes(12))

        def act(world, node):
            view = memoryview(bytearray(octets))
            node.receive_vxlan(world.nodes[2].eth0.address, view, len(view), world.now)

        self.each(act)
        self.last = act

    @rule(
        pod=st.sampled_from([5, 6]),
        peer=st.sampled_from(
            [
                REMOTE,
                "10.244.1.5",
                "10.244.1.6",
                OUTSIDE,
                REMOTE6,
                BACKENDS6["10.244.1.6"],
                OUTSIDE6,
            ]
        ),
        kind=st.sampled_from(["echo-request", "echo-request", "echo-reply", "time-exceeded"]),
        identifier=ids,
        ttl=ttls,
        size=sizes,
        times=st.integers(1, 3),
        code=st.sampled_from([0, 0, 0, 1]),
    )
    def pod_pings(self, pod, peer, kind, identifier, ttl, size, times, code):
        source = f"fd00:10:244:1::{pod}" if ":" in peer else f"10.244.1.{pod}"
        to = mac(int(peer[-1])) if peer[:-1] == source[:-1] else GATEWAY
        frame = Ether(src=mac(pod), dst=to) / ip(source, peer, ttl)
        octets = bytes(frame / message(kind, identifier, peer, code=code) / bytes(size))

        def act(world, node):
            frames = [memoryview(bytearray(octets)) for _ in range(times)]
            if world is self.worlds[1]:
                for each in frames:
                    node.clear_flows()
                    node.receive_port(node.ports[PODS[pod]], [each], world.now)
            else:
                node.receive_port(node.ports[PODS[pod]], frames, world.now)

        self.each(act)
        self.last = act

    @rule(
        kind=st.sampled_from(["echo-reply", "echo-request"]), identifier=ids, ttl=ttls, pair=pairs
    )
    def remote_pings(self, kind, identifier, ttl, pair):
        inner = Ether(src=VTEPS[2], dst=VTEPS[1]) / ip(*pair, ttl)
        octets = VXLAN + bytes(inner / message(kind, identifier, pair[1]) / bytes(12))

        def act(world, node):
            view = memoryview(bytearray(octets))
            node.receive_vxlan(world.nodes[2].eth0.address, view, len(view), world.now)

        self.each(act)
        self.last = act

    @rule(there=st.booleans())
    def route_changes(self, there):
        def act(world, _node):
            if there:
                world.add_remote(1, 2)
            else:
                world.controls[1].route_delete(["10.244.2.0/24", "fd00:10:244:2::/64"])

        self.change(act)

    @rule(backends=st.sampled_from([[REMOTE], ["10.244.1.6"], []]))
    def service_changes(self, backends):
        self.change(lambda world, _node: self._service(world, backends))

    @rule(mode=st.sampled_from([0, 1, 2]))
    def settings_change(self, mode):
        cidr = "10.244.0.0/16,fd00:10:244::/56"
        entry = tables.Settings(
            cluster_cidr=cidr, masquerade_cidr=cidr if mode else "", rp_filter={"all": mode}
        )
        self.change(lambda world, _node: world.controls[1].settings(entry))

    @rule(remote=st.sampled_from(["192.168.64.2", "192.168.64.3"]))
    def forwarding_changes(self, remote):
        entry = tables.Fdb(mac=VTEPS[2], device="flannel.1", remote=remote)
        self.change(lambda world, _node: world.controls[1].fdb_replace([entry]))

    @rule(mtu=st.sampled_from([600, 1450]))
    def link_changes(self, mtu):
        entry = tables.Link(
            name=PODS[6],
            mac=mac(6),
            address="10.244.1.6/24",
            address6="fd00:10:244:1::6/64",
            mtu=mtu,
        )
        self.change(lambda world, _node: world.controls[1].link_replace([entry]))

    @rule(up=st.booleans())
    def pod_comes_and_goes(self, up):
        def act(_world, node):
            node.ports[PODS[6]].connected = up
            node.clear_flows()

        self.change(act)

    @rule()
    def connections_are_forgotten(self):
        def act(world, node):
            rows = listing.conntrack(node, world.now)
            wanted = [row["original"] for row in rows if row["protocol"] == "TCP"]
            flows = [tables.Flow(protocol="TCP", **original) for original in wanted]
            assert len(world.controls[1].conntrack_delete(flows)) == len(flows)

        self.change(act)

    @rule()
    def pings_are_forgotten(self):
        def act(_world, node):
            for each in node.conntrack:
                if each.original.protocol == PROTOCOL_ICMP:
                    node.conntrack.delete(each)

        self.change(act)

    @rule(seconds=st.sampled_from([1, 10, 40, 130]))
    def time_passes(self, seconds):
        def act(world, node):
            world.now += seconds
            node.handle_deadline(world.now)

        self.change(act)

    @invariant()
    def both_say_the_same(self):
        if not hasattr(self, "worlds"):
            return
        fast, slow = self.sent
        assert fast == slow
        ours, theirs = (world.nodes[1] for world in self.worlds)
        assert ours.drops == theirs.drops
        now = self.worlds[0].now
        assert listing.conntrack(ours, now) == listing.conntrack(theirs, now)
        fast.clear()
        slow.clear()


def test_a_cached_verdict_is_what_the_slow_path_would_say(world):
    class TheseTwins(Twins):
        make_world = staticmethod(partial(type(world), dual=True))

    checks = settings(
        max_examples=30,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(TheseTwins, settings=checks)


def test_flags_of_the_fast_path_are_tcps():
    assert fast_path._FIN_SYN_RST == Flag.FIN | Flag.SYN | Flag.RST
