"""SYN cookies (RFC 4987 §3.6): handshakes that need no memory, for when there is none left.

While a listener's queue of handshakes is full, the sequence number of its SYN+ACK holds what is to
be remembered: when (5 bits), the peer's MSS (3) and a keyed hash of both, the endpoints and the
peer's own number (24). The acknowledgment brings it back. What does not fit is given up: window
scale, SACK and timestamps (Linux hides these in the timestamp where the peer has one).
"""

from __future__ import annotations

import hashlib
import random
from typing import Final

#: What an MSS is rounded down to.
MSS_TABLE: Final = (48, 536, 1220, 1360, 1398, 1440, 8940, 60000)
#: A cookie is good in the period of its making and the next.
PERIOD_S: Final = 64.0
_PERIODS_MASK: Final = 31
_KEY_OCTETS: Final = 16


class SynCookies:
    """A host's secret, and the cookies that it makes."""

    def __init__(self, rng: random.Random) -> None:
        self._key = rng.randbytes(_KEY_OCTETS)

    def make(self, endpoints: bytes, irs: int, mss: int, now: float) -> int:
        """Return the sequence number that answers a SYN with number *irs*."""
        index = max((at for at, each in enumerate(MSS_TABLE) if each <= mss), default=0)
        return self._cookie(endpoints, irs, _period(now), index)

    def check(self, endpoints: bytes, irs: int, cookie: int, now: float) -> int | None:
        """Return the MSS in *cookie*, None when it is not one of ours or too old."""
        period, index = cookie >> 27, cookie >> 24 & 7
        if (_period(now) - period) & _PERIODS_MASK > 1:
            return None
        return MSS_TABLE[index] if self._cookie(endpoints, irs, period, index) == cookie else None

    def _cookie(self, endpoints: bytes, irs: int, period: int, index: int) -> int:
        head = period << 3 | index
        message = endpoints + irs.to_bytes(4, "big") + bytes([head])
        digest = hashlib.blake2s(message, key=self._key, digest_size=3).digest()
        return head << 24 | int.from_bytes(digest, "big")


def _period(now: float) -> int:
    return int(now / PERIOD_S) & _PERIODS_MASK
