"""ICMPv6 of a host: echo, errors both ways, and when to say nothing (RFC 4443 §2.4)."""

from __future__ import annotations

import errno
import random
from ipaddress import IPv6Address, IPv6Interface

import pytest

from netstack import icmp, icmp6, path_mtu
from netstack.drops import DropReason
from netstack.ip_host import IpHost
from netstack.wire import ipv6
from netstack.wire.icmpv6 import Icmpv6, Icmpv6View, ParameterProblem, Type, Unreachable, echo
from netstack.wire.ipv6 import Ipv6, Ipv6View, NextHeader
from netstack.wire.udp import Udp

HOST, PEER = IPv6Address("fd00::1"), IPv6Address("fd00::2")


@pytest.fixture
def host():
    return IpHost(
        address=None, address6=IPv6Interface(f"{HOST}/64"), mtu=1500, rng=random.Random(1)
    )


def send(host, message, now=1.0, **fields):
    fields = {"source": PEER, "destination": HOST, "next_header": NextHeader.ICMPV6} | fields
    payload = message
    if isinstance(message, Icmpv6 | Udp):
        payload = message.emit(fields["source"], fields["destination"])
    host.receive_packet(Ipv6(payload_length=len(payload), **fields).emit() + payload, now)
    views = [Ipv6View(each) for each in host.packets_to_send()]
    return [
        Icmpv6.parse(
            Icmpv6View(view.payload), IPv6Address(view.source), IPv6Address(view.destination)
        )
        for view in views
    ]


REQUEST = echo(Type.ECHO_REQUEST, 7, 9, b"hello")


def test_echo_request_is_answered(host):
    assert send(host, REQUEST) == [echo(Type.ECHO_REPLY, 7, 9, b"hello")]


def test_echo_request_to_all_nodes_is_answered(host):
    assert len(send(host, REQUEST, destination=IPv6Address("ff02::1"))) == 1


def test_echo_replies_are_bounded(host):
    answers = sum(len(send(host, REQUEST)) for _ in range(int(icmp.ECHO_REPLIES_BURST) + 10))
    assert answers == icmp.ECHO_REPLIES_BURST
    assert host.drops == {DropReason.ICMP_RATE: 10}


def test_wrong_checksum_is_dropped(host):
    assert send(host, REQUEST.emit(HOST, HOST)) == []
    assert host.drops == {DropReason.ICMP_MALFORMED: 1}


def test_closed_port_is_unreachable(host):
    [error] = send(host, Udp(9, 99, b"anyone?"), next_header=NextHeader.UDP)
    assert (error.type, error.code) == (Type.UNREACHABLE, Unreachable.PORT)
    assert error.body.endswith(b"anyone?")


def test_error_is_no_longer_than_any_link_carries(host):
    [error] = send(host, Udp(9, 99, bytes(1400)), next_header=NextHeader.UDP)
    assert len(error.body) == icmp6.QUOTED_OCTETS_MAX == 1232


def test_udp_without_checksum_is_dropped(host):
    octets = bytearray(Udp(9, 99, b"x").emit(PEER, HOST))
    octets[6:8] = bytes(2)
    assert send(host, bytes(octets), next_header=NextHeader.UDP) == []
    assert host.drops == {DropReason.UDP_CHECKSUM: 1}


def test_errors_are_bounded(host):
    datagram = Udp(9, 99, b"x")
    errors = sum(len(send(host, datagram, next_header=NextHeader.UDP)) for _ in range(100))
    assert errors == icmp.ERRORS_BURST


UNKNOWN = 200


@pytest.mark.parametrize(
    "fields",
    [
        {"source": IPv6Address("::"), "destination": IPv6Address("ff02::1")},
        {"destination": IPv6Address("ff02::1")},
        {"source": IPv6Address("ff02::1")},
    ],
)
def test_what_must_not_be_answered_is_not(host, fields):
    assert send(host, b"x" * 16, next_header=UNKNOWN, **fields) == []


@pytest.mark.parametrize("kind", [Type.UNREACHABLE, Type.TIME_EXCEEDED, 77, Type.REDIRECT])
def test_errors_are_not_answered_with_errors(host, kind):
    behind = bytes((NextHeader.ICMPV6, 0, 0x9E, 2)) + bytes(4)  # An option that wants an answer.
    message = Icmpv6(kind, 0, 0, bytes(48)).emit(PEER, HOST)
    assert send(host, behind + message, next_header=NextHeader.DESTINATION) == []
    assert host.drops == {DropReason.OPTION_UNKNOWN: 1}


def test_informational_messages_are_answered_with_errors(host):
    behind = bytes((NextHeader.ICMPV6, 0, 0x9E, 2)) + bytes(4)
    [error] = send(host, behind + REQUEST.emit(PEER, HOST), next_header=NextHeader.DESTINATION)
    assert (error.type, error.code) == (Type.PARAMETER_PROBLEM, ParameterProblem.OPTION)


# Errors that arrive.


def sent_datagram(host, size=1400):
    socket = host.udp_bind(None, 0)
    socket.connect((PEER, 9))
    socket.send(bytes(size), None, 1.0)
    return socket, host.packets_to_send()


