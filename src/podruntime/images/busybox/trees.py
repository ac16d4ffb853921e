"""Applets that look at files and trees of them: ls, find, stat, du, readlink, realpath, …"""

from __future__ import annotations

import errno
import fnmatch
import os
import posixpath
import secrets
import stat as modes
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import Arguments, BadUsage, parse
from podruntime.images.busybox.machine import human
from podruntime.images.filesystem import FileSystem
from podruntime.images.process import Process, Program
from podruntime.images.view import error as kernel_error

_KINDS: Final = {
    "f": modes.S_IFREG,
    "d": modes.S_IFDIR,
    "l": modes.S_IFLNK,
    "s": modes.S_IFSOCK,
    "p": modes.S_IFIFO,
    "c": modes.S_IFCHR,
}
_KIND_NAMES: Final = {
    modes.S_IFREG: "regular file",
    modes.S_IFDIR: "directory",
    modes.S_IFLNK: "symbolic link",
    modes.S_IFSOCK: "socket",
    modes.S_IFIFO: "fifo",
    modes.S_IFCHR: "character special file",
}
_LINKS_MAX: Final = 40
_BLOCK: Final = 512


@applet
async def ls(process: Process) -> int:
    """List directories."""
    arguments = parse(process.arguments, "1aACdFhlnRSrt")
    files, directories, status = [], [], 0
    for name in sorted(arguments.operands or (".",)):
        found = process.files.lstat(process.path(name))
        if found is None:
            process.complain(f"ls: {name}: No such file or directory")
            status = 1
        elif process.files.is_directory(process.path(name)) and "d" not in arguments:
            directories.append(name)
        else:
            files.append(name)
    _show(
        process,
        arguments,
        [(name, process.path(name)) for name in _ordered(process, arguments, files, "")],
    )
    headed = len(directories) + len(files) > 1 or "R" in arguments or bool(status)
    for index, name in enumerate(directories):
        if index or files:
            process.print("")
        _list(process, arguments, name, headed=headed)
    return status


def _list(process: Process, arguments: Arguments, name: str, *, headed: bool) -> None:
    if headed:
        process.print(f"{name}:")
    directory = process.path(name)
    names = process.files.list(directory)
    if "a" in arguments:
        names = [".", "..", *names]
    elif "A" not in arguments:
        names = [each for each in names if not each.startswith(".")]
    names = _ordered(process, arguments, names, directory)
    if "l" in arguments:
        listed = [process.files.lstat(posixpath.join(directory, each)) for each in names]
        process.print(f"total {sum(each.st_blocks for each in listed if each) // 2}")
    _show(process, arguments, [(each, posixpath.join(directory, each)) for each in names])
    if "R" not in arguments:
        return
    for each in names:
        found = process.files.lstat(posixpath.join(directory, each))
        if each not in (".", "..") and found is not None and modes.S_ISDIR(found.st_mode):
            process.print("")
            _list(process, arguments, posixpath.join(name, each), headed=True)


def _ordered(process: Process, arguments: Arguments, names: list[str], directory: str) -> list[str]:
    def key(name: str) -> float:
        found = process.files.lstat(process.path(posixpath.join(directory, name)))
        if found is None:
            return 0.0
        return -found.st_mtime if "t" in arguments else -found.st_size

    if "t" in arguments or "S" in arguments:
        names = sorted(names, key=key)
    return names[::-1] if "r" in arguments else names


def _show(process: Process, arguments: Arguments, entries: list[tuple[str, str]]) -> None:
    for name, path in entries:
        process.print(_long(process, arguments, name, path) if "l" in arguments else name)


def _long(process: Process, arguments: Arguments, name: str, path: str) -> str:
    found = process.files.lstat(path)
    if found is None:
        return name  # It has gone meanwhile.
    if modes.S_ISLNK(found.st_mode):
        name = f"{name} -> {process.files.readlink(path)}"
    mode, links = modes.filemode(found.st_mode), found.st_nlink
    owner = "0        0       " if "n" in arguments else "root     root    "
    when = time.strftime("%b %e %H:%M", time.gmtime(found.st_mtime))
    size = human(found.st_size) if "h" in arguments else str(found.st_size)
    return f"{mode} {links:4} {owner} {size:>9} {when} {name}"


def _walk(
    files: FileSystem, name: str, path: str, depth: int = 0
) -> Iterator[tuple[str, str, int]]:
    """Yield (name as asked, path, depth) of a tree, a directory before what is in it."""
    yield name, path, depth
    found = files.lstat(path)
    if found is None or not modes.S_ISDIR(found.st_mode):
        return
    for each in files.list(path):
        yield from _walk(files, posixpath.join(name, each), posixpath.join(path, each), depth + 1)


