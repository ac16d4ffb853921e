"""Where a connection's numbers begin: keyed hashes of its endpoints.

Initial sequence numbers after RFC 6528. Offsets of timestamps are of two addresses, not of one
connection, as Linux has them (secure_tcp_ts_off): a peer in TIME-WAIT takes a new connection from
the same port only if its timestamps go on where the old one's ended (RFC 6191, RFC 7323 §5.4).
"""

from __future__ import annotations

import hashlib
import random
from typing import Final

_TICKS_PER_S: Final = 250_000  # One every 4 µs.
_KEY_OCTETS: Final = 16
#: Pairs of addresses whose offset is remembered; all are forgotten at this number.
_OFFSETS_MAX: Final = 4096


class IsnGenerator:
    """A host's secret, and what follows from it."""

    def __init__(self, rng: random.Random) -> None:
        self._key = rng.randbytes(_KEY_OCTETS)
        self._offsets: dict[bytes, int] = {}

    def choose(self, endpoints: bytes, now: float) -> int:
        """Return the ISN of a connection between *endpoints*, the twelve octets of a packet."""
        digest = hashlib.blake2s(endpoints, key=self._key, digest_size=4).digest()
        return (int(now * _TICKS_PER_S) + int.from_bytes(digest, "big")) & 0xFFFFFFFF

    def stamp_offset(self, addresses: bytes) -> int:
        """Return what the timestamps between these *addresses* have added to the clock."""
        offset = self._offsets.get(addresses)
        if offset is None:
            digest = hashlib.blake2s(addresses, key=self._key, digest_size=8).digest()
            if len(self._offsets) >= _OFFSETS_MAX:
                self._offsets.clear()
            offset = self._offsets[addresses] = int.from_bytes(digest[4:], "big")
        return offset
