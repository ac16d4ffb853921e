"""The shell of the timeline: reads what was appended to a folder of journals since the last look.

Looking is a `stat` for each file, so it costs next to nothing; new files and files that were put
aside for new ones are found the same way.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from componentbase import clock
from componentbase.journal import Note, in_order, parse, this_boot

#: Seconds between two looks.
POLL_S: Final = 0.05
#: Octets of one file that are read in one look; the rest follows in the next.
_READ_MAX: Final = 8 << 20
_CURRENT: Final = "*.jsonl"
_PUT_ASIDE: Final = "*.old"


@dataclass(slots=True)
class _Position:
    """How far one file was read; files are known by their inode, for they change their names."""

    offset: int = 0
    rest: bytes = b""  # of a line whose end has not been written yet


class Folder:
    """A folder of journals, read bit by bit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._positions: dict[int, _Position] = {}
        self._boot = this_boot()
        self._early: list[Note] = []

    def holds_journals(self) -> bool:
        """Return whether there is any journal in the folder."""
        return any(self._path.glob(_CURRENT)) or any(self._path.glob(_PUT_ASIDE))

    def read_all(self) -> list[Note]:
        """Return every note that was not returned before, in order."""
        return in_order([*self._take_early(), *self._read()])

    def read_settled(self) -> list[Note]:
        """Return new notes from before this look began; later ones wait for the next.

        While one file is read another grows: what is newer than the look's beginning might
        overtake something that was noted before it.
        """
        began = clock.monotonic()
        notes = in_order([*self._take_early(), *self._read()])
        self._early = [note for note in notes if note.boot == self._boot and note.tick > began]
        return [note for note in notes if note.boot != self._boot or note.tick <= began]

    def _take_early(self) -> list[Note]:
        early, self._early = self._early, []
        return early

    def _read(self) -> list[Note]:
        notes: list[Note] = []
        seen: dict[int, _Position] = {}
        moved: dict[int, _Position] = {}
        for pattern in (_PUT_ASIDE, _CURRENT):
            for path in sorted(self._path.glob(pattern)):
                try:
                    notes += self._read_file(path, seen)
                except FileNotFoundError:
                    moved = self._positions  # Put aside just now: next time by its new name.
        self._positions = moved | seen
        return notes

    def _read_file(self, path: Path, seen: dict[int, _Position]) -> list[Note]:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_ino in seen:
                return []  # It got its other name during this look.
            position = self._positions.get(status.st_ino, _Position())
            if status.st_size < position.offset:
                position = _Position()  # Another file, with an inode that was used before.
            seen[status.st_ino] = position
            if status.st_size == position.offset:
                return []
            file.seek(position.offset)
            octets = file.read(_READ_MAX)
        position.offset += len(octets)
        whole, newline, position.rest = (position.rest + octets).rpartition(b"\n")
        return parse(whole) if newline else []
