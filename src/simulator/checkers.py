"""What must be true, whatever the wires did: watched all the time, or asked at the end.

A violation is a text; none is success. Bounds are those that the rooms name themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

from netdev.framing import Octets
from netstack.ip_fragment import PACKETS_MAX
from netstack.tcp import layer
from netstack.tcp.listener import SYN_QUEUE_MAX
from netstack.wire import checksum, ipv4, ipv6, ndp
from netstack.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, HEADER_OCTETS
from netstack.wire.vxlan import HEADER_OCTETS as VXLAN_OCTETS
from nodeagent.datapath import bridge
from nodeagent.datapath.conntrack.table import CONNECTIONS_MAX
from nodeagent.datapath.neighbours import ENTRIES_MAX, State
from nodeagent.datapath.node import Node
from nodeagent.datapath.packet import IPV6_FROM
from simulator.conversation import Conversation
from simulator.kernel import Kernel
from simulator.link import BARE, VXLAN, Link
from simulator.pod import Pod

#: Routers on the longest way: the nodes of both ends.
_HOPS_MAX: Final = 2
_TTL: Final = 64
#: What neighbours say has crossed no router (RFC 4861 §11.2).
_TTL_OF_NEIGHBOURS: Final = ndp.HOP_LIMIT
_CHECKED6: Final = (ipv6.NextHeader.TCP, ipv6.NextHeader.UDP, ipv6.NextHeader.ICMPV6)
_ETHERTYPES: Final = (ETHERTYPE_IPV4, ETHERTYPE_IPV6)
_L4_CHECKSUM_AT: Final = {ipv4.PROTOCOL_TCP: 16, ipv4.PROTOCOL_UDP: 6}

Complain = Callable[[str], None]


class WireWatch:
    """Looks at every packet that somebody puts on a wire."""

    def __init__(self, complain: Complain, *, nodes: int, checksums: bool, ttl: bool) -> None:
        """Where wires corrupt, nodes pass on what is not theirs to mend; then ask less."""
        self._complain, self._nodes = complain, nodes
        self._checksums, self._ttl = checksums, ttl
        self.packets = 0

    def see(self, link: Link, channel: int, octets: Octets, now: float) -> None:
        """Look at one packet."""
        self.packets += 1
        packet = self._ip(link, channel, octets)
        if packet is None or len(packet) < ipv4.HEADER_OCTETS:
            return
        is_4 = packet[0] == 0x45
        ttl = packet[8] if is_4 else packet[7]
        discovery = not is_4 and ttl == _TTL_OF_NEIGHBOURS and "node-" not in link.name
        if self._ttl and not (discovery or _TTL - _HOPS_MAX <= ttl <= _TTL):
            self._complain(f"{link.name}: a packet with TTL {ttl}")
        if self._checksums:
            wrong = wrong_checksum(packet) if is_4 else wrong_checksum6(packet)
            if wrong:
                self._complain(f"{link.name}: wrong checksum of {wrong}")

    def _ip(self, link: Link, channel: int, octets: Octets) -> memoryview | None:
        view = memoryview(octets)
        if channel == BARE:
            return view
        if self._nodes and link.name.startswith("node-") and channel == VXLAN:
            view = view[VXLAN_OCTETS:]
        if len(view) < HEADER_OCTETS or view[12] << 8 | view[13] not in _ETHERTYPES:
            return None
        return view[HEADER_OCTETS:]


def wrong_checksum(packet: memoryview) -> str:
    """Return whose checksum is wrong in an IPv4 packet without options, "" when none is."""
    if checksum.of(packet[: ipv4.HEADER_OCTETS]):
        return "IPv4"
    length, protocol = packet[2] << 8 | packet[3], packet[9]
    at = _L4_CHECKSUM_AT.get(protocol)
    segment = packet[ipv4.HEADER_OCTETS : length]
    if at is None or (packet[6] << 8 | packet[7]) & ipv4.FRAGMENT_MASK or len(segment) < at + 2:
        return ""
    if protocol == ipv4.PROTOCOL_UDP and not any(segment[at : at + 2]):
        return ""
    pseudo = checksum.pseudo_header(
        bytes(packet[12:16]), bytes(packet[16:20]), protocol, len(segment)
    )
    return "" if checksum.holds(pseudo + checksum.add(segment)) else f"protocol {protocol}"


def wrong_checksum6(packet: memoryview) -> str:
    """Return whose checksum is wrong in an IPv6 packet without extensions, "" when none is."""
    if len(packet) < ipv6.HEADER_OCTETS or packet[6] not in _CHECKED6:
        return ""
    payload = packet[ipv6.HEADER_OCTETS :]
    total = checksum.add(packet[8 : ipv6.HEADER_OCTETS]) + packet[6] + len(payload)
    return "" if checksum.holds(total + checksum.add(payload)) else f"protocol {packet[6]}"


def bounds(kernels: Iterable[Kernel], pods: Iterable[Pod], *, conntrack_max: int) -> list[str]:
    """Return what has grown beyond its bound."""
    found = []
    for kernel in kernels:
        node = kernel.node
        sizes = {
            **_neighbours(node),
            "bridge FDB": (len(node.bridge.fdb), bridge.ENTRIES_MAX),
            "packets in pieces": (len(node.fragments), PACKETS_MAX),
            "conntrack": (len(node.conntrack), conntrack_max or CONNECTIONS_MAX),
        }
        found += [f"{node.name}: {size} {what}, {most} are allowed"
                  for what, (size, most) in sizes.items() if size > most]  # fmt: skip
    for pod in pods:
        size = len(pod.host.tcp.context.connections)
        if size > min(layer.CONNECTIONS_MAX, SYN_QUEUE_MAX + 4096):
            found.append(f"{pod.name}: {size} connections")
    return found


def _neighbours(node: Node) -> dict[str, tuple[int, int]]:
    """Return how many neighbours of each version *node* knows, and may know."""
    known = [address for (_, address), _ in node.neighbours.entries()]
    six = sum(address >= IPV6_FROM for address in known)
    return {"neighbours": (len(known) - six, ENTRIES_MAX), "IPv6 neighbours": (six, ENTRIES_MAX)}


def leaks_of_pod(pod: Pod, *, neighbours: int) -> list[str]:
    """Return what *pod* still keeps after a day of silence, and should not."""
    host = pod.host
    known = [*host.neighbours.entries(), *host.neighbours6.entries()]
    kept = {
        "connections": len(host.tcp.context.connections),
        "packets that wait": sum(len(entry.queue) for entry in known),
        "neighbours too many": max(0, len(known) - 2 * neighbours),  # IPv6 has link-local ones.
        "frames": len(host.frames_to_send()),
    }
    found = [f"{pod.name} keeps {count} {what}" for what, count in kept.items() if count]
    if host.deadline() != math.inf:
        found.append(f"{pod.name} still has a timer")
    return found


def leaks_of_kernel(kernel: Kernel, *, neighbours: int) -> list[str]:
    """Return what a node still keeps after a day of silence, and should not."""
    node = kernel.node
    caches = [port.cache for port in node.ports.values()]
    caches += [node.outside_cache, *([node.vtep.cache] if node.vtep else [])]
    learned = [entry for _, entry in node.neighbours.entries()
               if entry.state is not State.PERMANENT]  # fmt: skip
    kept = {
        "tracked connections": len(node.conntrack),
        "cached flows": sum(map(len, caches)),
        "connections of its own": len(node.stack.tcp.context.connections),
        "connections from outside": len(kernel.outside.tcp.context.connections),
        "queued outputs": len(node.dirty),
        "packets that wait": sum(len(entry.waiting) for entry in learned),
        "neighbours too many": max(0, len(learned) - neighbours),
        "learned MACs": len(node.bridge.fdb),
    }
    found = [f"{node.name} keeps {count} {what}" for what, count in kept.items() if count]
    if node.deadline() != math.inf:
        found.append(f"{node.name} still has a timer")
    return found


def unreliable(
    conversations: Iterable[Conversation],
    *,
    excused: Callable[[Conversation], bool] = lambda _: False,
) -> list[str]:
    """Return the conversations that had no excuse to fail and did."""
    return [
        f"conversation {each.number} with {each.event.server} failed: {each.failure}"
        for each in conversations
        if not (each.succeeded or excused(each))
    ]


def unsettled(conversations: Iterable[Conversation]) -> list[str]:
    """Return the conversations that neither succeeded nor failed."""
    return [
        f"conversation {each.number} with {each.event.server} never ends"
        for each in conversations
        if not each.settled
    ]
