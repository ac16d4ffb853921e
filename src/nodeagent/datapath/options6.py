"""Hop-by-hop options of IPv6, at which every router may look (RFC 8200 §4.3; Linux ip6_parse_tlv).

This router looks, as Linux does, and acts on none: the kinds that it does not know are skipped, or
end the packet, with or without a word to its sender, as their two highest bits ask (§4.2). Router
alerts ask to be skipped, jumbograms (RFC 2675) to be refused, and so they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netstack.wire.icmpv6 import ParameterProblem, Type
from netstack.wire.ipv6 import HEADER_OCTETS, NextHeader, options
from netstack.wire.malformed import MalformedPacket
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.packet import Packet

if TYPE_CHECKING:
    from nodeagent.datapath.node import Node

_NEXT_HEADER_AT: Final = 6
#: What is to be done with a packet that has an option of an unknown kind (§4.2).
_SKIP, _DISCARD, _TELL, _TELL_UNLESS_GROUP = range(4)
_GROUP: Final = 0xFF


def accept(node: Node, packet: Packet, now: float) -> bool:
    """Tell whether *packet* may go on; what may not is counted, and its sender told if it asks."""
    octets = packet.ip
    if packet.version == 4 or octets[_NEXT_HEADER_AT] != NextHeader.HOP_BY_HOP:
        return True
    end = HEADER_OCTETS + 8 + (octets[HEADER_OCTETS + 1] << 3)
    try:
        found = list(options(bytes(octets[HEADER_OCTETS:end])))
    except MalformedPacket:
        node.drops[DropReason.MALFORMED_PACKET] += 1
        return False
    for kind, at in found:
        action = kind >> 6
        if action == _SKIP:
            continue
        node.drops[DropReason.OPTION_UNKNOWN] += 1
        is_group = packet.destination >> 120 == _GROUP
        if action == _TELL or (action == _TELL_UNLESS_GROUP and not is_group):
            _tell(node, packet, HEADER_OCTETS + at, now)
        return False
    return True


def _tell(node: Node, packet: Packet, pointer: int, now: float) -> None:
    node.stack.icmp6.send_error(
        Type.PARAMETER_PROBLEM, ParameterProblem.OPTION, packet.as_arrived(), now, rest=pointer
    )
    node.stack_woken = True
