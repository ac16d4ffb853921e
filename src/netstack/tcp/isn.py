"""Initial sequence numbers (RFC 6528): a clock plus a keyed hash of the endpoints."""

from __future__ import annotations

import hashlib
import random
from typing import Final

_TICKS_PER_S: Final = 250_000  # One every 4 µs.
_KEY_OCTETS: Final = 16


class IsnGenerator:
    """A host's secret, and what follows from it."""

    def __init__(self, rng: random.Random) -> None:
        self._key = rng.randbytes(_KEY_OCTETS)

    def choose(self, endpoints: bytes, now: float) -> int:
        """Return the ISN of a connection between *endpoints*, the twelve octets of a packet."""
        digest = hashlib.blake2s(endpoints, key=self._key, digest_size=4).digest()
        return (int(now * _TICKS_PER_S) + int.from_bytes(digest, "big")) & 0xFFFFFFFF
