"""The flow log of policies: whom they turned away, and what rules with `log` decided.

Bounded, and in memory only: the same packet again is counted where it was noted first, and the
oldest note makes room for a new one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from nodeagent.datapath.packet import FlowTuple
from nodeagent.datapath.policy_rules import Ruling

NOTES_MAX: Final = 1024


@dataclass(slots=True)
class Note:
    """What was decided of a flow, how often and when."""

    ruling: Ruling
    flow: FlowTuple
    first_at: float
    last_at: float
    packets: int = 1


@dataclass(slots=True)
class PolicyLog:
    """The last decisions, those of the longest silence first."""

    #: How many notes have made room.
    forgotten: int = 0
    _notes: dict[tuple[Ruling, FlowTuple], Note] = field(default_factory=dict)

    def note(self, ruling: Ruling, flow: FlowTuple, now: float) -> None:
        """Note that *ruling* decided of *flow*."""
        key = ruling, flow
        known = self._notes.pop(key, None)
        if known is None:
            if len(self._notes) >= NOTES_MAX:
                del self._notes[next(iter(self._notes))]
                self.forgotten += 1
            known = Note(ruling, flow, now, now)
        else:
            known.packets, known.last_at = known.packets + 1, now
        self._notes[key] = known

    def notes(self) -> list[Note]:
        """Return what is noted."""
        return list(self._notes.values())
