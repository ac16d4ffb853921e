"""`open`, `os` and `ssl` as code in a container knows them: paths are those of the container.

Each function that takes a path is exchanged once, for the whole process; it asks who is running
and gives the kernel the node's path instead (`podruntime.images.view`). So `pathlib`, `shutil`,
`tempfile`, `glob`, `mmap` and `os.path`, which are made of these, see the container's files as
well. A path relative to an open directory is found by that directory's own path, so that links
lead no further there than elsewhere. The pod's own machinery sees the machine's. What reads files
in C by itself (an extension module) sees the machine's, too; importing modules does, and it is
meant to.
"""

from __future__ import annotations

import _io
import builtins
import errno
import glob
import io
import os
import posix
import posixpath
import ssl
import sys
import tempfile
from abc import ABCMeta
from collections.abc import Callable, Mapping
from functools import partial, update_wrapper, wraps
from itertools import islice
from types import ModuleType
from typing import Final

from podruntime.images.filesystem import FileSystem
from podruntime.images.view import error as kernel_error
from podruntime.sandbox.dir_entries import DirEntry, Entries
from podruntime.sandbox.owner import CURRENT

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
#: Files, and the directory that relative paths begin at.
_Here = tuple[FileSystem, str]
Function = Callable[..., object]

_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

#: Functions of one path, by what they do at its end: whether they change something, and whether
#: a link there is meant itself.
_READS: Final = ("getxattr", "listdir", "listxattr", "pathconf", "scandir", "stat", "statvfs")
_READS_LINKS: Final = ("lstat", "readlink")
_WRITES: Final = ("chmod", "chown", "removexattr", "setxattr", "truncate", "utime")
_WRITES_LINKS: Final = ("lchown", "mkdir", "mkfifo", "mknod", "remove", "rmdir", "unlink")
_REMOVES: Final = ("remove", "rmdir", "unlink")
_TWO_PATHS: Final = ("link", "rename", "replace")
_CAPABILITIES: Final = (
    os.supports_dir_fd,
    os.supports_effective_ids,
    os.supports_fd,
    os.supports_follow_symlinks,
)


class _Routed:
    """A function that, as those of C, does not become a method where a class has it."""

    def __init__(self, function: Function) -> None:
        self._function = function
        update_wrapper(self, function)

    def __call__(self, *arguments: object, **options: object) -> object:
        return self._function(*arguments, **options)


def _files() -> _Here | None:
    """Return the running container's files and working directory; None in the machinery."""
    owner = CURRENT.get()
    return None if owner is None or owner.files is None else (owner.files, owner.cwd)


def absolute(path: Path, cwd: str) -> str:
    """Return *path* as the container's absolute path."""
    return posixpath.join(cwd, os.fsdecode(path))


def real_path(
    files: FileSystem, cwd: str, path: Path, *, follow: bool, writing: bool
) -> str | bytes:
    """Return where *path* is on the node, as text or octets as *path* is.

    A slash at its end, which says that it is a directory's, stays there for the kernel.
    """
    asked = os.fspath(path)
    if not asked:
        raise kernel_error(errno.ENOENT, "")
    text = os.fsdecode(asked)
    slash = "/" if text.endswith("/") else ""
    place = files.find(absolute(text, cwd), follow=follow, writing=writing)
    real = place.path + slash
    return os.fsencode(real) if isinstance(asked, bytes) else real


def _one_path(name: str, *, writing: bool, follow: bool) -> Function:
    original: Function = getattr(os, name)
    default = (".",) if name in ("listdir", "scandir") else ()

    @wraps(original)
    def routed(*arguments: object, **options: object) -> object:
        given = arguments or default
        path = options.pop("path", None) if not given else given[0]
        path = bytes(path) if isinstance(path, bytearray | memoryview) else path
        here = _files()
        if here is None or not isinstance(path, str | bytes | os.PathLike):
            found = original(path, *given[1:], **options)
            return found if here is None or name != "scandir" else _scanned(here, found, path)
        at = _anchored(here, path, options)
        if at is None:
            return original(path, *given[1:], **options)
        links = follow and bool(options.get("follow_symlinks", True))
        try:
            real = real_path(*at, path, follow=links or _is_link_to(name, path), writing=writing)
            if name in _REMOVES:
                _refuse_mount_point(*at, path)
            found = original(real, *given[1:], **options)
        except OSError as failure:
            failure.filename = path
            raise
        return Entries(found, os.fspath(path), os.fspath(path)) if name == "scandir" else found

    return routed


def _is_link_to(name: str, path: Path) -> bool:
    """Tell whether a slash at the end makes a link mean what it leads to."""
    return name not in _REMOVES and os.fsdecode(path).endswith("/")


def _scanned(here: _Here, found: object, descriptor: object) -> object:
    """Return the entries of an open directory."""
    directory = here[0].directory_of(descriptor) if isinstance(descriptor, int) else None
    return found if directory is None else Entries(found, "", directory)


