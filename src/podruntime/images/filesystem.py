"""A container's file system: a small tree in memory, with trees of volumes mounted in it.

Files are bytes with a time of change; a directory exists because it was made or because a file
is below it. There are no links, owners or modes. Errors are the kernel's. A volume is a tree of
its own that several containers of a pod mount: what one writes there the others read.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

#: What a container's own files, or a volume's, may hold together; more is ENOSPC.
FILES_OCTETS_MAX: Final = 16 * 1024 * 1024
_SKELETON: Final = ("/", "/bin", "/dev", "/etc", "/home", "/root", "/tmp", "/usr", "/var")
_NULL: Final = "/dev/null"
T = TypeVar("T")


@dataclass(slots=True)
class File:
    """Octets and when they last changed (Unix seconds)."""

    octets: bytearray = field(default_factory=bytearray)
    changed_at: float = 0.0


class Tree:
    """Files and directories under one root; paths are clean."""

    def __init__(self, directories: Iterable[str] = ("/",)) -> None:
        self._files: dict[str, File] = {}
        self._directories: dict[str, None] = dict.fromkeys(directories)
        self._octets = 0

    def read(self, path: str) -> bytes:
        """Return the content of the file at *path*."""
        return bytes(self._file(path).octets)

    def text(self, path: str) -> str:
        """Return the content of *path* as text; an absent file is empty."""
        file = self._files.get(path)
        return "" if file is None else file.octets.decode(errors="replace")

    def write(self, path: str, octets: bytes, now: float, *, append: bool = False) -> None:
        """Put *octets* into the file at *path*, making it when its directory exists."""
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
        return path in self._files

    def is_directory(self, path: str) -> bool:
        """Return whether a directory is at *path*."""
        return path in self._directories

    def size(self, path: str) -> int:
        """Return how long the file at *path* is."""
        return len(self._file(path).octets)

    def changed_at(self, path: str) -> float:
        """Return when the file at *path* changed last."""
        return self._file(path).changed_at

    def list(self, path: str) -> list[str]:
        """Return the names in the directory at *path*, sorted."""
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
        if path in self._directories:
            raise _error(errno.EISDIR, path)
        if path not in self._files:
            raise _error(errno.ENOENT, path)
        return self._files[path]


class FileSystem:
    """What one container sees: its own tree, and volumes in it."""

    def __init__(self, files: Mapping[str, str | bytes], now: float) -> None:
        self._root = Tree(_SKELETON)
        self._root.write(_NULL, b"", now)
        #: By mount point; the tree, and the directory in it that is seen there.
        self._mounts: dict[str, tuple[Tree, str]] = {}
        self.put(files, now)

    def put(self, files: Mapping[str, str | bytes], now: float) -> None:
        """Write *files*, making their directories."""
        for path, content in files.items():
            octets = content.encode() if isinstance(content, str) else content
            self.make_directory(posixpath.dirname(path), parents=True)
            self.write(path, octets, now)

    def mount(self, path: str, volume: Tree, directory: str = "/") -> None:
        """Show *directory* of *volume* at *path*, in front of what was there."""
        path, directory = clean(path), clean(directory)
        self.make_directory(path, parents=True)
        volume.make_directory(directory, parents=True)
        self._mounts[path] = volume, directory

    def _at(self, path: str) -> tuple[Tree, str]:
        """Return in which tree *path* is, and where there; the innermost mount counts."""
        path = clean(path)
        point = path
        while self._mounts and point != "/":
            if point in self._mounts:
                tree, directory = self._mounts[point]
                return tree, clean(directory + path[len(point) :])
            point = posixpath.dirname(point)
        return self._root, path

    def _in(self, path: str, do: Callable[[Tree, str], T]) -> T:
        """Do something in the tree that *path* is in; an error names the path as it was asked."""
        tree, at = self._at(path)
        try:
            return do(tree, at)
        except OSError as error:
            raise _error(error.errno or errno.EIO, clean(path)) from None

    def read(self, path: str) -> bytes:
        """Return the content of the file at *path*."""
        return self._in(path, lambda tree, at: tree.read(at))

    def text(self, path: str) -> str:
        """Return the content of *path* as text; an absent file is empty."""
        return self._in(path, lambda tree, at: tree.text(at))

    def write(self, path: str, octets: bytes, now: float, *, append: bool = False) -> None:
        """Put *octets* into the file at *path*, making it when its directory exists."""
        if clean(path) != _NULL:
            self._in(path, lambda tree, at: tree.write(at, octets, now, append=append))

    def is_file(self, path: str) -> bool:
        """Return whether a file is at *path*."""
        return self._in(path, lambda tree, at: tree.is_file(at))

    def is_directory(self, path: str) -> bool:
        """Return whether a directory is at *path*."""
        return self._in(path, lambda tree, at: tree.is_directory(at))

    def size(self, path: str) -> int:
        """Return how long the file at *path* is."""
        return self._in(path, lambda tree, at: tree.size(at))

    def changed_at(self, path: str) -> float:
        """Return when the file at *path* changed last."""
        return self._in(path, lambda tree, at: tree.changed_at(at))

    def list(self, path: str) -> list[str]:
        """Return the names in the directory at *path*, sorted."""
        return self._in(path, lambda tree, at: tree.list(at))

    def make_directory(self, path: str, *, parents: bool = False) -> None:
        """Make a directory, as mkdir or `mkdir -p`."""
        self._in(path, lambda tree, at: tree.make_directory(at, parents=parents))

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, or with *recursive* a directory and all below it."""
        if clean(path) in self._mounts:
            raise _error(errno.EBUSY, path)
        self._in(path, lambda tree, at: tree.remove(at, recursive=recursive))

    def touch(self, path: str, now: float) -> None:
        """Make an empty file, or note a change of the one there."""
        self._in(path, lambda tree, at: tree.touch(at, now))


def clean(path: str) -> str:
    """Return *path* absolute and without `.`, `..` and doubled slashes."""
    return posixpath.normpath("/" + path.lstrip("/"))


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
