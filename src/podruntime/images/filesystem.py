"""A container's own file system: a small tree in memory.

Files are bytes with a time of change; a directory exists because it was made or because a file
is below it. There are no links, owners or modes. Errors are the kernel's.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: What the files of one container may hold together; more is ENOSPC.
FILES_OCTETS_MAX: Final = 16 * 1024 * 1024
_SKELETON: Final = ("/", "/bin", "/dev", "/etc", "/home", "/root", "/tmp", "/usr", "/var")
_NULL: Final = "/dev/null"


@dataclass(slots=True)
class File:
    """Octets and when they last changed (Unix seconds)."""

    octets: bytearray = field(default_factory=bytearray)
    changed_at: float = 0.0


class FileSystem:
    """The tree of one container."""

    def __init__(self, files: Mapping[str, str | bytes], now: float) -> None:
        self._files: dict[str, File] = {_NULL: File(changed_at=now)}
        self._directories: dict[str, None] = dict.fromkeys(_SKELETON)
        self._octets = 0
        for path, content in files.items():
            octets = content.encode() if isinstance(content, str) else content
            self.make_directory(posixpath.dirname(path), parents=True)
            self.write(path, octets, now)

    def read(self, path: str) -> bytes:
        """Return the content of the file at *path*."""
        return bytes(self._file(path).octets)

    def text(self, path: str) -> str:
        """Return the content of *path* as text; an absent file is empty."""
        file = self._files.get(clean(path))
        return "" if file is None else file.octets.decode(errors="replace")

    def write(self, path: str, octets: bytes, now: float, *, append: bool = False) -> None:
        """Put *octets* into the file at *path*, making it when its directory exists."""
        path = clean(path)
        if path == _NULL:
            return
        if path in self._directories:
            raise _error(errno.EISDIR, path)
        if posixpath.dirname(path) not in self._directories:
            raise _error(errno.ENOENT, path)
        file = self._files.get(path) or File()
        gone = 0 if append else len(file.octets)
        if self._octets - gone + len(octets) > FILES_OCTETS_MAX:
            raise _error(errno.ENOSPC, path)
        self._octets += len(octets) - gone
        if not append:
            file.octets.clear()
        file.octets += octets
        file.changed_at = now
        self._files[path] = file

    def is_file(self, path: str) -> bool:
        """Return whether a file is at *path*."""
        return clean(path) in self._files

    def is_directory(self, path: str) -> bool:
        """Return whether a directory is at *path*."""
        return clean(path) in self._directories

    def size(self, path: str) -> int:
        """Return how long the file at *path* is."""
        return len(self._file(path).octets)

    def changed_at(self, path: str) -> float:
        """Return when the file at *path* changed last."""
        return self._file(path).changed_at

    def list(self, path: str) -> list[str]:
        """Return the names in the directory at *path*, sorted."""
        path = clean(path)
        if path not in self._directories:
            raise _error(errno.ENOTDIR if path in self._files else errno.ENOENT, path)
        paths = (*self._files, *self._directories)
        return sorted(
            posixpath.basename(each)
            for each in paths
            if each != "/" and posixpath.dirname(each) == path
        )

    def make_directory(self, path: str, *, parents: bool = False) -> None:
        """Make a directory, as mkdir or `mkdir -p`."""
        path = clean(path)
        if path in self._files or (path in self._directories and not parents):
            raise _error(errno.EEXIST, path)
        parent = posixpath.dirname(path)
        if parent not in self._directories:
            if not parents:
                raise _error(errno.ENOENT, path)
            self.make_directory(parent, parents=True)
        self._directories[path] = None

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, or with *recursive* a directory and all below it."""
        path = clean(path)
        if path in self._files:
            self._octets -= len(self._files.pop(path).octets)
            return
        if path not in self._directories:
            raise _error(errno.ENOENT, path)
        if not recursive:
            raise _error(errno.EISDIR, path)
        for each in [p for p in self._files if p.startswith(path + "/")]:
            self._octets -= len(self._files.pop(each).octets)
        for each in [p for p in self._directories if p == path or p.startswith(path + "/")]:
            del self._directories[each]

    def touch(self, path: str, now: float) -> None:
        """Make an empty file, or note a change of the one there."""
        if self.is_file(path):
            self._file(path).changed_at = now
        elif not self.is_directory(path):
            self.write(path, b"", now)

    def _file(self, path: str) -> File:
        path = clean(path)
        if path in self._directories:
            raise _error(errno.EISDIR, path)
        if path not in self._files:
            raise _error(errno.ENOENT, path)
        return self._files[path]


def clean(path: str) -> str:
    """Return *path* absolute and without `.`, `..` and doubled slashes."""
    return posixpath.normpath("/" + path.lstrip("/"))


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
