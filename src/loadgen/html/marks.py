"""The cluster's events as marks: which lane, which stand together, which have room for a label.

A failover of a hundred pods is hundreds of notes within a second. Marks that would cover each
other become one with a count; its title and the table below the charts tell what they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadgen.html.chart import CHARACTER

#: Marks of one lane that are nearer than this become one.
MERGE: Final = 14.0
_GAP: Final = 10.0
LABEL_MAX: Final = 34
#: Different kinds of notes that the label of one mark names.
_KINDS_NAMED: Final = 3
OTHER_LANE: Final = "other"

#: Lanes from top to bottom, as a failover runs through them, and the notes of each.
LANES: Final[Mapping[str, tuple[str, ...]]] = {
    "faults": (
        *("killed", "paused", "resumed", "start", "started", "died", "restarted", "added"),
        *("removed", "fault-set", "fault-healed", "api-fault-set", "api-fault-healed"),
    ),
    "leaders": ("leading",),
    "nodes": ("not-ready", "ready-again", "tainted", "untainted"),
    "endpoints": ("endpoints-changed",),
    "proxies": ("programmed",),
    "pods": (
        *("evicted", "pod-created", "scheduled", "pod-started", "pod-ready", "pod-not-ready"),
    ),
    "client": ("load-started", "load-ended", "first-failure", "last-failure", "backend-served"),
}
_LANE_OF: Final = {what: lane for lane, whats in LANES.items() for what in whats}


def lane_of(what: str) -> str:
    """Return the lane of a note."""
    return _LANE_OF.get(what, OTHER_LANE)


@dataclass(frozen=True, slots=True)
class Noted:
    """One event at its place on the axis."""

    x: float
    at_s: float  # since the run began
    what: str
    subject: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What is drawn: one event, or several that lie together."""

    lane: str
    x: float
    events: tuple[Noted, ...]
    label: str = ""  # what there is room for

    @property
    def count(self) -> int:
        return len(self.events)


def marks(events: Iterable[Noted], right: float) -> list[Mark]:
    """Return the marks of each lane, lanes in their order, labelled up to *right* at most."""
    lanes: dict[str, list[Noted]] = {lane: [] for lane in (*LANES, OTHER_LANE)}
    for event in sorted(events, key=lambda event: event.at_s):
        lanes[lane_of(event.what)].append(event)
    found: list[Mark] = []
    for lane, noted in lanes.items():
        found += _labelled(_merged(lane, noted), right)
    return found


def _merged(lane: str, events: Sequence[Noted]) -> list[Mark]:
    groups: list[list[Noted]] = []
    for event in events:
        if groups and event.x - groups[-1][0].x < MERGE:
            groups[-1].append(event)
        else:
            groups.append([event])
    return [Mark(lane, group[0].x, tuple(group)) for group in groups]


def _labelled(found: Sequence[Mark], right: float) -> list[Mark]:
    """Return the marks with the longest label for which there is room up to the next mark."""
    ends = [mark.x - _GAP for mark in found[1:]] + ([right] if found else [])
    return [
        Mark(mark.lane, mark.x, mark.events, _fitting(mark, end - mark.x - _GAP))
        for mark, end in zip(found, ends, strict=True)
    ]


def _fitting(mark: Mark, room: float) -> str:
    return next((text for text in _labels(mark) if len(text) * CHARACTER <= room), "")


def _labels(mark: Mark) -> list[str]:
    """Return what could stand beside a mark, the best first."""
    kinds = Counter(event.what for event in mark.events)  # In order of time: causes first.
    named = [_counted(what, count) for what, count in list(kinds.items())[:_KINDS_NAMED]]
    if len(kinds) > _KINDS_NAMED:
        named.append("…")
    texts = [", ".join(named), named[0]]
    subjects = {event.subject: None for event in mark.events}
    if len(subjects) == 1:
        texts.insert(0, f"{texts[0]} {next(iter(subjects))}")
    return [text for text in texts if len(text) <= LABEL_MAX]


def _counted(what: str, count: int) -> str:
    return what if count == 1 else f"{what} ×{count}"
