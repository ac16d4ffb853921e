"""A container's file system: its own writable layer, and volumes mounted in it.

The layer is a directory of the node, made when something is first asked of it that its image's
files do not answer: a container that looks at no file has none. Errors are the kernel's, and
name paths of the container. It asks the kernel by `posix`, since `os` asks the container's view.
"""

from __future__ import annotations

import errno
import os
import posix
import posixpath
import stat
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from podruntime.images.view import Mount, Place, View, clean, error

#: How long a file may become that a program of ours writes; more is EFBIG.
FILE_OCTETS_MAX: Final = 64 * 1024 * 1024
_READ_OCTETS: Final = 1024 * 1024
_SKELETON: Final = (
    ("/bin", 0o755),
    ("/dev", 0o755),
    ("/etc", 0o755),
    ("/home", 0o755),
    ("/root", 0o700),
    ("/tmp", 0o1777),
    ("/usr", 0o755),
    ("/var", 0o755),
    ("/var/run", 0o755),
)
#: The machine's own: devices, which hold nothing, and what its kernel tells of all of it.
_OF_THE_MACHINE: Final = (
    *(f"/dev/{name}" for name in ("full", "null", "random", "urandom", "zero")),
    *(f"/proc/{name}" for name in ("cpuinfo", "loadavg", "meminfo", "uptime", "version")),
)


