"""`open`, `os` and `ssl` as code in a container knows them: paths are those of the container.

Each function that takes a path is exchanged once, for the whole process; it asks who is running
and gives the kernel the node's path instead (`podruntime.images.view`). So `pathlib`, `shutil`,
`tempfile`, `glob`, `mmap` and `os.path`, which are made of these, see the container's files as
well. The pod's own machinery sees the machine's. What reads files in C by itself (an extension
module) sees the machine's, too; importing modules does, and it is meant to.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import posixpath
import ssl
import tempfile
from collections.abc import Callable, Iterator
from functools import partial, wraps
from types import TracebackType
from typing import Final

from podruntime.images.filesystem import FileSystem
from podruntime.images.view import error as kernel_error
from podruntime.sandbox.owner import CURRENT

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
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


def _files() -> tuple[FileSystem, str] | None:
    """Return the running container's files and working directory; None in the machinery."""
    owner = CURRENT.get()
    return None if owner is None or owner.files is None else (owner.files, owner.cwd)


def absolute(path: Path, cwd: str) -> str:
    """Return *path* as the container's absolute path."""
    return posixpath.join(cwd, os.fsdecode(path))


def real_path(
    files: FileSystem, cwd: str, path: Path, *, follow: bool, writing: bool
) -> str | bytes:
    """Return where *path* is on the node, as text or octets as *path* is."""
    asked = os.fspath(path)
    if not asked:
        raise kernel_error(errno.ENOENT, "")
    place = files.find(absolute(asked, cwd), follow=follow, writing=writing)
    return os.fsencode(place.path) if isinstance(asked, bytes) else place.path


def _one_path(name: str, *, writing: bool, follow: bool) -> Function:
    original: Function = getattr(os, name)
    default = (".",) if name in ("listdir", "scandir") else ()

    @wraps(original)
    def routed(*arguments: object, **options: object) -> object:
        given = arguments or default
        path = options.pop("path", None) if not given else given[0]
        here = _files()
        if here is None or not isinstance(path, str | bytes | os.PathLike) or _at_fd(path, options):
            return original(path, *given[1:], **options)
        files, cwd = here
        links = options.get("follow_symlinks", follow) and follow
        try:
            real = real_path(files, cwd, path, follow=bool(links), writing=writing)
            if name in _REMOVES:
                _refuse_mount_point(files, cwd, path)
            found = original(real, *given[1:], **options)
        except OSError as failure:
            failure.filename = path
            raise
        return _Entries(found, path) if name == "scandir" else found

    return routed


def _at_fd(path: Path, options: dict[str, object], name: str = "dir_fd") -> bool:
    """Tell whether *path* is relative to an open directory: then the kernel finds it."""
    return options.get(name) is not None and not os.fsdecode(path).startswith("/")


def _refuse_mount_point(files: FileSystem, cwd: str, path: Path) -> None:
    if files.find(absolute(path, cwd), follow=False).is_mount_point:
        raise kernel_error(errno.EBUSY, os.fsdecode(path))


def _two_paths(name: str) -> Function:
    original: Function = getattr(os, name)

    @wraps(original)
    def routed(src: Path, dst: Path, **options: object) -> object:
        here = _files()
        if here is None or any(options.get(each) for each in ("src_dir_fd", "dst_dir_fd")):
            return original(src, dst, **options)
        files, cwd = here
        try:
            writing = name != "link"
            source = files.find(absolute(src, cwd), follow=False, writing=writing)
            target = files.find(absolute(dst, cwd), follow=False, writing=True)
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
        if here is None or _at_fd(dst, options):
            return original(src, dst, *arguments, **options)
        try:
            real = real_path(*here, dst, follow=False, writing=True)
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
        if here is None or isinstance(path, int) or _at_fd(path, options):
            return original(path, mode, **options)
        follow = bool(options.get("follow_symlinks", True))
        try:
            writing = bool(mode & os.W_OK)
            return original(real_path(*here, path, follow=follow, writing=writing), mode, **options)
        except OSError:
            return False

    return routed


def _os_open(original: Callable[..., int]) -> Callable[..., int]:
    @wraps(original)
    def routed(path: Path, flags: int, mode: int = 0o777, **options: object) -> int:
        here = _files()
        if here is None or _at_fd(path, options):
            return original(path, flags, mode, **options)
        follow = not flags & os.O_NOFOLLOW
        writing = bool(flags & _WRITING)
        try:
            real = real_path(*here, path, follow=follow, writing=writing)
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
            raise kernel_error(errno.ENOTDIR if there else errno.ENOENT, os.fsdecode(path))
        owner.cwd = directory

    return routed


def _getcwd(original: Callable[[], str]) -> Callable[[], str]:
    @wraps(original)
    def routed() -> str:
        here = _files()
        return original() if here is None else here[1]

    return routed


def _chroot(original: Function) -> Function:
    @wraps(original)
    def routed(path: Path) -> object:
        if _files() is not None:
            raise kernel_error(errno.EPERM, os.fsdecode(path))
        return original(path)

    return routed


class _Entries:
    """What os.scandir returns."""

    def __init__(self, found: object, path: Path) -> None:
        self._found, self._path = found, os.fspath(path)

    def __iter__(self) -> Iterator[_Entry]:
        return self

    def __next__(self) -> _Entry:
        return _Entry(next(self._found), self._path)  # type: ignore[call-overload]

    def __enter__(self) -> _Entries:
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


class _Entry:
    """An os.DirEntry whose path is the container's, and whose links lead where they do there."""

    __slots__ = ("_found", "name", "path")

    def __init__(self, found: os.DirEntry[str], directory: str | bytes) -> None:
        self._found, self.name = found, found.name
        self.path = os.path.join(directory, found.name)  # type: ignore[arg-type]

    def __fspath__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def inode(self) -> int:
        """Return the inode's number."""
        return self._found.inode()

    def is_symlink(self) -> bool:
        """Tell whether it is a link."""
        return self._found.is_symlink()

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a directory."""
        if follow_symlinks and self.is_symlink():
            return os.path.isdir(self.path)
        return self._found.is_dir(follow_symlinks=False)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Tell whether it is a regular file."""
        if follow_symlinks and self.is_symlink():
            return os.path.isfile(self.path)
        return self._found.is_file(follow_symlinks=False)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Return what os.stat says of it."""
        return os.stat(self.path, follow_symlinks=follow_symlinks)


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


def _exchange(name: str, routed: Function) -> None:
    original = getattr(os, name)
    _remembered(original, routed)
    for functions in _CAPABILITIES:
        if original in functions:
            functions.add(routed)
    setattr(os, name, routed)


def install() -> None:
    """Route this process's functions, and those of its forks."""
    for names, writing, follow in (
        (_READS, False, True),
        (_READS_LINKS, False, False),
        (_WRITES, True, True),
        (_WRITES_LINKS, True, False),
    ):
        for name in names:
            _exchange(name, _one_path(name, writing=writing, follow=follow))
    for name in _TWO_PATHS:
        _exchange(name, _two_paths(name))
    _exchange("symlink", _symlink(os.symlink))
    _exchange("access", _access(os.access))
    _exchange("open", _os_open(os.open))
    _exchange("chdir", _chdir(os.chdir))
    _exchange("chroot", _chroot(os.chroot))
    _exchange("getcwd", _getcwd(os.getcwd))
    _exchange("getcwdb", lambda: os.fsencode(os.getcwd()))
    builtins.open = io.open = _open(io.open)  # type: ignore[assignment]
    for name in ("load_cert_chain", "load_verify_locations"):
        setattr(ssl.SSLContext, name, _load(name))