def _anchored(
    here: _Here, path: Path, options: dict[str, object], name: str = "dir_fd"
) -> _Here | None:
    """Return what *path* is relative to; None when that is a directory of nobody's.

    The option that names an open directory is taken away, since its path is known then.
    """
    descriptor = options.get(name)
    if descriptor is not None and not isinstance(descriptor, int):
        return None  # Refused by whoever is asked.
    if descriptor is None or os.fsdecode(path).startswith("/"):
        options.pop(name, None)
        return here
    directory = here[0].directory_of(descriptor)
    if directory is None:
        return None
    del options[name]
    return here[0], directory


def _refuse_mount_point(files: FileSystem, cwd: str, path: Path) -> None:
    if files.find(absolute(path, cwd), follow=False).is_mount_point:
        raise kernel_error(errno.EBUSY, os.fsdecode(path))


def _two_paths(name: str) -> Function:
    original: Function = getattr(os, name)

    @wraps(original)
    def routed(src: Path, dst: Path, **options: object) -> object:
        here = _files()
        given = dict(options)
        before = here and _anchored(here, src, options, "src_dir_fd")
        after = here and _anchored(here, dst, options, "dst_dir_fd")
        if before is None or after is None:
            return original(src, dst, **given)
        files = before[0]
        try:
            writing = name != "link"
            source = files.find(absolute(src, before[1]), follow=False, writing=writing)
            target = files.find(absolute(dst, after[1]), follow=False, writing=True)
            if source.is_mount_point or target.is_mount_point:
                raise kernel_error(errno.EBUSY, "")
            if source.mount is not target.mount:
                raise kernel_error(errno.EXDEV, "")
            return original(source.path, target.path, **options)
        except OSError as failure:
            failure.filename, failure.filename2 = src, dst
            raise

    return routed


def _symlink(original: Function) -> Function:
    @wraps(original)
    def routed(src: Path, dst: Path, *arguments: object, **options: object) -> object:
        here = _files()
        at = here and _anchored(here, dst, options)
        if at is None:
            return original(src, dst, *arguments, **options)
        try:
            real = real_path(*at, dst, follow=False, writing=True)
            text = os.fsencode(src) if isinstance(real, bytes) else os.fsdecode(src)
            return original(text, real, *arguments, **options)
        except OSError as failure:
            failure.filename, failure.filename2 = src, dst
            raise

    return routed


def _access(original: Function) -> Function:
    @wraps(original)
    def routed(path: Path | int, mode: int, **options: object) -> object:
        here = _files()
        if here is None or isinstance(path, int):
            return original(path, mode, **options)
        at = _anchored(here, path, options)
        if at is None:
            return original(path, mode, **options)
        follow = bool(options.get("follow_symlinks", True))
        try:
            writing = bool(mode & os.W_OK)
            return original(real_path(*at, path, follow=follow, writing=writing), mode, **options)
        except OSError:
            return False

    return routed


def _os_open(original: Callable[..., int]) -> Callable[..., int]:
    @wraps(original)
    def routed(path: Path, flags: int, mode: int = 0o777, **options: object) -> int:
        here = _files()
        at = here and _anchored(here, path, options)
        if at is None:
            return original(path, flags, mode, **options)
        follow = not flags & os.O_NOFOLLOW
        writing = bool(flags & _WRITING)
        try:
            real = real_path(*at, path, follow=follow, writing=writing)
            return original(real, flags, mode, **options)
        except OSError as failure:
            failure.filename = path
            raise

    return routed


def _open(original: Function) -> Function:
    """Return `open` that opens by way of os.open, so that the file's name stays as it was given."""

    @wraps(original)
    def routed(file: object, *arguments: object, **options: object) -> object:
        here = _files()
        if here is None or not isinstance(file, str | bytes | os.PathLike):
            return original(file, *arguments, **options)
        if len(arguments) < 7 and options.get("opener") is None:
            options["opener"] = partial(os.open, mode=0o666)
        return original(file, *arguments, **options)

    return routed


class _FileKind(ABCMeta):
    """Lets `isinstance(file, io.FileIO)` hold for what `open` makes."""

    def __instancecheck__(cls, found: object) -> bool:
        made = cls is FileIO and isinstance(found, _io.FileIO)
        return made or super().__instancecheck__(found)


class FileIO(_io.FileIO, metaclass=_FileKind):
    """io.FileIO, which opens by way of os.open as `open` does."""

    def __init__(
        self,
        file: Path | int,
        mode: str = "r",
        closefd: bool = True,
        opener: Callable[[str, int], int] | None = None,
    ) -> None:
        if opener is None and not isinstance(file, int) and _files() is not None:
            opener = partial(os.open, mode=0o666)
        super().__init__(file, mode, closefd, opener)


def _chdir(original: Function) -> Function:
    @wraps(original)
    def routed(path: Path | int) -> None:
        owner, here = CURRENT.get(), _files()
        if owner is None or here is None or isinstance(path, int):
            original(path)
            return
        directory = posixpath.normpath(absolute(path, owner.cwd))
        if not here[0].is_directory(directory):
            there = here[0].is_file(directory)
            failure = kernel_error(errno.ENOTDIR if there else errno.ENOENT, "")
            failure.filename = path
            raise failure
        owner.cwd = directory

    return routed