class FileSystem:
    """What one container sees."""

    def __init__(self, root: str, files: Mapping[str, str | bytes], working_dir: str = "/") -> None:
        self._root, self._files, self._working_dir = root, files, working_dir
        self._view = View(root)
        self._made = False
        for path in _OF_THE_MACHINE:
            self.mount(path, path, readonly=path.startswith("/proc/"))

    @property
    def made(self) -> bool:
        """Tell whether there is a directory."""
        return self._made

    def mount(
        self, path: str, host_path: str, *, readonly: bool = False, verbatim: bool = False
    ) -> None:
        """Show the node's *host_path* at *path*, in front of what was there."""
        mount = Mount(clean(path), host_path, readonly, verbatim)
        self._view.add(mount)
        if self._made:
            self._make_point(mount)

    def _make(self) -> None:
        self._made = True
        _make_directories(self._root)
        for path, mode in _SKELETON:
            with suppress(FileExistsError):
                posix.mkdir(self._root + path, mode)
            posix.chmod(self._root + path, mode)
        for path, content in self._files.items():
            octets = content.encode() if isinstance(content, str) else content
            _make_directories(posixpath.dirname(self._root + path))
            _write(self._root + path, octets, os.O_TRUNC)
        for mount in self._view.mounts():
            self._make_point(mount)
        with suppress(OSError):  # In a volume that cannot be written, or that has a file there.
            self.make_directory(self._working_dir, parents=True)

    def _make_point(self, mount: Mount) -> None:
        """Let a listing show the mount point, where there may be one."""
        place = self._view.place(posixpath.dirname(mount.point))
        real = f"{place.path}/{posixpath.basename(mount.point)}"
        if place.mount.readonly or posix.access(real, posix.F_OK):
            return
        _make_directories(place.path)
        if _is(mount.host_path, stat.S_IFDIR):
            posix.mkdir(real, 0o755)
        else:
            _write(real, b"", 0)

    def find(self, path: str, *, follow: bool = True, writing: bool = False) -> Place:
        """Return where *path* is among the node's files; raises OSError as the kernel does."""
        if not self._made:
            self._make()
        place = self._view.find(path, follow=follow)
        if writing and place.mount.readonly:
            raise error(errno.EROFS, path)
        return place

    def directory_of(self, descriptor: int) -> str | None:
        """Return the path of an open directory, None when it is none of the container's."""
        try:
            return self._view.seen_at(posix.readlink(f"/proc/self/fd/{descriptor}"))
        except OSError:
            return None

    def _real(self, path: str, *, writing: bool = False) -> str:
        return self.find(path, writing=writing).path

    def _untouched(self, path: str) -> bytes | None:
        """Return a file of the image as long as there is no layer."""
        content = self._files.get(path)
        if self._made or content is None or self._view.place(path).mount.point != "/":
            return None
        return content.encode() if isinstance(content, str) else content

    def read(self, path: str, octets_max: int | None = None) -> bytes:
        """Return the content of the file at *path*; of a device without an end, *octets_max*."""
        octets = self._untouched(path)
        if octets is not None:
            return octets[:octets_max]
        with _Named(path):
            return _read(self._real(path), octets_max)

    def mounts(self) -> list[Mount]:
        """Return what is mounted but the machine's own, outer ones first."""
        return [each for each in self._view.mounts() if each.point not in _OF_THE_MACHINE]

    def space(self, path: str) -> os.statvfs_result:
        """Return what statvfs(3) says of the file system that has *path*."""
        with _Named(path):
            return posix.statvfs(self._real(path))

    def text(self, path: str) -> str:
        """Return the content of *path* as text; an absent file is empty."""
        try:
            return self.read(path).decode(errors="replace")
        except FileNotFoundError:
            return ""

    def write(self, path: str, octets: bytes, *, append: bool = False) -> None:
        """Put *octets* into the file at *path*, making it when its directory exists."""
        with _Named(path):
            real = self._real(path, writing=True)
            length = len(octets) + (_size(real) if append else 0)
            if length > FILE_OCTETS_MAX:
                raise error(errno.EFBIG, path)
            _write(real, octets, os.O_APPEND if append else os.O_TRUNC)

    def stat(self, path: str) -> os.stat_result | None:
        """Return what stat(2) says of *path*; None where there is nothing."""
        try:
            return posix.stat(self._real(path))
        except OSError:
            return None

    def lstat(self, path: str) -> os.stat_result | None:
        """Return what lstat(2) says of *path*; None where there is nothing."""
        try:
            return posix.lstat(self.find(path, follow=False).path)
        except OSError:
            return None

    def readlink(self, path: str) -> str:
        """Return where a link leads."""
        with _Named(path):
            return posix.readlink(self.find(path, follow=False).path)

    def link(self, source: str, path: str, *, symbolic: bool) -> None:
        """Make a link to *source* at *path*."""
        with _Named(path):
            target = self.find(path, follow=False, writing=True)
            if symbolic:
                posix.symlink(source, target.path)
                return
            place = self.find(source, follow=False)
            if place.mount is not target.mount:
                raise error(errno.EXDEV, path)
            posix.link(place.path, target.path)

    def change_mode(self, path: str, mode: int) -> None:
        """Set the permissions of what is at *path*."""
        with _Named(path):
            posix.chmod(self._real(path, writing=True), mode)

    def is_file(self, path: str) -> bool:
        """Return whether a file is at *path*."""
        found = self.stat(path)
        return found is not None and not stat.S_ISDIR(found.st_mode)

    def is_directory(self, path: str) -> bool:
        """Return whether a directory is at *path*."""
        found = self.stat(path)
        return found is not None and stat.S_ISDIR(found.st_mode)

    def size(self, path: str) -> int:
        """Return how long the file at *path* is."""
        found = self.stat(path)
        return found.st_size if found else 0

    def changed_at(self, path: str) -> float:
        """Return when the file at *path* changed last (Unix seconds)."""
        found = self.stat(path)
        return found.st_mtime if found else 0.0

    def list(self, path: str) -> list[str]:
        """Return the names in the directory at *path*, sorted."""
        with _Named(path):
            return sorted(posix.listdir(self._real(path)))

    def make_directory(self, path: str, *, parents: bool = False) -> None:
        """Make a directory, as mkdir or `mkdir -p`."""
        path = clean(path)
        if parents and self.is_directory(path):
            return
        parent = posixpath.dirname(path)
        if parents and not self.is_directory(parent):
            self.make_directory(parent, parents=True)
        with _Named(path):
            posix.mkdir(self._real(path, writing=True), 0o755)

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove a file, or with *recursive* a directory and all below it."""
        with _Named(path):
            place = self.find(path, follow=False, writing=True)
            if place.is_mount_point:
                raise error(errno.EBUSY, path)
            if not stat.S_ISDIR(posix.lstat(place.path).st_mode):
                posix.unlink(place.path)
                return
            if not recursive:
                raise error(errno.EISDIR, path)
            for name in posix.listdir(place.path):
                self.remove(posixpath.join(path, name), recursive=True)
            posix.rmdir(place.path)

    def rename(self, path: str, target: str) -> None:
        """Move a file or directory within one volume, replacing what is at *target*."""
        with _Named(path):
            source = self.find(path, follow=False, writing=True)
            place = self.find(target, follow=False, writing=True)
            if source.mount is not place.mount:
                raise error(errno.EXDEV, path)
            posix.rename(source.path, place.path)

    def touch(self, path: str) -> None:
        """Make an empty file, or note a change of the one there."""
        with _Named(path):
            real = self._real(path, writing=True)
            if not self.is_directory(path):
                _write(real, b"", 0)
            posix.utime(real)


class _Named:
    """Lets errors of the node's path name the container's."""

    def __init__(self, path: str) -> None:
        self._path = clean(path)

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, failure: object, _traceback: object) -> None:
        if isinstance(failure, OSError):
            failure.filename = self._path


def _is(real: str, kind: int) -> bool:
    try:
        return stat.S_IFMT(posix.stat(real).st_mode) == kind
    except OSError:
        return False


def _size(real: str) -> int:
    try:
        return posix.stat(real).st_size
    except OSError:
        return 0


def _make_directories(real: str) -> None:
    if not real or posix.access(real, posix.F_OK):
        return
    _make_directories(posixpath.dirname(real))
    posix.mkdir(real, 0o755)


def _read(real: str, octets_max: int | None = None) -> bytes:
    descriptor = posix.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if stat.S_ISDIR(posix.fstat(descriptor).st_mode):
            raise error(errno.EISDIR, real)
        bound = FILE_OCTETS_MAX if octets_max is None else min(octets_max, FILE_OCTETS_MAX)
        pieces, left = list[bytes](), bound
        while left and (piece := posix.read(descriptor, min(left, _READ_OCTETS))):
            pieces.append(piece)
            left -= len(piece)
        if not left and octets_max is None and posix.read(descriptor, 1):
            raise error(errno.EFBIG, real)  # A device such as /dev/zero has no end.
        return b"".join(pieces)
    finally:
        posix.close(descriptor)


def _write(real: str, octets: bytes, how: int) -> None:
    # A pipe that nobody reads is ENXIO, and holds up nobody.
    flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | how
    descriptor = posix.open(real, flags, 0o644)
    try:
        rest = memoryview(octets)
        while rest:
            rest = rest[posix.write(descriptor, rest) :]
    finally:
        posix.close(descriptor)
