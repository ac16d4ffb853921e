"""ICMP errors about tracked connections: whom they concern, and how they are translated.

An error quotes the packet that it is about as the reporter saw it, that is after translation here.
For its receiver to recognise the packet, the quote is translated back, addresses, ports and
checksums (nf_nat_icmp_reply_translation), and the whole message gets a new checksum.
"""

from __future__ import annotations

import struct
from typing import Final

from netstack.wire import checksum
from netstack.wire.ipv4 import FRAGMENT_MASK, PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP
from nodeagent.datapath.packet import FlowTuple, Packet

_ICMP_HEADER_OCTETS: Final = 8
_PORTS: Final = struct.Struct("!HH")
_WORD: Final = struct.Struct("!H")
_ADDRESSES: Final = struct.Struct("!II")


def quoted_flow(packet: Packet) -> FlowTuple | None:
    """Return the flow of the packet that the error *packet* quotes, None when it names none."""
    frame, at = packet.frame, packet.l4 + _ICMP_HEADER_OCTETS
    if len(frame) < at + 20:
        return None
    l4 = at + ((frame[at] & 0xF) << 2)
    fragment = _WORD.unpack_from(frame, at + 6)[0] & FRAGMENT_MASK
    if frame[at] >> 4 != 4 or l4 < at + 20 or len(frame) < l4 + 8 or fragment:
        return None
    protocol = frame[at + 9]
    source, destination = _ADDRESSES.unpack_from(frame, at + 12)
    if protocol in (PROTOCOL_TCP, PROTOCOL_UDP):
        ports = _PORTS.unpack_from(frame, l4)
        return FlowTuple(protocol, source, ports[0], destination, ports[1])
    if protocol == PROTOCOL_ICMP:
        identifier = _WORD.unpack_from(frame, l4 + 4)[0]
        return FlowTuple(protocol, source, identifier, destination, identifier)
    return FlowTuple(protocol, source, 0, destination, 0)


def translate_quote(packet: Packet, flow: FlowTuple) -> None:
    """Make the error *packet* quote a packet of *flow* instead; its quote is known to be whole."""
    frame, at = packet.frame, packet.l4 + _ICMP_HEADER_OCTETS
    l4 = at + ((frame[at] & 0xF) << 2)
    addresses = _ADDRESSES.pack(flow.source, flow.destination)
    ip_change = checksum.delta(bytes(frame[at + 12 : at + 20]), addresses)
    frame[at + 12 : at + 20] = addresses
    _update(frame, at + 10, ip_change)
    if flow.protocol == PROTOCOL_ICMP:
        change = checksum.delta(bytes(frame[l4 + 4 : l4 + 6]), _WORD.pack(flow.source_port))
        _WORD.pack_into(frame, l4 + 4, flow.source_port)
        _update(frame, l4 + 2, change)
    elif flow.protocol in (PROTOCOL_TCP, PROTOCOL_UDP):
        ports = _PORTS.pack(flow.source_port, flow.destination_port)
        change = ip_change + checksum.delta(bytes(frame[l4 : l4 + 4]), ports)
        frame[l4 : l4 + 4] = ports
        if flow.protocol == PROTOCOL_UDP:
            field = _WORD.unpack_from(frame, l4 + 6)[0]
            _WORD.pack_into(frame, l4 + 6, checksum.update_udp(field, change))
        elif len(frame) >= l4 + 18:
            _update(frame, l4 + 16, change)
    _WORD.pack_into(frame, packet.l4 + 2, 0)
    _WORD.pack_into(frame, packet.l4 + 2, checksum.of(frame[packet.l4 :]))


def _update(frame: bytearray, at: int, change: int) -> None:
    _WORD.pack_into(frame, at, checksum.update(_WORD.unpack_from(frame, at)[0], change))
