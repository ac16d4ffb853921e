"""Reassembly of IPv6 fragments (RFC 8200 §4.5), after Linux reassembly.c.

A fragment that overlaps another one ends the whole packet (RFC 5722); an exact duplicate is
ignored. An atomic fragment never comes here: it is a packet of its own, whatever else has its
identification (RFC 6946).
"""

from __future__ import annotations

from typing import Final

from netstack.ip_fragment import Waiting
from netstack.wire import ipv6
from netstack.wire.ipv6 import Fragment

#: net.ipv6.ip6frag_time, and RFC 8200's word.
TIMEOUT_S: Final = 60.0


class Ip6Reassembly(Waiting):
    """The packets of which fragments have come."""

    timeout_s = TIMEOUT_S

    def add(self, packet: bytes, at: int, now: float) -> bytes | None:
        """Take a fragment whose header is at *at*; return the packet if it is complete.

        That has no extension headers but those that were cut with the payload.
        """
        fragment = Fragment.parse(packet[at : at + ipv6.FRAGMENT_OCTETS])
        key = packet[8:40] + packet[at + 4 : at + 8]
        piece = packet[at + ipv6.FRAGMENT_OCTETS :]
        assert fragment.offset + len(piece) <= ipv6.PAYLOAD_OCTETS_MAX, "the sender was told"
        whole = self.take(key, packet, (fragment.offset, piece, fragment.more), now)
        if whole is None:
            return None
        first, payload = whole
        # How much came before the fragment header of the first is not known here: look again.
        last_next_header = next(
            each for each in ipv6.walk(first) if each.kind == ipv6.NextHeader.FRAGMENT
        )
        return bare(first, first[last_next_header.start], payload)


def bare(packet: bytes, next_header: int, payload: bytes) -> bytes:
    """Return *packet* with *payload* right behind its fixed header."""
    fixed = packet[:4] + len(payload).to_bytes(2, "big") + bytes((next_header,))
    return fixed + packet[7 : ipv6.HEADER_OCTETS] + payload
