"""When to compact: upstream's compactor keeps what is younger than five minutes.

Ours also bounds the number of revisions kept and what they weigh, since history lives in memory:
a burst of writes must not grow it without limit. Clients that ask for what is gone list again
(410 Gone).
"""

from __future__ import annotations

from typing import Final

AGE_MAX_S: Final = 300.0
REVISIONS_MAX: Final = 20_000
#: Above this the older half of the revisions is forgotten.
OCTETS_MAX: Final = 64 << 20
#: How much a full history shrinks to, so that compaction is rare under load.
_REVISIONS_KEPT: Final = 10_000


class CompactionPolicy:
    """Remember which revision was current when; say what may be forgotten."""

    def __init__(self, revision: int, now: float) -> None:
        self._noted = [(now, revision)]

    def plan(self, revision: int, oldest: int, octets: int, now: float) -> int | None:
        """Return the revision to compact to, or None.

        *revision* is the current one; the past back to *oldest* takes *octets* of memory.
        """
        self._noted.append((now, revision))
        target = oldest
        while len(self._noted) > 1 and now - self._noted[1][0] >= AGE_MAX_S:
            self._noted.pop(0)
        if now - self._noted[0][0] >= AGE_MAX_S:
            target = max(target, self._noted[0][1])
        if revision - oldest > REVISIONS_MAX:
            target = max(target, revision - _REVISIONS_KEPT)
        if octets > OCTETS_MAX:
            target = max(target, revision - (revision - oldest) // 2)
        return target if target > oldest else None
