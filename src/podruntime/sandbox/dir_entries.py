"""os.scandir and os.DirEntry as code in a container knows them.

An entry's path is the container's, and a link is followed where it leads there: the kernel, asked
by the node's path, would follow it among the machine's files.
"""

from __future__ import annotations

import os
import posix
from abc import ABCMeta
from collections.abc import Iterator
from types import GenericAlias, TracebackType
from typing import NoReturn

#: What was asked for with bytes is bytes.
Text = str | bytes


class _EntryKind(ABCMeta):
    """Lets `isinstance(entry, os.DirEntry)` hold for the machinery's entries, too."""

    def __instancecheck__(cls, found: object) -> bool:
        return isinstance(found, posix.DirEntry) or super().__instancecheck__(found)


class DirEntry(metaclass=_EntryKind):
    """One name in a directory; *at* is what asks about it, *path* what is shown of it."""

    __slots__ = ("_at", "_found", "name", "path")

    def __class_getitem__(cls, kind: object) -> GenericAlias:
        return GenericAlias(cls, kind)

    def __init__(self, found: os.DirEntry[str], path: Text, at: Text) -> None:
        self._found, self.name, self.path, self._at = found, found.name, path, at

    def __fspath__(self) -> Text:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle 'DirEntry' object")

    def inode(self) -> int:
        """Return the inode's number."""
        return self._found.inode()

    def is_symlink(self) -> bool:
        """Tell whether it is a link."""
        return self._found.is_symlink()

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a directory."""
        if follow_symlinks and self.is_symlink():
            return os.path.isdir(self._at)
        return self._found.is_dir(follow_symlinks=False)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a regular file."""
        if follow_symlinks and self.is_symlink():
            return os.path.isfile(self._at)
        return self._found.is_file(follow_symlinks=False)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return what os.stat says of it."""
        return os.stat(self._at, follow_symlinks=follow_symlinks)


class Entries:
    """What os.scandir returns: *shown* is put before names, *directory* is where they are."""

    def __init__(self, found: object, shown: Text, directory: Text) -> None:
        self._found, self._shown, self._directory = found, shown, directory

    def __iter__(self) -> Iterator[DirEntry]:
        return self

    def __next__(self) -> DirEntry:
        entry: os.DirEntry[str] = next(self._found)  # type: ignore[call-overload]
        path = _joined(self._shown, entry.name) if self._shown else entry.name
        return DirEntry(entry, path, _joined(self._directory, entry.name))

    def __enter__(self) -> Entries:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading the directory."""
        self._found.close()  # type: ignore[attr-defined]


def _joined(directory: Text, name: Text) -> Text:
    if isinstance(directory, bytes):
        return os.path.join(directory, os.fsencode(name))
    return os.path.join(directory, os.fsdecode(name))
