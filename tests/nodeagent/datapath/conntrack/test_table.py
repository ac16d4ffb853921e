"""The conntrack table: bounds, expiry, and a naive model of UDP with translation."""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

from nodeagent.datapath.conntrack import nat
from nodeagent.datapath.conntrack.table import ConntrackTable
from nodeagent.datapath.fast_path import FlowCache
from nodeagent.datapath.output import Output
from nodeagent.datapath.packet import CtState, Direction, Packet

CLIENTS, SERVERS = ["10.0.0.1", "10.0.0.2"], ["10.1.0.1", "10.1.0.2"]
PORTS = [1, 2]


def udp(source, source_port, destination, destination_port):
    layers = IP(src=source, dst=destination) / UDP(sport=source_port, dport=destination_port)
    return Packet.parse(bytes(Ether() / layers), "cni0")


def ends(packet):
    frame = Ether(bytes(packet.frame))
    return (frame[IP].src, frame[UDP].sport), (frame[IP].dst, frame[UDP].dport)


def pass_through(table, packet, now, *, to=None, hide=None):
    """Take a packet through the hooks that conntrack has."""
    table.track(packet, now)
    connection = packet.connection
    if connection is not None and not connection.confirmed and to is not None:
        nat.bind_destination(
            connection, int.from_bytes(bytes(map(int, to[0].split("."))), "big"), to[1]
        )
    nat.translate_destination(packet)
    if connection is not None and not connection.source_bound:
        assert nat.bind_source(table, connection, hide, random.Random(1))
    nat.translate_source(packet)
    if connection is not None and not connection.confirmed:
        assert table.confirm(connection)
    return ends(packet)


class Conntrack(RuleBasedStateMachine):
    """Clients speak to one VIP; each flow keeps its server until it has been silent."""

    VIP = ("10.96.0.1", 53)

    def __init__(self):
        super().__init__()
        self.table, self.now = ConntrackTable(), 0.0
        self.model = {}  # Client → [server, seen at, answered, born at]

    def alive(self, client):
        known = self.model.get(client)
        if known is None:
            return False
        stream = known[2] and known[1] - known[3] > 2.0
        return self.now - known[1] < (120.0 if stream else 30.0)

    @rule(seconds=st.floats(0, 50))
    def wait(self, seconds):
        self.now += seconds

    @rule(
        address=st.sampled_from(CLIENTS),
        port=st.sampled_from(PORTS),
        server=st.sampled_from(SERVERS),
    )
    def ask(self, address, port, server):
        client = address, port
        if not self.alive(client):
            self.model[client] = [(server, 5353), self.now, False, self.now]
        known = self.model[client]
        known[1] = self.now
        packet = udp(*client, *self.VIP)
        assert pass_through(self.table, packet, self.now, to=(server, 5353)) == (client, known[0])
        assert packet.state is (CtState.ESTABLISHED if known[2] else CtState.NEW)

    @rule(address=st.sampled_from(CLIENTS), port=st.sampled_from(PORTS))
    def answer(self, address, port):
        client = address, port
        if self.alive(client):
            known = self.model[client]
            known[1:3] = self.now, True
            packet = udp(*known[0], *client)
            assert pass_through(self.table, packet, self.now) == (self.VIP, client)
            assert packet.direction is Direction.REPLY

    @rule()
    def expire(self):
        self.table.expire(self.now)
        self.model = {client: each for client, each in self.model.items() if self.alive(client)}

    @invariant()
    def no_more_entries_than_flows(self):
        assert len(self.table) <= len(self.model)


TestConntrack = Conntrack.TestCase
TestConntrack.settings = settings(max_examples=60, stateful_step_count=30)


def test_an_unconfirmed_connection_leaves_no_trace():
    table = ConntrackTable()
    table.track(udp("10.0.0.1", 1, "10.1.0.1", 2), 0.0)
    assert len(table) == 0


def test_two_flows_that_would_look_alike_get_different_ports():
    table = ConntrackTable()
    hidden = 0x0A090909
    first = pass_through(table, udp("10.0.0.1", 7, "10.1.0.1", 53), 0.0, hide=hidden)
    second = pass_through(table, udp("10.0.0.2", 7, "10.1.0.1", 53), 0.0, hide=hidden)
    assert first[0][0] == second[0][0] == "10.9.9.9"
    assert first[0][1] != second[0][1]
    for hidden_end, client in ((first[0], "10.0.0.1"), (second[0], "10.0.0.2")):
        reply = udp("10.1.0.1", 53, *hidden_end)
        assert pass_through(table, reply, 1.0) == (("10.1.0.1", 53), (client, 7))


