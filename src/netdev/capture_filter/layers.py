"""Where a frame's headers begin, down to its transport, and those of the frame within its VXLAN."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from netdev.framing import Octets
from netstack.wire.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4
from netstack.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP
from netstack.wire.vxlan import HEADER_OCTETS as VXLAN_OCTETS

ETHERTYPE_IPV6: Final = 0x86DD
ETHERNET_OCTETS: Final = 14
ETHERTYPE_RARP: Final = 0x8035
NETWORKS: Final = {
    "ip": ETHERTYPE_IPV4,
    "ip6": ETHERTYPE_IPV6,
    "arp": ETHERTYPE_ARP,
    "rarp": ETHERTYPE_RARP,
}
TRANSPORTS: Final = {
    "tcp": PROTOCOL_TCP,
    "udp": PROTOCOL_UDP,
    "sctp": 132,
    "icmp": PROTOCOL_ICMP,
    "icmp6": 58,
    "igmp": 2,
    "esp": 50,
    "ah": 51,
    "pim": 103,
    "vrrp": 112,
}
#: What is not meant when this name is said.
_WRONG_FAMILIES: Final = {
    "icmp": ETHERTYPE_IPV6,
    "igmp": ETHERTYPE_IPV6,
    "vrrp": ETHERTYPE_IPV6,
    "icmp6": ETHERTYPE_IPV4,
}
_IPV6_FRAGMENT: Final = 44
_UDP_OCTETS: Final = 8
_VXLAN_PORT: Final = 4789
_HEADER_OCTETS: Final = {ETHERTYPE_IPV4: 20, ETHERTYPE_IPV6: 40}
_WORD: Final = struct.Struct("!H")


class Beyond(Exception):
    """Something is asked for that lies beyond the frame's end: the frame does not match."""


@dataclass(slots=True)
class Layers:
    """Where the headers of a frame begin; -1: it has none such."""

    octets: Octets
    at: int
    kind: int = -1
    protocol: int = -1
    #: Where the transport header begins: -1 also in later fragments, which have none.
    transport: int = -1

    @property
    def network(self) -> int:
        return self.at + ETHERNET_OCTETS

    def is_protocol(self, name: str) -> bool:
        """Tell whether the frame is of a network's or transport's protocol."""
        if name in NETWORKS:
            return self.kind == NETWORKS[name]
        return self.protocol == TRANSPORTS[name] and self.kind != _WRONG_FAMILIES.get(name)


def decode(octets: Octets, at: int) -> Layers | None:
    """Return the layers of the frame that begins *at*, None when it has no Ethernet header."""
    network = at + ETHERNET_OCTETS
    if len(octets) < network:
        return None
    layers = Layers(octets, at, _WORD.unpack_from(octets, at + 12)[0])
    size = _HEADER_OCTETS.get(layers.kind)
    if size is None or len(octets) < network + size:
        return layers
    if layers.kind == ETHERTYPE_IPV4:
        layers.protocol = octets[network + 9]
        if not _WORD.unpack_from(octets, network + 6)[0] & 0x1FFF:
            layers.transport = network + ((octets[network] & 0xF) << 2)
    else:
        layers.protocol, layers.transport = octets[network + 6], network + 40
        if layers.protocol == _IPV6_FRAGMENT:
            is_cut = len(octets) <= network + 40
            layers.protocol, layers.transport = -1 if is_cut else octets[network + 40], -1
    return layers


def vni(frame: Layers | None) -> int | None:
    """Return the network of a VXLAN datagram, None when the frame carries none."""
    if frame is None or frame.protocol != PROTOCOL_UDP or frame.transport < 0:
        return None
    octets, at = frame.octets, frame.transport
    if len(octets) < at + _UDP_OCTETS + VXLAN_OCTETS or not octets[at + 8] & 0x08:
        return None
    if _WORD.unpack_from(octets, at + 2)[0] != _VXLAN_PORT:
        return None
    return int.from_bytes(octets[at + 12 : at + 15], "big")


def inner(frame: Layers | None) -> Layers | None:
    """Return the layers of the frame within a VXLAN datagram."""
    if frame is None or vni(frame) is None:
        return None
    return decode(frame.octets, frame.transport + _UDP_OCTETS + VXLAN_OCTETS)
