"""A peer written by hand: it says exactly what a test tells it to, and shows what comes back."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv4Interface

import pytest

from netstack.ip_host import IpHost
from netstack.tcp.states import State
from netstack.wire.icmp import Icmp, Type
from netstack.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, Ipv4, Ipv4View
from netstack.wire.tcp import Flag, Options, Tcp, TcpView

HOST, PEER = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
SYN, ACK, FIN = Flag.SYN, Flag.ACK, Flag.FIN
OPTIONS = Options(mss=1000, window_scale=7, sack_permitted=True)


class Conversation:
    """A host, and a peer of it that speaks in segments. The peer's ISN is 5000."""

    def __init__(self, settings=None, *, port=80):
        self.now = 100.0
        self.host = IpHost(
            address=IPv4Interface("10.0.0.1/24"), mtu=1500, rng=random.Random(7), tcp=settings
        )
        self.port, self.peer_port = port, 4000
        self.sequence, self.acknowledgment = 5000, 0

    def say(self, flags, payload=b"", *, sequence=None, ack=None, window=512, options=None, tos=0):
        """Send a segment; our numbers are where the conversation is unless given."""
        segment = Tcp(
            source_port=self.peer_port,
            destination_port=self.port,
            sequence=(self.sequence if sequence is None else sequence) & 0xFFFFFFFF,
            acknowledgment=(self.acknowledgment if ack is None else ack) & 0xFFFFFFFF,
            flags=flags,
            window=window,
            options=options or Options(),
            payload=payload,
        )
        self._send(PROTOCOL_TCP, segment.emit(PEER, HOST), tos)
        if sequence is None:
            self.sequence += len(payload) + bool(flags & SYN) + bool(flags & FIN)
        return self.hear()

    def _send(self, protocol, octets, tos=0):
        length = len(octets)
        header = Ipv4(
            source=PEER, destination=HOST, protocol=protocol, payload_length=length, tos=tos
        )
        self.host.receive_packet(header.emit() + octets, self.now)

    def hear(self):
        """Return what the host sent since, and acknowledge it from now on."""
        heard = []
        self.tos = []  # Of what is heard now.
        for packet in self.host.packets_to_send():
            view = Ipv4View(packet)
            header = Ipv4.parse(view)
            assert header.destination == PEER
            self.tos.append(header.tos)
            segment = Tcp.parse(TcpView(view.payload), HOST, PEER)
            heard.append(segment)
            length = len(segment.payload) + bool(segment.flags & (SYN | FIN))
            self.acknowledgment = max(self.acknowledgment, segment.sequence + length)
        return heard

    def wait(self, seconds):
        """Let time pass; return what the host says of itself."""
        end = self.now + seconds
        while self.host.deadline() <= end:
            self.now = max(self.now, self.host.deadline())
            self.host.handle_deadline(self.now)
        self.now = end
        return self.hear()

    def icmp(self, about, code, mtu=0):
        """Send an ICMP error about a segment of the host."""
        octets = about.emit(HOST, PEER)
        quoted = Ipv4(
            source=HOST, destination=PEER, protocol=PROTOCOL_TCP, payload_length=len(octets)
        )
        message = Icmp(Type.UNREACHABLE, code, mtu, quoted.emit() + octets[:8])
        self._send(PROTOCOL_ICMP, message.emit())
        return self.hear()

    def accepted(self, options=OPTIONS):
        """Return a connection that the peer opened."""
        listener = self.host.tcp_listen(None, self.port)
        self.say(SYN, options=options)
        self.say(ACK)
        connection = listener.accept()
        assert connection is not None
        assert connection.state is State.ESTABLISHED
        return connection

    def connected(self, options=OPTIONS):
        """Return a connection that the host opened."""
        connection = self.connecting()
        self.say(SYN | ACK, options=options)
        assert connection.state is State.ESTABLISHED
        return connection

    def connecting(self):
        connection = self.host.tcp_connect((PEER, self.peer_port), self.now)
        self.port = connection.local[1]
        [self.syn] = self.hear()
        return connection


@pytest.fixture
def converse() -> type[Conversation]:
    return Conversation


@pytest.fixture
def talk(converse):
    return converse()
