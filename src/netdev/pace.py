"""How often to read a socket that is readable, so that what comes alone is not held up.

Reading on until a socket is empty makes batches, and batches are what throughput is made of. But
what wakes a process from sleep is alone, as a rule: to look for more costs as much time as a
packet's whole journey through the process, and nobody waits for the answer. So after a sleep one
message is read; if more wait the loop comes round at once, and then the socket is emptied.
"""

from __future__ import annotations

from typing import Final

from componentbase.clock import monotonic

#: A loop that comes round sooner has not slept.
_AWAKE_S: Final = 0.00004


class Pace:
    """When a process last worked."""

    __slots__ = ("_worked_at",)

    def __init__(self) -> None:
        self._worked_at = 0.0

    def reads(self, most: int) -> range:
        """Return the reads that a readable socket is worth now: one after a sleep, else *most*."""
        return range(most if monotonic() - self._worked_at < _AWAKE_S else 1)

    def worked(self) -> None:
        """Note that everything that was read has been dealt with."""
        self._worked_at = monotonic()
