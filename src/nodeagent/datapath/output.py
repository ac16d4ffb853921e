"""Where frames leave: a queue that lasts until the end of the current batch of input.

Frames in the queue may lie in the receive buffer, so everything is transmitted before more is
received. `transmit` is the shell's: it sends what the socket takes and counts the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nodeagent.datapath.packet import Octets

#: Takes the frames, and now.
Transmit = Callable[[list[Octets], float], None]


@dataclass(slots=True, eq=False)
class Output:
    """A veth port, another node, or the world outside."""

    name: str
    transmit: Transmit
    queue: list[Octets] = field(default_factory=list)
    #: Shows a frame that leaves to those who capture; called only while somebody does.
    show: Callable[[Octets], None] = lambda _frame: None