def test_packet_too_big_makes_datagrams_smaller(host):
    socket, [packet] = sent_datagram(host)
    send(host, Icmpv6(Type.PACKET_TOO_BIG, 0, 1300, packet[:1232]))
    socket.send(bytes(1400), None, 1.0)
    first, second = host.packets_to_send()
    assert len(first) <= 1300
    assert Ipv6View(first).next_header == Ipv6View(second).next_header == NextHeader.FRAGMENT
    assert host.output6.mtu_towards(PEER.packed, 2.0 + path_mtu.EXPIRES_S) == 1500


def test_packet_too_big_below_the_minimum_is_not_believed(host):
    _, [packet] = sent_datagram(host)
    send(host, Icmpv6(Type.PACKET_TOO_BIG, 0, ipv6.MTU_MIN - 1, packet[:1232]))
    assert host.output6.mtu_towards(PEER.packed, 1.0) == 1500
    assert host.drops == {DropReason.ICMP_MALFORMED: 1}


def test_packet_too_big_shrinks_the_segments_of_a_connection(host):
    connection = host.tcp_connect((PEER, 80), 1.0)
    [syn] = host.packets_to_send()
    send(host, Icmpv6(Type.PACKET_TOO_BIG, 0, 1300, syn))
    assert host.output6.mtu_towards(PEER.packed, 1.0) == 1300
    assert not connection.closed


def test_packet_too_big_cuts_what_is_on_its_way_again(host):
    other = IpHost(
        address=None, address6=IPv6Interface(f"{PEER}/64"), mtu=1500, rng=random.Random(2)
    )
    listener = other.tcp_listen(None, 80)
    connection = host.tcp_connect((PEER, 80), 1.0)
    for _ in range(3):
        other.receive_packets(host.packets_to_send(), 1.0)
        host.receive_packets(other.packets_to_send(), 1.0)
    connection.write(b"x" * 2856, 1.0)
    first, _ = host.packets_to_send()
    assert len(first) == 1500
    message = Icmpv6(Type.PACKET_TOO_BIG, 0, 1300, first[:1232])
    payload = message.emit(PEER, HOST)
    header = Ipv6(
        source=PEER, destination=HOST, next_header=NextHeader.ICMPV6, payload_length=len(payload)
    )
    host.receive_packet(header.emit() + payload, 1.0)
    again = host.packets_to_send()
    assert max(map(len, again)) == 1300
    other.receive_packets(again, 1.0)
    host.receive_packets(other.packets_to_send(), 1.0)
    other.receive_packets(host.packets_to_send(), 1.0)
    assert listener.accept().read(9999, 1.0) == b"x" * 2856


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (Unreachable.NO_ROUTE, None),
        (Unreachable.PORT, errno.ECONNREFUSED),
        (Unreachable.PROHIBITED, errno.EACCES),
    ],
)
def test_unreachable_is_an_error_of_a_connected_socket(host, code, number):
    socket, [packet] = sent_datagram(host, 10)
    send(host, Icmpv6(Type.UNREACHABLE, code, 0, packet))
    assert (socket.error and socket.error.errno) == number


def test_unreachable_ends_a_handshake(host):
    connection = host.tcp_connect((PEER, 80), 1.0)
    [syn] = host.packets_to_send()
    send(host, Icmpv6(Type.UNREACHABLE, Unreachable.ADDRESS, 0, syn))
    assert connection.error.errno == errno.EHOSTUNREACH


@pytest.mark.parametrize("quoted", [b"", bytes(40), b"\x60" + bytes(40), b"\x45" + bytes(60)])
def test_error_that_quotes_nothing_of_use_is_dropped(host, quoted):
    assert send(host, Icmpv6(Type.UNREACHABLE, 0, 0, quoted)) == []
    assert host.drops == {DropReason.ICMP_MALFORMED: 1}


def test_error_about_a_stranger_changes_nothing(host):
    stranger = Ipv6(source=PEER, destination=HOST, next_header=17, payload_length=8).emit()
    send(host, Icmpv6(Type.PACKET_TOO_BIG, 0, 1300, stranger + bytes(8)))
    assert host.output6.mtu_towards(HOST.packed, 1.0) > 1300


# Datagrams of every size.


@pytest.mark.parametrize("size", [0, 1452, 1453, 10_000, 65_527])
def test_datagrams_are_cut_at_the_source_and_whole_again(host, size):
    other = IpHost(
        address=None, address6=IPv6Interface(f"{PEER}/64"), mtu=1500, rng=random.Random(2)
    )
    server = other.udp_bind(None, 9)
    data = bytes(number & 0xFF for number in range(size))
    host.udp_bind(None, 0).send(data, (PEER, 9), 1.0)
    packets = host.packets_to_send()
    assert max(map(len, packets)) <= 1500
    random.Random(3).shuffle(packets)
    other.receive_packets(packets, 1.0)
    assert server.receive().data == data


def test_too_long_a_datagram_is_refused(host):
    with pytest.raises(OSError, match="too long"):
        host.udp_bind(None, 0).send(bytes(65_528), (PEER, 9), 1.0)
