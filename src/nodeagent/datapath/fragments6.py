"""IPv6 fragments on a node (nf_conntrack_reasm.c, ip6_fragment): made whole, and cut again.

Whatever stood before the fragment header of the first piece stays. On its way out a packet that
came in pieces leaves in pieces as long as the longest that came (Linux's frag_max_size), never
shorter than 1280: no other router on the path need know that this one looked at the whole. Like
Linux, and since two clients behind one masquerading address may have chosen the same, the pieces
have a new identification.
"""

from __future__ import annotations

import random

from netstack.drops import DropReason
from netstack.ip6_fragment import TIMEOUT_S
from netstack.ip_fragment import Waiting
from netstack.wire.ethernet import HEADER_OCTETS as ETHERNET_OCTETS
from netstack.wire.ipv6 import (
    FRAGMENT_OCTETS,
    HEADER_OCTETS,
    MTU_MIN,
    PAYLOAD_OCTETS_MAX,
    Fragment,
    NextHeader,
    walk,
)
from netstack.wire.malformed import MalformedPacket
from nodeagent.datapath.packet import Packet
from nodeagent.datapath.packet6 import Packet6


class Reassembly6(Waiting):
    """The IPv6 packets of which fragments have come."""

    timeout_s = TIMEOUT_S

    def whole(self, packet: Packet6, now: float) -> Packet6 | None:
        """Return the packet that the fragment *packet* completes, or None."""
        octets, at = bytes(packet.ip), packet.fragment_at - ETHERNET_OCTETS
        fragment = Fragment.parse(octets[at : at + FRAGMENT_OCTETS])
        piece = octets[at + FRAGMENT_OCTETS :]
        key = octets[8:40] + octets[at + 4 : at + FRAGMENT_OCTETS]
        if at + fragment.offset + len(piece) - HEADER_OCTETS > PAYLOAD_OCTETS_MAX:
            self.forget(key, DropReason.FRAGMENT_BAD)
            return None
        taken = self.take(key, octets, (fragment.offset, piece, fragment.more), now)
        if taken is None:
            return None
        first, payload = taken
        try:
            return _joined(first, payload, self.longest, packet.device)
        except MalformedPacket:
            self._drops[DropReason.FRAGMENT_BAD] += 1
            return None


def _joined(first: bytes, payload: bytes, longest: int, device: str) -> Packet6:
    """Put *payload* where the first fragment has its fragment header; raises MalformedPacket."""
    header = next(each for each in walk(first) if each.kind == NextHeader.FRAGMENT)
    before = bytearray(first[: header.start])
    before[header.named_at] = first[header.start]
    length = len(before) - HEADER_OCTETS + len(payload)
    if length > PAYLOAD_OCTETS_MAX:
        raise MalformedPacket("ipv6: the whole is too long")
    before[4:6] = length.to_bytes(2, "big")
    whole = Packet6.from_ip(bytes(before) + payload, device)
    assert not whole.is_fragment, "the first piece had all headers"
    whole.fragment_at, whole.longest_fragment = ETHERNET_OCTETS + header.start, header.end + longest
    return whole


def cut(packet: Packet6, rng: random.Random) -> list[Packet]:
    """Return *packet* in pieces as long as those that it came in."""
    size = max(packet.longest_fragment, MTU_MIN)
    octets = bytes(packet.ip)
    if len(octets) <= size:
        return [packet]
    end = packet.fragment_at - ETHERNET_OCTETS
    named_at = next(header.named_at for header in walk(octets) if header.start == end)
    before = bytearray(octets[:end])
    kind, before[named_at] = before[named_at], NextHeader.FRAGMENT
    identification = rng.getrandbits(32)
    payload, step = octets[end:], (size - end - FRAGMENT_OCTETS) & ~7
    found: list[Packet] = []
    for start in range(0, len(payload), step):
        piece = payload[start : start + step]
        before[4:6] = (end - HEADER_OCTETS + FRAGMENT_OCTETS + len(piece)).to_bytes(2, "big")
        header = Fragment(
            next_header=kind,
            offset=start,
            more=start + step < len(payload),
            identification=identification,
        )
        found.append(Packet6.from_ip(bytes(before) + header.emit() + piece, packet.device))
    return found
