"""The frames that eth0 would carry: what a capture shows of the underlay.

The kernel's UDP carries payloads between loopback addresses; a capture shows the emulated network
instead: Ethernet and IPv4 between InternalIPs, UDP, payload, every checksum right.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from netstack.wire import checksum, ipv4, udp
from netstack.wire.ethernet import ETHERTYPE_IPV4, Ethernet
from nodeagent.datapath.devices import Eth0


def mac_of(address: IPv4Address) -> bytes:
    """Return the MAC of the eth0 that has *address*, made the way a hypervisor would."""
    return b"\x52\x54" + address.packed


def ethernet(packet: bytes) -> bytes:
    """Return the Ethernet header of an IPv4 *packet* between two hosts of the underlay."""
    source, destination = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    return Ethernet(mac_of(destination), mac_of(source), ETHERTYPE_IPV4).emit()


def build(eth0: Eth0, remote: IPv4Address, payload: bytes, *, direction: str, port: int) -> bytes:
    """Return the Ethernet frame that carries *payload* from or to *remote*."""
    source, destination = eth0.address, remote
    if direction == "in":
        source, destination = destination, source
    length = udp.HEADER_OCTETS + len(payload)
    total = checksum.pseudo_header(source.packed, destination.packed, ipv4.PROTOCOL_UDP, length)
    bare = udp.HEADER.pack(port, port, length, 0)
    field = checksum.finish_udp(total + checksum.add(bare) + checksum.add(payload))
    header = ipv4.Ipv4(
        source=source,
        destination=destination,
        protocol=ipv4.PROTOCOL_UDP,
        payload_length=length,
    )
    packet = b"".join((header.emit(), udp.HEADER.pack(port, port, length, field), payload))
    return ethernet(packet) + packet