def test_a_full_table_gives_up_what_was_never_answered_first():
    table = ConntrackTable(connections_max=2)
    for port in (1, 2):
        pass_through(table, udp("10.0.0.1", port, "10.1.0.1", 53), 0.0)
    pass_through(table, udp("10.1.0.1", 53, "10.0.0.1", 1), 3.0)
    pass_through(table, udp("10.0.0.1", 3, "10.1.0.1", 53), 3.0)
    assert sorted(each.original.source_port for each in table) == [1, 3]
    for port in (1, 3):
        pass_through(table, udp("10.1.0.1", 53, "10.0.0.1", port), 6.0)
    packet = udp("10.0.0.1", 4, "10.1.0.1", 53)
    table.track(packet, 6.0)
    assert not table.confirm(packet.connection)


def test_an_answered_question_is_no_stream():
    table = ConntrackTable()
    pass_through(table, udp("10.0.0.1", 1, "10.1.0.1", 53), 0.0)
    pass_through(table, udp("10.1.0.1", 53, "10.0.0.1", 1), 1.9)
    (connection,) = table
    assert not connection.expired(31.8)
    assert connection.expired(32.0)
    pass_through(table, udp("10.0.0.1", 1, "10.1.0.1", 53), 2.1)
    assert not connection.expired(122.0)
    assert connection.assured
    assert connection.expired(122.2)


def test_a_reset_of_an_unanswered_connection_forgets_it():
    table = ConntrackTable()
    layers = IP(src="10.0.0.1", dst="10.1.0.1") / TCP(sport=1, dport=2, flags="S")
    syn = Packet.parse(bytes(Ether() / layers), "cni0")
    table.track(syn, 0.0)
    table.confirm(syn.connection)
    layers[TCP].flags = "R"
    table.track(Packet.parse(bytes(Ether() / layers), "cni0"), 0.0)
    assert len(table) == 0


def test_errors_about_nobody_are_invalid():
    table = ConntrackTable()
    error = Ether() / IP(src="10.9.9.9", dst="10.0.0.1") / ICMP(type=3, code=3)
    for quoted in (b"", b"junk" * 5, bytes(IP(dst="10.1.0.1") / UDP())):
        packet = Packet.parse(bytes(error / quoted), "cni0")
        table.track(packet, 0.0)
        assert packet.state is CtState.INVALID


def test_a_large_table_expires_in_slices(monkeypatch):
    monkeypatch.setattr("nodeagent.datapath.conntrack.table._EXPIRE_SCAN", 20)
    table = ConntrackTable()
    for number in range(50):
        pass_through(table, udp(f"10.2.0.{number}", 1, SERVERS[0], 2), 0.0)
    parts = [table.expire(20.0)]
    assert len(table) == 50
    while len(table):
        parts.append(table.expire(40.0))
    assert parts[0] < 0.5
    assert len(parts) == 4
    assert table.expire(40.0) == 1.0


def test_what_left_the_table_teaches_the_fast_path_nothing():
    table, cache = ConntrackTable(), FlowCache()
    packet = udp(CLIENTS[0], 1, SERVERS[0], 2)
    pass_through(table, packet, 0.0)
    table.delete(packet.connection)
    cache.learn(packet, Output("nowhere", lambda _frames, _now: None), 1450)
    assert not cache.flows


def test_a_full_table_gives_up_the_unassured_wherever_they_are():
    table = ConntrackTable(connections_max=100)
    for port in range(1, 41):  # Answered, and older than all others.
        pass_through(table, udp(CLIENTS[0], port, SERVERS[0], 53), 0.0)
        pass_through(table, udp(SERVERS[0], 53, CLIENTS[0], port), 3.0)
    refused = 0
    for port in range(1000, 2000):
        packet = udp(CLIENTS[1], port, SERVERS[0], 53)
        table.track(packet, 0.0)
        nat.bind_source(table, packet.connection, None, random.Random(1))
        refused += not table.confirm(packet.connection)
    assert len(table) == 100
    assert sum(connection.assured for connection in table) == 40
    assert refused < 50
