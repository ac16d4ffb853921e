"""Where frames leave: a queue that lasts until the end of the current batch of input.

Frames in the queue may lie in the receive buffer, so everything is transmitted before more is
received. `transmit` is the shell's: it sends what the socket takes and counts the rest.

Offloaded frames (contracts §15) come from the fast path only. They wait in runs of one kind before
the queue, into which whatever the queue held has been put first: order is kept, and who sends
ordinary frames pays nothing. An output that cannot carry them has them completed, in software.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from netstack import offload
from nodeagent.datapath.packet import Octets

#: A frame that is in memory of ours, and may be changed.
Mutable = bytearray | memoryview
#: Takes the frames, and now.
Transmit = Callable[[list[Octets], float], None]
#: Takes partial frames, the segment length if they are super-frames (else 0), and now.
TransmitOffloaded = Callable[[list[Mutable], int, float], None]


def completed(frames: list[Mutable], segment: int) -> list[Octets]:
    """Return the ordinary frames, checksums filled in, that partial or super-frames stand for."""
    if segment:
        return [piece for frame in frames for piece in offload.cut(frame, segment, partial=False)]
    for frame in frames:
        offload.complete(frame)
    return list(frames)


def views_of(frames: list[Octets]) -> list[memoryview]:
    """Return *frames* as what the ways in take."""
    return [frame if isinstance(frame, memoryview) else memoryview(frame) for frame in frames]


@dataclass(slots=True)
class OffloadedRun:
    """What waits behind some ordinary frames: partial frames, or super-frames of one segment."""

    ordinary: list[Octets]
    segment: int
    frames: list[Mutable] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Output:
    """A veth port, another node, or the world outside."""

    name: str
    transmit: Transmit
    queue: list[Octets] = field(default_factory=list)
    #: Shows a frame that leaves to those who capture; called only while somebody does.
    show: Callable[[Octets], None] = lambda _frame: None
    #: None while only completed frames may leave here.
    offload: TransmitOffloaded | None = None
    #: What leaves before the queue.
    offloaded: list[OffloadedRun] = field(default_factory=list)

    def queue_for(self, segment: int) -> list[Mutable]:
        """Return the queue for offloaded frames of *segment*, behind all that waits now."""
        runs = self.offloaded
        if self.queue or not runs or runs[-1].segment != segment:
            runs.append(OffloadedRun(self.queue, segment))
            self.queue = []
        return runs[-1].frames

    def transmit_offloaded(self, now: float) -> None:
        """Transmit everything that leaves before the queue."""
        runs, self.offloaded = self.offloaded, []
        for run in runs:
            if run.ordinary:
                self.transmit(run.ordinary, now)
            if self.offload is None:
                self.transmit(completed(run.frames, run.segment), now)
            else:
                self.offload(run.frames, run.segment, now)
