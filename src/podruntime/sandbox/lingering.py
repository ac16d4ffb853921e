"""How long a pod's stack outlives its containers: until peers have what was written to them.

On Linux the sockets of a process that has ended belong to the kernel, which goes on sending what
was written. A pod's kernel is its own process and goes with it; so it waits for the last
acknowledgment, as long as there is progress. Beyond Linux, where a pod's network is taken away
from such sockets at once: the end of an answer to a slow reader is lost there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # The runtime's own process has no stack.
    from netstack.tcp.layer import TcpLayer

#: A peer that acknowledges nothing for so long is gone: longer than a few retransmissions.
STALL_S: Final = 1.0
LINGER_MAX_S: Final = 10.0


def octets_left(tcp: TcpLayer) -> int:
    """Return how much all connections still have to bring to their peers."""
    return sum(max(tcb.send_end, tcb.snd_nxt) - tcb.snd_una for tcb in tcp.connections())


class Lingering:
    """Tells when to wait no longer."""

    def __init__(self, now: float) -> None:
        self._until = now + LINGER_MAX_S
        self._left, self._moved_at = -1, now

    def is_over(self, left: int, now: float) -> bool:
        """Take in that *left* octets are not acknowledged yet."""
        if left != self._left:
            self._left, self._moved_at = left, now
        return not left or now >= min(self._until, self._moved_at + STALL_S)
