"""What a process decided or did, noted where it survives it: one line of JSON each.

Every process of a cluster appends to a file of its own in the cluster's `journal/` folder; merged
by time these files are the cluster's timeline. A note is one `write` to a file opened with
O_APPEND, so it is whole or not there, and no partition between processes can keep it from being
read. A process writes rarely: it notes decisions, not packets.

Processes of one machine share CLOCK_MONOTONIC, so notes are ordered by it: the wall clock may jump.
That clock begins anew with each boot, so a note says of which boot it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from componentbase import clock
from componentbase.decoding import UNREADABLE

#: A journal that has grown to this is put aside; what had been put aside before is forgotten.
OCTETS_MAX: Final = 4 << 20

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_BOOT_DIGITS: Final = 8

Detail = str | int | float | bool | None | list[str]


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: *at* in Unix seconds, *tick* in seconds of the machine's monotonic clock.

    *boot* names the boot that ticks are counted from; "" where the system gives it no name.
    """

    at: float
    tick: float
    process: str
    what: str
    subject: str
    details: dict[str, Detail] = {}
    boot: str = ""


class Journal:
    """The file that one process writes. Without a path it writes nothing."""

    def __init__(self, path: str | Path = "", process: str = "") -> None:
        self._path = Path(path) if path else None
        self._process = process
        self._boot = this_boot() if path else ""
        self._file: int | None = None
        self._octets = 0

    def note(self, what: str, subject: str, **details: Detail) -> None:
        """Append a line; a disk that is full loses it and nothing else."""
        if self._path is None:
            return
        line = Note(
            at=clock.wall(),
            tick=clock.monotonic(),
            process=self._process,
            what=what,
            subject=subject,
            details=details,
            boot=self._boot,
        )
        try:
            self._append(msgspec.json.encode(line) + b"\n")
        except OSError:
            self.close()

    def _append(self, octets: bytes) -> None:
        assert self._path is not None
        if self._file is not None and self._octets > OCTETS_MAX:
            self._path.replace(self._path.with_suffix(".old"))
            self.close()
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._file = os.open(self._path, flags, 0o600)
            self._octets = os.fstat(self._file).st_size
        self._octets += os.write(self._file, octets)

    def close(self) -> None:
        """Close the file; the next note opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def this_boot() -> str:
    """Return what tells this boot of the machine from others, or ""."""
    try:
        return _BOOT_ID.read_text()[:_BOOT_DIGITS]
    except OSError:
        return ""


def read(folder: Path) -> list[Note]:
    """Return every note of the journals in *folder*, in order of time."""
    notes: list[Note] = []
    for path in sorted([*folder.glob("*.old"), *folder.glob("*.jsonl")]):
        try:
            octets = path.read_bytes()
        except FileNotFoundError:
            continue  # Put aside between two looks.
        notes += parse(octets)
    return in_order(notes)


def in_order(notes: Iterable[Note]) -> list[Note]:
    """Return *notes* by time: boots by their first wall clock, the notes of one by its ticks."""
    notes = list(notes)
    boots: dict[str, float] = {}
    for note in notes:
        boots[note.boot] = min(note.at, boots.get(note.boot, note.at))
    return sorted(notes, key=lambda note: (boots[note.boot], note.tick))


def parse(octets: bytes) -> list[Note]:
    """Return the notes of whole lines; what is no note is left out."""
    notes = []
    for line in octets.splitlines():
        try:
            notes.append(msgspec.json.decode(line, type=Note))
        except UNREADABLE:
            continue  # The machine went down in the middle of a write.
    return notes
