"""The frames that eth0 would carry: what a capture shows of the underlay.

The kernel's UDP carries payloads between loopback addresses; a capture shows the emulated network
instead: Ethernet and IPv4 between InternalIPs, UDP, payload, every checksum right.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from netstack.addresses import IpAddress
from netstack.wire import checksum, ipv4, udp
from netstack.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ethernet
from nodeagent.datapath.devices import Eth0


def mac_of(address: IpAddress) -> bytes:
    """Return the MAC of the eth0 that has *address*, made the way a hypervisor would."""
    return b"\x52\x54" + address.packed[-4:]


def ethernet(packet: bytes, ours: bytes, *, direction: str) -> bytes:
    """Return the Ethernet header of a *packet* that the eth0 with the MAC *ours* gets or sends."""
    kind, source, destination = ETHERTYPE_IPV4, packet[12:16], packet[16:20]
    family: type[IPv4Address] | type[IPv6Address] = IPv4Address
    if packet[0] >> 4 == 6:
        kind, source, destination = ETHERTYPE_IPV6, packet[8:24], packet[24:40]
        family = IPv6Address
    if direction == "in":
        return Ethernet(ours, mac_of(family(source)), kind).emit()
    return Ethernet(mac_of(family(destination)), ours, kind).emit()


def build(
    eth0: Eth0,
    remote: IPv4Address,
    payload: bytes,
    *,
    direction: str,
    port: int,
    source_port: int | None = None,
) -> bytes:
    """Return the Ethernet frame that carries *payload* from or to *remote*.

    Nodes send from the *port* that they listen at; a stranger may have another *source_port*.
    """
    source_port = port if source_port is None else source_port
    source, destination = eth0.address, remote
    if direction == "in":
        source, destination = destination, source
    length = udp.HEADER_OCTETS + len(payload)
    total = checksum.pseudo_header(source.packed, destination.packed, ipv4.PROTOCOL_UDP, length)
    bare = udp.HEADER.pack(source_port, port, length, 0)
    field = checksum.finish_udp(total + checksum.add(bare) + checksum.add(payload))
    header = ipv4.Ipv4(
        source=source,
        destination=destination,
        protocol=ipv4.PROTOCOL_UDP,
        payload_length=length,
    )
    packet = b"".join((header.emit(), udp.HEADER.pack(source_port, port, length, field), payload))
    return ethernet(packet, eth0.mac, direction=direction) + packet
