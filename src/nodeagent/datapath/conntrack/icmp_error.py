"""ICMP errors about tracked connections: whom they concern, and how they are translated.

An error quotes the packet that it is about as the reporter saw it, that is after translation here.
For its receiver to recognise the packet, the quote is translated back, addresses, ports and
checksums (nf_nat_icmp_reply_translation), and the whole message gets a new checksum.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from netstack.wire import checksum, ipv6
from netstack.wire.ipv4 import FRAGMENT_MASK, PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP
from netstack.wire.malformed import MalformedPacket
from nodeagent.datapath.packet import IPV6_FROM, PROTOCOL_SCTP, FlowTuple, Packet

_ICMP_HEADER_OCTETS: Final = 8
_PORTS: Final = struct.Struct("!HH")
_WORD: Final = struct.Struct("!H")
_ADDRESSES: Final = struct.Struct("!II")


@dataclass(frozen=True, slots=True)
class _Quote:
    """Where in the frame of an error the quoted packet is, and its transport."""

    ip: int
    l4: int
    protocol: int


def _find(packet: Packet) -> _Quote | None:
    """Return where the quote of the error *packet* is, None when it names no flow."""
    at = packet.l4 + _ICMP_HEADER_OCTETS
    return _find6(packet.frame, at) if packet.version == 6 else _find4(packet.frame, at)


def _find4(frame: bytearray, at: int) -> _Quote | None:
    if len(frame) < at + 20:
        return None
    l4 = at + ((frame[at] & 0xF) << 2)
    fragment = _WORD.unpack_from(frame, at + 6)[0] & FRAGMENT_MASK
    if frame[at] >> 4 != 4 or l4 < at + 20 or len(frame) < l4 + 8 or fragment:
        return None
    return _Quote(at, l4, frame[at + 9])


def _find6(frame: bytearray, at: int) -> _Quote | None:
    if len(frame) < at + ipv6.HEADER_OCTETS or frame[at] >> 4 != 6:
        return None
    try:
        headers = list(ipv6.walk(bytes(frame[at:])))
    except MalformedPacket:
        return None
    last = headers[-1]
    if last.is_extension or last.end - last.start < 8:
        return None
    source, destination = _addresses6(frame, at)
    if source < IPV6_FROM or destination < IPV6_FROM:
        return None  # The table would take them for IPv4's.
    return _Quote(at, at + last.start, last.kind)


def _addresses6(frame: bytearray, at: int) -> tuple[int, int]:
    source, destination = frame[at + 8 : at + 24], frame[at + 24 : at + 40]
    return int.from_bytes(source, "big"), int.from_bytes(destination, "big")


def quoted_flow(packet: Packet) -> FlowTuple | None:
    """Return the flow of the packet that the error *packet* quotes, None when it names none."""
    quote, frame = _find(packet), packet.frame
    if quote is None:
        return None
    if packet.version == 6:
        source, destination = _addresses6(frame, quote.ip)
    else:
        source, destination = _ADDRESSES.unpack_from(frame, quote.ip + 12)
    protocol = quote.protocol
    if protocol in (PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP):
        ports = _PORTS.unpack_from(frame, quote.l4)
        return FlowTuple(protocol, source, ports[0], destination, ports[1])
    if protocol == packet.icmp:
        identifier = _WORD.unpack_from(frame, quote.l4 + 4)[0]
        if frame[quote.l4] == packet.echo_request:
            return FlowTuple(protocol, source, identifier, destination, 0)
        return FlowTuple(protocol, source, 0, destination, identifier)
    return FlowTuple(protocol, source, 0, destination, 0)


def translate_quote(packet: Packet, flow: FlowTuple) -> None:
    """Make the error *packet* quote a packet of *flow* instead; its quote is known to be whole."""
    quote = _find(packet)
    assert quote is not None, "its flow was read from it"
    if packet.version == 6:
        change = _translate_addresses6(packet.frame, quote, flow)
    else:
        change = _translate_addresses4(packet.frame, quote, flow)
    _translate_transport(packet, quote, flow, change)
    frame = packet.frame
    _WORD.pack_into(frame, packet.l4 + 2, 0)
    total = checksum.add(frame[packet.l4 :])
    if packet.version == 6:
        total += packet.source + packet.destination + packet.protocol + len(frame) - packet.l4
    _WORD.pack_into(frame, packet.l4 + 2, checksum.finish(total))


def _translate_addresses4(frame: bytearray, quote: _Quote, flow: FlowTuple) -> int:
    """Return by how much the sums change that the addresses are part of."""
    at = quote.ip
    addresses = _ADDRESSES.pack(flow.source, flow.destination)
    change = checksum.delta(bytes(frame[at + 12 : at + 20]), addresses)
    frame[at + 12 : at + 20] = addresses
    _update(frame, at + 10, change)
    return change


def _translate_addresses6(frame: bytearray, quote: _Quote, flow: FlowTuple) -> int:
    where = slice(quote.ip + 8, quote.ip + 40)
    addresses = flow.source.to_bytes(16, "big") + flow.destination.to_bytes(16, "big")
    change = checksum.delta(bytes(frame[where]), addresses)
    frame[where] = addresses
    return change


def _translate_transport(packet: Packet, quote: _Quote, flow: FlowTuple, change: int) -> None:
    """Translate ports or identifier; the checksum changes by *change* more, if it is quoted."""
    frame, l4 = packet.frame, quote.l4
    if flow.protocol == packet.icmp:
        asks = frame[l4] == packet.echo_request
        identifier = _WORD.pack(flow.source_port if asks else flow.destination_port)
        change = change if flow.protocol != PROTOCOL_ICMP else 0
        change += checksum.delta(bytes(frame[l4 + 4 : l4 + 6]), identifier)
        frame[l4 + 4 : l4 + 6] = identifier
        _update(frame, l4 + 2, change)
    elif flow.protocol in (PROTOCOL_TCP, PROTOCOL_UDP):
        ports = _PORTS.pack(flow.source_port, flow.destination_port)
        change += checksum.delta(bytes(frame[l4 : l4 + 4]), ports)
        frame[l4 : l4 + 4] = ports
        if flow.protocol == PROTOCOL_UDP:
            field = _WORD.unpack_from(frame, l4 + 6)[0]
            _WORD.pack_into(frame, l4 + 6, checksum.update_udp(field, change))
        elif len(frame) >= l4 + 18:
            _update(frame, l4 + 16, change)


def _update(frame: bytearray, at: int, change: int) -> None:
    _WORD.pack_into(frame, at, checksum.update(_WORD.unpack_from(frame, at)[0], change))
