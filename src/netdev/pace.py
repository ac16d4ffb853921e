"""How often to read a socket that is readable, so that what comes alone is not held up.

Reading on until a socket is empty makes batches, and batches are what throughput is made of. But
what wakes a process from sleep is alone, as a rule: to look for more costs as much time as a
packet's whole journey through the process, and nobody waits for the answer. So after a sleep one
message is read; if more wait the loop comes round at once, and then the socket is emptied.

A bulk transfer is no conversation: its messages follow one another, but each takes so long to deal
with that the process seems to have slept. For a moment after one the socket is emptied, whatever
the time, since a look that finds nothing costs little beside what such a message does.
"""

from __future__ import annotations

from typing import Final

from componentbase.clock import monotonic

#: A loop that comes round sooner has not slept.
_AWAKE_S: Final = 0.00004
#: What was read in one turn by a process that carries bulk, and for how long that is believed.
_BULK_OCTETS: Final = 16 * 1024
_BULK_S: Final = 0.002


class Pace:
    """Until when a process that has worked counts as awake."""

    __slots__ = ("_awake_until",)

    def __init__(self) -> None:
        self._awake_until = 0.0

    def reads(self, most: int) -> range:
        """Return the reads that a readable socket is worth now: one after a sleep, else *most*."""
        return range(most if monotonic() < self._awake_until else 1)

    def worked(self, octets: int = 0) -> None:
        """Note that everything that was read, *octets* long, has been dealt with."""
        until = monotonic() + (_AWAKE_S if octets < _BULK_OCTETS else _BULK_S)
        if until > self._awake_until:
            self._awake_until = until
