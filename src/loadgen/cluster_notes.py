"""What the cluster's own processes noted while the load ran, read from its journal.

A cluster is a folder of $PODWIRE_HOME with `cluster.json`; its addresses are 127.0.B.x, B being the
`block` in that file, and what passes the fabric is at 127.0.(128 + B).x. Journals are files that
only grow, until one is put aside and begun anew (`componentbase.journal`).
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from componentbase import journal
from componentbase.decoding import UNREADABLE
from loadgen.plan import PlanError
from loadgen.results import Event

#: In how many journals, and how many octets of each a look, notes are looked for.
FILES_MAX: Final = 512
OCTETS_PER_LOOK_MAX: Final = 1 << 20
FAR: Final = 128

#: Notes that explain failures; the others are in the result file only.
IMPORTANT: Final = (
    "killed", "paused", "resumed", "start", "died", "restarted", "added", "removed", "fault-set",
    "fault-healed", "api-fault-set", "api-fault-healed", "not-ready", "ready-again", "evicted",
    "endpoints-changed", "first-failure", "last-failure",
)  # fmt: skip


class _ClusterFile(msgspec.Struct, frozen=True):
    """What is read of cluster.json."""

    block: int = 0


def podwire_home() -> Path:
    """Return the folder that clusters lie in."""
    return Path(os.environ.get("PODWIRE_HOME", "") or Path.home() / ".podwire")


def find_cluster(home: Path, choice: str, host: str) -> Path | None:
    """Return the folder of the cluster called *choice*, with `auto` of the one that has *host*.

    Raises PlanError when a cluster named outright is not there.
    """
    if choice == "none":
        return None
    if choice != "auto":
        folder = home / choice
        if "/" in choice or _block(folder) is None:
            raise PlanError(f"there is no cluster {choice!r} in {home}; --cluster none needs none")
        return folder
    block = _block_of(host)
    if block is None or not home.is_dir():
        return None
    found = (folder for folder in sorted(home.iterdir()) if _block(folder) == block)
    return next(found, None)


def _block(folder: Path) -> int | None:
    try:
        return msgspec.json.decode((folder / "cluster.json").read_bytes(), type=_ClusterFile).block
    except (OSError, *UNREADABLE):
        return None


def _block_of(host: str) -> int | None:
    try:
        octets = ipaddress.IPv4Address(host).packed
    except ValueError:
        return None
    if octets[0] != 127 or octets[1] != 0 or octets[2] == 0:
        return None
    return octets[2] - FAR if octets[2] > FAR else octets[2]


@dataclass(slots=True)
class Journals:
    """Follows the journals of one cluster; what lies before the first look is skipped."""

    folder: Path
    own: Path
    boot: str = field(default_factory=journal.this_boot)
    _read: dict[Path, int] = field(default_factory=dict)

    def skip(self) -> None:
        """Leave out what is there already."""
        for path in self._paths():
            self._read[path] = _size(path)

    def look(self, wall_ahead_s: float) -> list[Event]:
        """Return the notes that are new, in order of time.

        Those of this boot have the moment that their tick says, by a wall clock which is so far
        ahead of ticks.
        """
        notes = [note for path in self._paths() for note in self._new(path)]
        notes.sort(key=lambda note: note.tick)
        return [
            Event(
                at=note.tick + wall_ahead_s if note.boot == self.boot else note.at,
                what=note.what,
                subject=note.subject,
                process=note.process,
                details=note.details,
            )
            for note in notes
        ]

    def _paths(self) -> list[Path]:
        try:
            paths = sorted(self.folder.glob("*.jsonl"))
        except OSError:
            return []  # No file is left to this process, perhaps: the next look may find more.
        return [path for path in paths if path != self.own][:FILES_MAX]

    def _new(self, path: Path) -> list[journal.Note]:
        begin = self._read.get(path, 0)
        if _size(path) == begin:
            return []
        try:
            with path.open("rb") as file:
                if _size(path) < begin:  # Put aside and begun anew.
                    begin = 0
                file.seek(begin)
                octets = file.read(OCTETS_PER_LOOK_MAX)
        except OSError:
            return []
        whole = octets[: octets.rfind(b"\n") + 1]
        self._read[path] = begin + len(whole)
        return journal.parse(whole)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
