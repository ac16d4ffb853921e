"""Fragments on a node: made whole before conntrack sees them, cut again on their way out.

Only the first fragment of a datagram has ports, so translation needs the whole (nf_defrag_ipv4). A
whole that is too long for the next device is cut (ip_fragment), as is any packet that does not
forbid it. Deviation: pieces are as long as the device allows, not as long as those that came in.
`fragments6` does it for IPv6 (nf_defrag_ipv6), whose routers cut nothing but what came in pieces.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from typing import Final

from netstack.drops import DropReason
from netstack.ip_fragment import Reassembly
from netstack.wire import checksum
from netstack.wire.ipv4 import HEADER_OCTETS, MORE_FRAGMENTS
from nodeagent.datapath import fragments6
from nodeagent.datapath.packet import Packet
from nodeagent.datapath.packet6 import Packet6

_WORD: Final = struct.Struct("!H")


class Defragmenter:
    """Fragments that wait for the rest of their packet."""

    def __init__(self) -> None:
        self.drops: Counter[DropReason] = Counter()
        self._reassembly = Reassembly(self.drops, _tell_nobody)
        self._reassembly6 = fragments6.Reassembly6(self.drops, _tell_nobody)

    def __len__(self) -> int:
        return len(self._reassembly) + len(self._reassembly6)

    def whole(self, packet: Packet, now: float) -> Packet | None:
        """Return the packet that *packet* completes, itself if it is none, or None."""
        if isinstance(packet, Packet6):
            return self._reassembly6.whole(packet, now) if packet.is_fragment else packet
        header = packet.l4 - (len(packet.frame) - packet.octets)
        if not packet.is_fragment or header != HEADER_OCTETS:
            return packet  # Fragments with options stay what they are, untracked.
        octets = self._reassembly.add(bytes(packet.ip), now)
        return None if octets is None else _with_checksum(octets, packet.device)

    def deadline(self) -> float:
        """Return when `handle_deadline` has something to forget."""
        return min(self._reassembly.deadline(), self._reassembly6.deadline())

    def handle_deadline(self, now: float) -> None:
        """Forget packets that did not become whole."""
        for reassembly in (self._reassembly, self._reassembly6):
            if now >= reassembly.deadline():
                reassembly.handle_deadline(now)


def _tell_nobody(_packet: bytes, _now: float) -> None:
    """A router does not say that it waited in vain."""


def pieces(packet: Packet, mtu: int, rng: random.Random) -> list[Packet]:
    """Return *packet* as a device with this *mtu* carries it: as it is, or in fragments."""
    if not packet.may_be_cut:
        return [packet]
    if isinstance(packet, Packet6):
        return fragments6.cut(packet, rng)
    return cut(packet, mtu) if packet.octets > mtu else [packet]


def cut(packet: Packet, mtu: int) -> list[Packet]:
    """Return the fragments of *packet* that fit *mtu*; it has no options and is none itself."""
    header, payload = bytes(packet.ip[:HEADER_OCTETS]), bytes(packet.ip[HEADER_OCTETS:])
    step = (mtu - HEADER_OCTETS) & ~7
    pieces = []
    for start in range(0, len(payload), step):
        piece = payload[start : start + step]
        flags = start >> 3 | (MORE_FRAGMENTS if start + step < len(payload) else 0)
        length = _WORD.pack(HEADER_OCTETS + len(piece))
        octets = header[:2] + length + header[4:6] + _WORD.pack(flags) + header[8:] + piece
        pieces.append(_with_checksum(octets, packet.device))
    return pieces


def _with_checksum(octets: bytes, device: str) -> Packet:
    bare = octets[:10] + bytes(2) + octets[12:HEADER_OCTETS]
    field = _WORD.pack(checksum.of(bare))
    return Packet.from_ip(octets[:10] + field + octets[12:], device)