@dataclass(slots=True)
class _Wanted:
    """What find looks for."""

    name: str = ""
    path: str = ""
    kind: int = 0
    depth_min: int = 0
    depth_max: int = 1 << 30

    @classmethod
    def parse(cls, words: list[str]) -> _Wanted:
        """Read an expression: all of it must hold."""
        wanted = cls()
        while words:
            test = words.pop(0)
            if test == "-print":
                continue
            if test not in ("-name", "-path", "-type", "-mindepth", "-maxdepth"):
                raise BadUsage(f"unrecognized: {test}")
            if not words:
                raise BadUsage(f"{test}: needs an argument")
            wanted._take(test, words.pop(0))
        return wanted

    def _take(self, test: str, text: str) -> None:
        if test in ("-mindepth", "-maxdepth") and not text.isdigit():
            raise BadUsage(f"invalid number '{text}'")
        if test == "-type" and text not in _KINDS:
            raise BadUsage(f"invalid -type argument '{text}'")
        match test:
            case "-name":
                self.name = text
            case "-path":
                self.path = text
            case "-type":
                self.kind = _KINDS[text]
            case "-mindepth":
                self.depth_min = int(text)
            case "-maxdepth":
                self.depth_max = int(text)

    def holds(self, files: FileSystem, name: str, path: str, depth: int) -> bool:
        """Tell whether this is one."""
        if not self.depth_min <= depth <= self.depth_max:
            return False
        if self.name and not fnmatch.fnmatchcase(posixpath.basename(name) or name, self.name):
            return False
        if self.path and not fnmatch.fnmatchcase(name, self.path):
            return False
        found = files.lstat(path)
        return found is not None and (not self.kind or modes.S_IFMT(found.st_mode) == self.kind)


@applet
async def find(process: Process) -> int:
    """Print the files of trees that are as wanted."""
    words = list(process.arguments)
    cut = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    wanted, status = _Wanted.parse(words[cut:]), 0
    for name in words[:cut] or ["."]:
        if process.files.lstat(process.path(name)) is None:
            process.complain(f"find: {name}: No such file or directory")
            status = 1
            continue
        for each, path, depth in _walk(process.files, name, process.path(name)):
            if wanted.holds(process.files, each, path, depth):
                process.print(each)
    return status


@applet
async def stat(process: Process) -> int:
    """Show what stat(2) says."""
    arguments, status = parse(process.arguments, "Lc:"), 0
    for name in arguments.operands:
        path = process.path(name)
        found = process.files.stat(path) if "L" in arguments else process.files.lstat(path)
        if found is None:
            process.complain(f"stat: can't stat '{name}': No such file or directory")
            status = 1
        elif "c" in arguments:
            process.print(_formatted(arguments.value("c"), name, found))
        else:
            process.print(_described(process, name, path, found))
    return status


def _formatted(form: str, name: str, found: os.stat_result) -> str:
    values = {
        "%n": name,
        "%s": str(found.st_size),
        "%a": f"{modes.S_IMODE(found.st_mode):o}",
        "%A": modes.filemode(found.st_mode),
        "%F": _kind_name(found.st_mode),
        "%h": str(found.st_nlink),
        "%i": str(found.st_ino),
        "%b": str(found.st_blocks),
        "%u": "0",
        "%g": "0",
        "%U": "root",
        "%G": "root",
        "%X": str(int(found.st_atime)),
        "%Y": str(int(found.st_mtime)),
        "%Z": str(int(found.st_ctime)),
        "%y": _moment(found.st_mtime_ns),
    }
    for key, text in values.items():
        form = form.replace(key, text)
    return form


def _kind_name(mode: int) -> str:
    return _KIND_NAMES.get(modes.S_IFMT(mode), "weird file")


def _moment(at_ns: int) -> str:
    whole, rest = divmod(at_ns, 10**9)
    return time.strftime(f"%Y-%m-%d %H:%M:%S.{rest:09} +0000", time.gmtime(whole))


