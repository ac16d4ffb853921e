"""Where a container's paths are among the node's files: a mount namespace in user space.

A view is a root directory and mounts of other files and directories in it (mount(2) with
MS_BIND). Links are followed here, a part of the path at a time, as a kernel follows them below a
chroot: an absolute target starts at the view's root, so no path leaves it. Between finding a
place and using it another program may change a link; the containers of a pod are one process,
which is trusted as far as that. It asks the kernel by `posix`, since `os` asks views.
"""

from __future__ import annotations

import errno
import os
import posix
import posixpath
import stat
from dataclasses import dataclass
from typing import Final

#: Linux: MAXSYMLINKS.
_LINKS_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Mount:
    """The node's *host_path*, seen at *point*.

    In a *verbatim* mount the kernel follows links by itself: those of the machine's own
    directories lead to places that no view has, and those of /proc to none at all.
    """

    point: str
    host_path: str
    readonly: bool = False
    verbatim: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A path of the node, and the mount that it was found in."""

    path: str
    mount: Mount

    @property
    def is_mount_point(self) -> bool:
        """Tell whether this is the whole of what is mounted."""
        return self.path == self.mount.host_path


class View:
    """A root and its mounts, the innermost of which counts."""

    def __init__(self, root: str) -> None:
        self._mounts = {"/": Mount("/", root)}

    def add(self, mount: Mount) -> None:
        """Show *mount* in front of what is at its point."""
        self._mounts[mount.point] = mount

    def mounts(self) -> list[Mount]:
        """Return all mounts but the root, outer ones first."""
        return [self._mounts[point] for point in sorted(self._mounts) if point != "/"]

    def place(self, path: str) -> Place:
        """Return where the clean *path* is, without looking for links."""
        point = path
        while point not in self._mounts:
            point = posixpath.dirname(point)
        mount = self._mounts[point]
        rest = path[len(point) :].strip("/")
        return Place(f"{mount.host_path}/{rest}" if rest else mount.host_path, mount)

    def seen_at(self, real: str) -> str | None:
        """Return where the node's *real* path is seen, None when it is not.

        Of several mounts of one directory one that can be written counts.
        """
        found = [
            mount
            for mount in self._mounts.values()
            if real == mount.host_path or real.startswith(f"{mount.host_path.rstrip('/')}/")
        ]
        if not found:
            return None
        best = max(found, key=lambda mount: (len(mount.host_path), not mount.readonly))
        rest = real[len(best.host_path) :].strip("/")
        return posixpath.join(best.point, rest) if rest else best.point

    def find(self, path: str, *, follow: bool = True) -> Place:
        """Return where the absolute *path* leads; the last part may be absent.

        With *follow* a link in the last part is followed, too. Raises OSError as the kernel does.
        """
        rest = path.split("/")[::-1]
        at, links = "/", 0
        while rest:
            part = rest.pop()
            if part in ("", ".", ".."):
                at = posixpath.dirname(at) if part == ".." else at
                continue
            step = f"{at.rstrip('/')}/{part}"
            found = self.place(step)
            if found.mount.verbatim:
                return self._verbatim(step, rest, follow=follow)
            mode = self._mode(step, found, path, last=not any(rest))
            if stat.S_ISLNK(mode) and (follow or any(rest)):
                links += 1
                if links > _LINKS_MAX:
                    raise error(errno.ELOOP, path)
                target = posix.readlink(found.path)
                at = "/" if target.startswith("/") else at
                rest += target.split("/")[::-1]
                continue
            if rest and mode and not stat.S_ISDIR(mode):
                raise error(errno.ENOTDIR, path)
            at = step
        return self.place(at)

    def _verbatim(self, step: str, rest: list[str], *, follow: bool) -> Place:
        """Return the place of what is below a verbatim mount, where the kernel finds the way."""
        whole = posixpath.normpath("/".join([step, *reversed(rest)]))
        found = self.place(whole)
        return found if found.mount.verbatim else self.find(whole, follow=follow)

    def _mode(self, step: str, found: Place, asked: str, *, last: bool) -> int:
        """Return the type of what is at *step*, 0 when it is absent and may be."""
        try:
            return posix.lstat(found.path).st_mode
        except FileNotFoundError:
            if last:
                return 0
            # What leads to a mount is there, though a removed tree has taken its placeholder.
            if any(point.startswith(f"{step}/") for point in self._mounts):
                return stat.S_IFDIR
            raise error(errno.ENOENT, asked) from None
        except OSError as failure:
            raise error(failure.errno or errno.EIO, asked) from None


def clean(path: str) -> str:
    """Return *path* absolute and without `.`, `..` and doubled slashes."""
    return posixpath.normpath("/" + path.lstrip("/"))


def error(number: int, path: str) -> OSError:
    """Return the kernel's error about *path*."""
    return OSError(number, os.strerror(number), path)
