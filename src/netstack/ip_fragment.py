"""Reassembly of IPv4 fragments (RFC 791, RFC 815), after Linux ip_fragment.c.

A fragment that overlaps another one ends the whole packet, as in Linux since 4.18 (CVE-2018-5391);
an exact duplicate is ignored. Where a packet does not become whole in time its first fragment is
handed back, since the sender is told (ICMP time exceeded).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import ClassVar, Final

from netstack.drops import DropReason
from netstack.wire import ipv4

#: net.ipv4.ipfrag_time.
TIMEOUT_S: Final = 30.0
#: Packets in reassembly, each at most 64 KiB (4 MiB, net.ipv4.ipfrag_high_thresh).
PACKETS_MAX: Final = 64
#: Fragments of one packet; 65535 octets in pieces of an MTU of 552 are 123.
PIECES_MAX: Final = 128


class _Partial:
    """What has come of one packet."""

    __slots__ = ("expires_at", "first", "length", "pieces")

    def __init__(self, expires_at: float) -> None:
        self.expires_at = expires_at
        self.first: bytes | None = None
        self.length: int | None = None
        self.pieces: dict[int, bytes] = {}

    def add(self, start: int, piece: bytes, *, more: bool) -> bool:
        """Take a piece; return False when it contradicts what is known."""
        end = start + len(piece)
        if more and len(piece) % 8:
            return False
        if not more:
            if self.length not in (None, end):
                return False
            self.length = end
        if self.pieces.get(start) == piece:
            return True
        if len(self.pieces) >= PIECES_MAX or not piece:
            return False
        if any(start < at + len(there) and at < end for at, there in self.pieces.items()):
            return False
        self.pieces[start] = piece
        return self.length is None or max(at + len(p) for at, p in self.pieces.items()) <= (
            self.length
        )

    def payload(self) -> bytes | None:
        """Return the whole payload once nothing is missing."""
        if self.length is None or sum(map(len, self.pieces.values())) != self.length:
            return None
        return b"".join(self.pieces[start] for start in sorted(self.pieces))


class Waiting:
    """Packets of which fragments have come, whatever their headers look like."""

    timeout_s: ClassVar[float]

    def __init__(self, drops: Counter[DropReason], on_late: Callable[[bytes, float], None]) -> None:
        self.timer_at = math.inf
        #: Octets of the longest piece of the packet that `take` returned last.
        self.longest = 0
        self._drops, self._on_late = drops, on_late
        self._partials: dict[bytes, _Partial] = {}

    def __len__(self) -> int:
        return len(self._partials)

    def take(
        self, key: bytes, packet: bytes, piece: tuple[int, bytes, bool], now: float
    ) -> tuple[bytes, bytes] | None:
        """Take a *piece* of the packet with this *key*: where it begins, and whether more follows.

        Once nothing is missing return the packet that the first piece came in, and all pieces.
        """
        partial = self._partials.get(key)
        if partial is None:
            if len(self._partials) >= PACKETS_MAX:
                self._drops[DropReason.FRAGMENTS_FULL] += 1
                return None
            partial = self._partials[key] = _Partial(now + self.timeout_s)
        start, octets, more = piece
        if not partial.add(start, octets, more=more):
            self.forget(key, DropReason.FRAGMENT_BAD)
            return None
        if start == 0:
            partial.first = packet
        payload = partial.payload()
        if payload is None:
            return None
        del self._partials[key]
        self.longest = max(map(len, partial.pieces.values()))
        assert partial.first is not None, "a gapless payload begins at zero"
        return partial.first, payload

    def forget(self, key: bytes, reason: DropReason) -> None:
        """Drop what has come of a packet, and what just came of it."""
        self._partials.pop(key, None)
        self._drops[reason] += 1

    def deadline(self) -> float:
        """The timeout is the same for all, so the first is the earliest."""
        partials = self._partials
        return next(iter(partials.values())).expires_at if partials else math.inf

    def handle_deadline(self, now: float) -> None:
        late = [key for key, each in self._partials.items() if each.expires_at <= now]
        for key in late:
            partial = self._partials.pop(key)
            self._drops[DropReason.FRAGMENTS_LATE] += 1
            if partial.first is not None:
                self._on_late(partial.first, now)


class Reassembly(Waiting):
    """The IPv4 packets of which fragments have come."""

    timeout_s = TIMEOUT_S

    def add(self, packet: bytes, now: float) -> bytes | None:
        """Take a fragment with a header of 20 octets; return the whole packet if it is complete."""
        view = ipv4.Ipv4View(packet)
        key = packet[4:6] + packet[9:10] + packet[12:20]
        start = view.fragment_offset
        piece = packet[ipv4.HEADER_OCTETS :]
        if start + len(piece) > ipv4.PACKET_OCTETS_MAX - ipv4.HEADER_OCTETS:
            self.forget(key, DropReason.FRAGMENT_BAD)
            return None
        whole = self.take(key, packet, (start, piece, view.more_fragments), now)
        if whole is None:
            return None
        first, payload = whole
        total_length = (ipv4.HEADER_OCTETS + len(payload)).to_bytes(2, "big")
        return first[:2] + total_length + first[4:6] + bytes(2) + first[8:20] + payload
