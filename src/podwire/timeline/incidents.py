"""Which failures a timeline can explain: each act of a person upon a node or a process.

A drain is one, too, from the moment at which its node is cordoned.

A node that nobody is known to have touched and that was lost all the same (its container was
killed by Docker, say) is an incident, too: it begins with NotReady.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from componentbase.journal import Note
from podwire.timeline.notes import node_in, number

#: What a person does to break something, or to take it out of service.
ACTS: Final = ("killed", "paused", "fault-set", "cordoned")
#: The beginning of a drain: it breaks nothing, and is no reason for a node to be lost.
CORDONED: Final = "cordoned"
#: An act this long before NotReady is its reason: longer than any grace period that is usual.
_REASON_MAX_S: Final = 120.0
#: The two directions of one cut are set this close together.
_SAME_ACT_S: Final = 1.0
_ARROW: Final = " → "


@dataclass(frozen=True, slots=True)
class Incident:
    """One failure. Its number counts from 1 in order of time."""

    number: int
    note: Note
    node: str  # whose node it is, "" for a process of the control plane

    @property
    def pod(self) -> str:
        """Return the pod that alone was acted upon, "" for anything else."""
        node, kind, pod = (*self.note.subject.split("/", 2), "", "")[:3]
        return pod if node == self.node and kind == "pod" else ""

    @property
    def title(self) -> str:
        return f"#{self.number} {self.note.subject} {self.note.what}"


def incidents(notes: Iterable[Note]) -> list[Incident]:
    """Return what may be explained; *notes* are in order."""
    found: list[Incident] = []
    for note in notes:
        learn(found, note)
    return found


def learn(found: list[Incident], note: Note) -> None:
    """Add *note* to the incidents that were *found* before it, if it is one."""
    if note.what in ACTS or (note.what == "not-ready" and not _has_reason(note, found)):
        node = _victim(note)
        known = node or note.what not in ("fault-set", "not-ready")
        if known and not _other_half(note, node, found):
            found.append(Incident(len(found) + 1, note, node))


def _has_reason(lost: Note, found: Sequence[Incident]) -> bool:
    return any(
        incident.node == lost.subject
        and incident.note.what != CORDONED
        and incident.note.boot == lost.boot
        and lost.tick - incident.note.tick < _REASON_MAX_S
        for incident in found
    )


def _other_half(note: Note, node: str, found: Sequence[Incident]) -> bool:
    """Return whether *note* only sets the other direction of a partition that is known."""
    if note.what != "fault-set" or not found:
        return False
    last = found[-1]
    same = (last.note.what, last.node, last.note.boot) == (note.what, node, note.boot)
    return same and note.tick - last.note.tick < _SAME_ACT_S


def _victim(note: Note) -> str:
    """Return the node that suffers: of a cut link, the end that is one (the first of two)."""
    if note.what == "not-ready":
        return note.subject if node_in(note.subject) == note.subject else ""
    if note.what != "fault-set":
        return node_in(note.subject)
    if number(note, "loss") != 1 or "pod/" in note.subject:
        return ""  # A bad link is no partition, and a pod no node: nothing need follow from it.
    return next((node for end in note.subject.split(_ARROW) if (node := node_in(end))), "")


def choose(found: Sequence[Incident], wanted: int | None) -> Incident | None:
    """Return the incident of this number, or the last one; None when there is none."""
    if wanted is None:
        return found[-1] if found else None
    return next((incident for incident in found if incident.number == wanted), None)
