"""What a connection with explicit congestion notification remembers (see `marks`)."""

from __future__ import annotations

from collections.abc import Callable


class Ecn:
    """What the two halves of a connection with ECN remember."""

    __slots__ = ("carry", "echo", "lowered", "lowered_at", "sent_to")

    def __init__(self) -> None:
        #: A mark came, and no CWR since.
        self.echo = False
        #: The window was lowered, and the peer is not yet told; and where we were then.
        self.lowered = False
        self.lowered_at = 0
        #: What was sent up to here was sent once already.
        self.sent_to = 0
        #: What takes packets that have their bits.
        self.carry: Callable[[bytes, float], None] | None = None
