"""Address translation (nf_nat_core): decided for a connection's first packet, done to every one.

Destinations change before routing, sources after it. A source keeps its port where the resulting
reply tuple is free; otherwise, and for masquerade always (`random-fully`, as kube-proxy asks), a
free one is searched from a random start, at most `_ATTEMPTS_MAX` times.
"""

from __future__ import annotations

import random
from typing import Final

from netstack.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP
from netstack.wire.ipv6 import NextHeader
from nodeagent.datapath.conntrack import icmp_error
from nodeagent.datapath.conntrack.connection import Connection
from nodeagent.datapath.conntrack.table import ConntrackTable
from nodeagent.datapath.packet import IPV6_FROM, CtState, Direction, FlowTuple, Packet

_PORT_MIN, _PORT_MAX = 1024, 65535
_ATTEMPTS_MAX: Final = 128


def bind_destination(connection: Connection, address: int, port: int) -> None:
    """Send the connection to *address*:*port* (DNAT); before it is confirmed."""
    assert not connection.confirmed
    protocol, _, _, destination, destination_port = connection.reply
    connection.reply = FlowTuple(protocol, address, port, destination, destination_port)


def bind_source(
    table: ConntrackTable, connection: Connection, address: int | None, rng: random.Random
) -> bool:
    """Give the connection its source: *address*, or its own; False when no port is free."""
    assert not connection.confirmed
    connection.source_bound = True
    protocol, source, source_port, destination, own_port = connection.reply
    if address is not None:
        destination = address
    is_echo = protocol == (PROTOCOL_ICMP if source < IPV6_FROM else NextHeader.ICMPV6)
    has_ports = is_echo or protocol in (PROTOCOL_TCP, PROTOCOL_UDP)
    if address is None or not has_ports:
        reply = FlowTuple(protocol, source, source_port, destination, own_port)
        if not table.taken(reply):
            connection.reply = reply
            return True
    if not has_ports:
        return False
    for _ in range(_ATTEMPTS_MAX):
        port = rng.randint(_PORT_MIN, _PORT_MAX)
        candidate = FlowTuple(protocol, source, source_port, destination, port)
        if not table.taken(candidate):
            connection.reply = candidate
            return True
    return False


def translate_destination(packet: Packet) -> None:
    """Do before routing what was decided for the packet's connection."""
    connection = packet.connection
    if connection is None:
        return
    target = connection.translated(packet.direction)
    if packet.state is CtState.RELATED:
        icmp_error.translate_quote(packet, target.inverted())
        packet.set_destination_address(target.destination)
    elif packet.flow != target:
        packet.translate_destination(target)


def translate_source(packet: Packet) -> None:
    """Do after routing what was decided for the packet's connection."""
    connection = packet.connection
    if connection is None:
        return
    target = connection.translated(packet.direction)
    if packet.state is CtState.RELATED:
        if _reporter_is_translated(connection, packet.direction):
            packet.set_source_address(target.source)
    elif packet.flow != target:
        packet.translate_source(target)


def _reporter_is_translated(connection: Connection, direction: Direction) -> bool:
    """Tell whether who reports an error hides behind a translated address."""
    if direction is Direction.REPLY:
        return connection.is_destination_translated
    return connection.is_source_translated
