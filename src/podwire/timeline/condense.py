"""Thousands of notes as a few lines: what one change did to many pods is told as a count.

Notes of one kind that come close together become one line, for as long as nothing happens that a
reader would not want to miss. Pure, and fed in order: a line is ready when nothing more came for a
while, or when it is old. Whoever follows a cluster waits for it, so then both are shorter.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from componentbase.journal import Note
from podwire.timeline.notes import number, text, texts
from podwire.timeline.words import WORDS, milliseconds, sentence


@dataclass(frozen=True, slots=True)
class Pace:
    """What is told together: notes at most *quiet_s* apart, over at most *open_max_s*."""

    quiet_s: float
    open_max_s: float


FOLLOWING: Final = Pace(quiet_s=0.25, open_max_s=1.0)
READING_BACK: Final = Pace(quiet_s=1.0, open_max_s=10.0)
_NAMES_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline: the notes that it tells, and how."""

    notes: Sequence[Note]
    words: str

    @property
    def first(self) -> Note:
        return self.notes[0]


@dataclass(slots=True)
class _Group:
    notes: list[Note] = field(default_factory=list)

    def due_at(self, pace: Pace) -> float:
        return min(self.notes[-1].tick + pace.quiet_s, self.notes[0].tick + pace.open_max_s)


class Condenser:
    """Collects what may be told together; everything else goes straight through."""

    def __init__(self, pace: Pace = FOLLOWING) -> None:
        self._pace = pace
        self._groups: dict[tuple[str, ...], _Group] = {}

    def add(self, note: Note) -> list[Line]:
        """Take the next note; return the lines that are complete by now."""
        lines = self.due(note.tick)
        key = _group_key(note)
        if key is None:
            return [*lines, *self.flush(), Line([note], sentence(note))]
        self._groups.setdefault(key, _Group()).notes.append(note)
        return lines

    def due(self, now: float) -> list[Line]:
        """Return the lines that wait for nothing any more; none overtakes an older one."""
        ready = takewhile(lambda item: item[1].due_at(self._pace) <= now, self._groups.items())
        return _told([self._groups.pop(key) for key, _group in list(ready)])

    def deadline(self) -> float:
        """Return the tick at which the next line is due."""
        return next((group.due_at(self._pace) for group in self._groups.values()), math.inf)

    def flush(self) -> list[Line]:
        """Return everything that is held back."""
        groups, self._groups = self._groups, {}
        return _told(groups.values())


def condensed(notes: Iterable[Note]) -> list[Line]:
    """Return the lines that tell *notes*, which are in order, each where its first note stands."""
    condenser, places = Condenser(READING_BACK), {}
    lines: list[Line] = []
    for place, note in enumerate(notes):
        places[id(note)] = place
        lines += condenser.add(note)
    lines += condenser.flush()
    return sorted(lines, key=lambda line: places[id(line.first)])


def every(notes: Iterable[Note]) -> list[Line]:
    """Return one line for each note."""
    return [Line([note], sentence(note)) for note in notes]


def _group_key(note: Note) -> tuple[str, ...] | None:
    """Return what *note* may be told together with; None: it is told alone, and at once."""
    wording = WORDS.get(note.what)
    if wording is None or not wording.many:
        return None
    by_subject = note.what in ("endpoints-changed", "programmed")
    return (note.what, note.subject) if by_subject else (note.what,)


def _told(groups: Iterable[_Group]) -> list[Line]:
    ordered = sorted(groups, key=lambda group: group.notes[0].tick)
    return [Line(group.notes, _words(group.notes)) for group in ordered]


def _words(notes: Sequence[Note]) -> str:
    if len(notes) == 1:
        return sentence(notes[0])
    what = notes[0].what
    if what == "programmed":
        return _programmed(notes)
    if what == "endpoints-changed":
        return _endpoints(notes)
    words = WORDS[what].many.format(n=len(notes))
    places = Counter(node for note in notes if (node := text(note, "node")))
    if not places:
        return words + _some([text(note, "backend") or note.subject for note in notes])
    where = "from" if what == "evicted" else "on"
    return f"{words} {where} {_places(places)}"


def _places(places: Counter[str]) -> str:
    if len(places) > _NAMES_MAX:
        return f"{len(places)} nodes"
    return ", ".join(
        node if len(places) == 1 else f"{node} ({count})" for node, count in sorted(places.items())
    )


def _some(names: Sequence[str]) -> str:
    return f": {', '.join(names)}" if len(names) <= _NAMES_MAX else ""


def _programmed(notes: Sequence[Note]) -> str:
    nodes = list(dict.fromkeys(text(note, "node") for note in notes))
    changes = {(text(note, "slice"), text(note, "resource_version")) for note in notes}
    many = f" ({len(changes)} changes)" if len(changes) > 1 else ""
    where = nodes[0] if len(nodes) == 1 else f"{len(nodes)} nodes"
    took = [seconds for note in notes if (seconds := number(note, "latency_s")) is not None]
    return f"{notes[0].subject} programmed on {where}{many}{_range(took)}"


def _range(took: Sequence[float]) -> str:
    if not took:
        return ""
    low, high = milliseconds(min(took)), milliseconds(max(took))
    if low == high:
        return f" in {high}"
    if low.endswith(" ms") and high.endswith(" ms"):
        low = low.removesuffix(" ms")
    return f" in {low}-{high}"


def _endpoints(notes: Sequence[Note]) -> str:
    added = sum(len(texts(note, "added")) for note in notes)
    removed = sum(len(texts(note, "removed")) for note in notes)
    return f"{notes[0].subject} endpoints +{added} -{removed} in {len(notes)} changes"