def _getcwd(original: Callable[[], str]) -> Callable[[], str]:
    @wraps(original)
    def routed() -> str:
        here = _files()
        return original() if here is None else here[1]

    return routed


def _getcwdb(_original: Function) -> Function:
    return lambda: os.fsencode(os.getcwd())


def _chroot(original: Function) -> Function:
    @wraps(original)
    def routed(path: Path) -> object:
        if _files() is not None:
            raise kernel_error(errno.EPERM, os.fsdecode(path))
        return original(path)

    return routed


#: Functions with rules of their own.
_OTHERS: Final[Mapping[str, Callable[..., Function]]] = {
    "symlink": _symlink,
    "access": _access,
    "open": _os_open,
    "chdir": _chdir,
    "chroot": _chroot,
    "getcwd": _getcwd,
    "getcwdb": _getcwdb,
}


def _load(name: str) -> Function:
    """Return a method of SSLContext that reads files in C, with the node's paths."""
    original: Function = getattr(ssl.SSLContext, name)

    @wraps(original)
    def routed(context: ssl.SSLContext, *arguments: object, **options: object) -> object:
        here = _files()
        if here is None:
            return original(context, *arguments, **options)
        moved = [_moved(here, each) for each in arguments[:2]]
        for key in ("cafile", "capath", "certfile", "keyfile"):
            if key in options:
                options[key] = _moved(here, options[key])
        return original(context, *moved, *arguments[2:], **options)

    return routed


def _moved(here: tuple[FileSystem, str], path: object) -> object:
    if not isinstance(path, str | bytes | os.PathLike):
        return path
    return real_path(*here, path, follow=True, writing=False)


def _remembered(original: Function, routed: Function) -> None:
    """Exchange what tempfile took for a default before: it removes its files with that."""
    for function in vars(tempfile._TemporaryFileCloser).values():  # type: ignore[attr-defined]
        defaults = getattr(function, "__defaults__", None)
        if defaults and original in defaults:
            function.__defaults__ = tuple(routed if d is original else d for d in defaults)


def _exchange(name: str, function: Function, exchanged: dict[int, Function]) -> None:
    original, routed = getattr(os, name), _Routed(function)
    _remembered(original, routed)
    exchanged[id(original)] = routed
    for functions in _CAPABILITIES:
        if original in functions:
            functions.add(routed)
    setattr(os, name, routed)


#: Where modules have taken a function by name, and how many modules have been looked through.
_taken: list[tuple[str, str]] = []
_looked_through = 0


def find_taken() -> None:
    """Find what modules have taken by name, such as tarfile's `bltn_open`.

    Looking at an object writes to it: done before the forks, it leaves the modules' memory shared.
    Later calls look at modules that are new. `posix` and `_io`, which the machinery asks, keep
    their own.
    """
    global _looked_through
    tables = (_READS, _READS_LINKS, _WRITES, _WRITES_LINKS, _TWO_PATHS, tuple(_OTHERS))
    wanted = {id(getattr(os, name)) for names in tables for name in names}
    wanted |= {id(io.open), id(_io.FileIO)}
    new = len(sys.modules) - _looked_through
    for key in list(islice(reversed(sys.modules), max(new, 0))):
        module = sys.modules[key]
        if isinstance(module, ModuleType) and module not in (_io, posix):
            found = [name for name, known in vars(module).items() if id(known) in wanted]
            _taken.extend((key, name) for name in found)
    _looked_through = len(sys.modules)


def _exchange_taken(exchanged: Mapping[int, Function]) -> None:
    for key, name in _taken:
        names = vars(sys.modules[key]) if key in sys.modules else {}
        if id(names.get(name)) in exchanged:
            names[name] = exchanged[id(names[name])]


def install() -> None:
    """Route this process's functions, and those of its forks."""
    find_taken()
    exchanged: dict[int, Function] = {}
    for names, writing, follow in (
        (_READS, False, True),
        (_READS_LINKS, False, False),
        (_WRITES, True, True),
        (_WRITES_LINKS, True, False),
    ):
        for name in names:
            _exchange(name, _one_path(name, writing=writing, follow=follow), exchanged)
    for name in _TWO_PATHS:
        _exchange(name, _two_paths(name), exchanged)
    for name, route in _OTHERS.items():
        _exchange(name, route(getattr(os, name)), exchanged)
    opened = _Routed(_open(io.open))
    exchanged[id(io.open)] = opened
    builtins.open = io.open = opened  # type: ignore[assignment]
    exchanged[id(_io.FileIO)] = FileIO
    os.DirEntry = DirEntry  # type: ignore[misc,assignment]
    taker = getattr(glob, "_StringGlobber", None)  # What pathlib looks through, from 3.13 on.
    if taker is not None and id(getattr(taker, "scandir", None)) in exchanged:
        taker.scandir = staticmethod(os.scandir)
    for name in ("load_cert_chain", "load_verify_locations"):
        setattr(ssl.SSLContext, name, _load(name))
    _exchange_taken(exchanged)