def _described(process: Process, name: str, path: str, found: os.stat_result) -> str:
    if modes.S_ISLNK(found.st_mode):
        name = f"'{name}' -> '{process.files.readlink(path)}'"
    mode, device = modes.S_IMODE(found.st_mode), found.st_dev
    return (
        f"  File: {name}\n"
        f"  Size: {found.st_size}\tBlocks: {found.st_blocks}\t"
        f"IO Block: {found.st_blksize}\t{_kind_name(found.st_mode)}\n"
        f"Device: {device:x}h/{device}d\tInode: {found.st_ino}\tLinks: {found.st_nlink}\n"
        f"Access: ({mode:04o}/{modes.filemode(found.st_mode)})"
        "  Uid: (    0/    root)   Gid: (    0/    root)\n"
        f"Access: {_moment(found.st_atime_ns)}\n"
        f"Modify: {_moment(found.st_mtime_ns)}\n"
        f"Change: {_moment(found.st_ctime_ns)}"
    )


@applet
async def du(process: Process) -> int:
    """Sum up how many KiB of disk trees take."""
    arguments = parse(process.arguments, "askh")
    for name in arguments.operands or (".",):
        _usage(process, arguments, name, process.path(name), 0)
    return 0


def _usage(process: Process, arguments: Arguments, name: str, path: str, depth: int) -> int:
    found = process.files.lstat(path)
    if found is None:
        raise kernel_error(errno.ENOENT, name)
    blocks, whole = found.st_blocks, modes.S_ISDIR(found.st_mode)
    for each in process.files.list(path) if whole else ():
        below = posixpath.join(path, each)
        blocks += _usage(process, arguments, posixpath.join(name, each), below, depth + 1)
    if depth == 0 or ("s" not in arguments and (whole or "a" in arguments)):
        size = human(blocks * _BLOCK) if "h" in arguments else str(blocks // 2)
        process.print(f"{size}\t{name}")
    return blocks


def _resolved(files: FileSystem, path: str) -> str:
    """Return *path* without links; raises OSError for a loop of them."""
    rest, at, links = path.split("/")[::-1], "/", 0
    while rest:
        part = rest.pop()
        if part in ("", ".", ".."):
            at = posixpath.dirname(at) if part == ".." else at
            continue
        step = posixpath.join(at, part)
        found = files.lstat(step)
        if found is None or not modes.S_ISLNK(found.st_mode):
            at = step
            continue
        links += 1
        if links > _LINKS_MAX:
            raise kernel_error(errno.ELOOP, path)
        target = files.readlink(step)
        at = "/" if target.startswith("/") else at
        rest += target.split("/")[::-1]
    return at


@applet
async def readlink(process: Process) -> int:
    """Print where a link leads."""
    arguments, status = parse(process.arguments, "fn"), 0
    for name in arguments.operands:
        path = process.path(name)
        found = process.files.lstat(path)
        if "f" in arguments:
            process.print(_resolved(process.files, path))
        elif found is not None and modes.S_ISLNK(found.st_mode):
            process.print(process.files.readlink(path))
        else:
            status = 1
    return status


@applet
async def realpath(process: Process) -> int:
    """Print paths without links."""
    for name in parse(process.arguments, "").operands:
        found = _resolved(process.files, process.path(name))
        if process.files.lstat(found) is None:
            raise kernel_error(errno.ENOENT, name)
        process.print(found)
    return 0


@applet
async def rmdir(process: Process) -> int:
    """Remove empty directories."""
    status = 0
    for name in parse(process.arguments, "").operands:
        path = process.path(name)
        try:
            if process.files.list(path):
                raise kernel_error(errno.ENOTEMPTY, name)
            process.files.remove(path, recursive=True)
        except OSError as error:
            process.complain(f"rmdir: '{name}': {error.strerror}")
            status = 1
    return status


@applet
async def mktemp(process: Process) -> int:
    """Make a file, or with -d a directory, of a name that is not there yet."""
    arguments = parse(process.arguments, "dp:")
    directory = arguments.value("p") or process.env.get("TMPDIR") or "/tmp"
    template = (*arguments.operands, f"{directory}/tmp.XXXXXX")[0]
    if not template.endswith("XXXXXX"):
        raise BadUsage(f"({template}): Invalid argument")
    name = template.removesuffix("XXXXXX") + secrets.token_hex(3)
    path = process.path(name)
    if "d" in arguments:
        process.files.make_directory(path)
        process.files.change_mode(path, 0o700)
    else:
        process.files.write(path, b"")
        process.files.change_mode(path, 0o600)
    process.print(name)
    return 0


APPLETS: Final[dict[str, Program]] = {
    "du": du,
    "find": find,
    "ls": ls,
    "mktemp": mktemp,
    "readlink": readlink,
    "realpath": realpath,
    "rmdir": rmdir,
    "stat": stat,
}
