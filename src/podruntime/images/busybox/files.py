"""Applets that read and change files: cat, touch, rm, mkdir, test, …"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from typing import Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import BadUsage, parse
from podruntime.images.process import Process, Program


@applet
async def cat(process: Process) -> int:
    """Write files, or stdin, to stdout."""
    status = 0
    for name in parse(process.arguments, "nevA").operands or ("-",):
        if name in ("-", "/dev/stdin"):
            while piece := await process.stdin.piece():
                process.stdout.write(piece)
                await process.stdout.drain()
            continue
        try:
            process.stdout.write(process.files.read(process.path(name)))
        except OSError as error:
            process.complain(f"cat: can't open '{name}': {error.strerror}")
            status = 1
    await process.stdout.drain()
    return status


@applet
async def touch(process: Process) -> int:
    """Make files, or set their time to now."""
    for name in parse(process.arguments, "ca").operands:
        process.files.touch(process.path(name))
    return 0


@applet
async def rm(process: Process) -> int:
    """Remove files."""
    arguments = parse(process.arguments, "rRfi")
    status = 0
    for name in arguments.operands:
        try:
            recursive = "r" in arguments or "R" in arguments
            process.files.remove(process.path(name), recursive=recursive)
        except OSError as error:
            if "f" not in arguments or not isinstance(error, FileNotFoundError):
                process.complain(f"rm: can't remove '{name}': {error.strerror}")
                status = 1
    return status


@applet
async def mkdir(process: Process) -> int:
    """Make directories."""
    arguments = parse(process.arguments, "pm:")
    for name in arguments.operands:
        process.files.make_directory(process.path(name), parents="p" in arguments)
    return 0


@applet
async def cp(process: Process) -> int:
    """Copy one file."""
    *sources, target = parse(process.arguments, "rRfapL").operands
    for source in sources:
        _copy(process, source, target)
    return 0


@applet
async def mv(process: Process) -> int:
    """Move files."""
    *sources, target = parse(process.arguments, "f").operands
    for source in sources:
        try:
            process.files.rename(process.path(source), _target(process, source, target))
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(process, source, target)
            process.files.remove(process.path(source))
    return 0


@applet
async def ln(process: Process) -> int:
    """Make links."""
    arguments = parse(process.arguments, "sfn")
    *sources, target = arguments.operands
    for source in sources:
        path = _target(process, source, target)
        if "f" in arguments and process.files.lstat(path) is not None:
            process.files.remove(path)
        symbolic = "s" in arguments
        process.files.link(source if symbolic else process.path(source), path, symbolic=symbolic)
    return 0


@applet
async def chmod(process: Process) -> int:
    """Change modes, in octal."""
    mode, *names = parse(process.arguments, "").operands
    if not mode.isdigit() or not set(mode) <= set("01234567"):
        raise BadUsage(f"invalid mode '{mode}': here modes are octal")
    for name in names:
        process.files.change_mode(process.path(name), int(mode, 8))
    return 0


def _target(process: Process, source: str, target: str) -> str:
    path = process.path(target)
    if process.files.is_directory(path):
        path = posixpath.join(path, posixpath.basename(source))
    return path


def _copy(process: Process, source: str, target: str) -> None:
    path = _target(process, source, target)
    process.files.write(path, process.files.read(process.path(source)))


@applet
async def tee(process: Process) -> int:
    """Copy stdin to stdout and to files."""
    arguments = parse(process.arguments, "ai")
    data = await process.stdin.read()
    process.stdout.write(data)
    for name in arguments.operands:
        process.files.write(process.path(name), data, append="a" in arguments)
    return 0


async def test(process: Process) -> int:
    """`test EXPRESSION`, `[ EXPRESSION ]` and `[[ EXPRESSION ]]`."""
    words = list(process.arguments)
    if process.argv[0].endswith("["):
        closing = "]]" if process.argv[0].endswith("[[") else "]"
        if words[-1:] != [closing]:
            process.complain(f"{process.argv[0]}: missing {closing}")
            return 2
        words.pop()
    try:
        return 0 if _or(process, words) else 1
    except ValueError as error:
        process.complain(f"sh: {error}")
        return 2


def _or(process: Process, words: list[str]) -> bool:
    value = _and(process, words)
    while words and words[0] == "-o":
        words.pop(0)
        right = _and(process, words)
        value = value or right
    if words:
        raise ValueError(f"{words[0]}: unknown operand")
    return value


def _and(process: Process, words: list[str]) -> bool:
    value = _primary(process, words)
    while words and words[0] == "-a":
        words.pop(0)
        right = _primary(process, words)
        value = value and right
    return value


def _primary(process: Process, words: list[str]) -> bool:
    if not words:
        return False
    if words[0] == "!" and len(words) > 1:
        words.pop(0)
        return not _primary(process, words)
    if len(words) >= 3 and words[1] in _BINARY:
        left, operator, right = (words.pop(0) for _ in range(3))
        return _compare(left, operator, right)
    if len(words) >= 2 and words[0] in _UNARY:
        operator, operand = words.pop(0), words.pop(0)
        return _unary(process, operator, operand)
    return bool(words.pop(0))


_UNARY: Final = ("-z", "-n", "-e", "-f", "-d", "-s", "-r", "-w", "-x", "-L", "-h", "-S", "-p")
_BINARY: Final = ("=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge")


def _unary(process: Process, operator: str, operand: str) -> bool:
    files, path = process.files, process.path(operand)
    match operator:
        case "-z":
            return not operand
        case "-n":
            return bool(operand)
        case "-d":
            return files.is_directory(path)
        case "-f":
            return files.is_file(path)
        case "-s":
            return files.is_file(path) and files.size(path) > 0
        case "-L" | "-h":
            return _has_mode(files.lstat(path), stat.S_IFLNK)
        case "-S":
            return _has_mode(files.stat(path), stat.S_IFSOCK)
        case "-p":
            return _has_mode(files.stat(path), stat.S_IFIFO)
        case "-x":
            return files.is_directory(path) or posixpath.basename(path) in process.programs
    return files.is_file(path) or files.is_directory(path)


def _has_mode(found: os.stat_result | None, kind: int) -> bool:
    return found is not None and stat.S_IFMT(found.st_mode) == kind


def _compare(left: str, operator: str, right: str) -> bool:
    if operator in ("=", "=="):
        return left == right
    if operator == "!=":
        return left != right
    try:
        a, b = int(left), int(right)
    except ValueError:
        raise ValueError(
            f"{left if not left.lstrip('-').isdigit() else right}: bad number"
        ) from None
    return {
        "-eq": a == b,
        "-ne": a != b,
        "-lt": a < b,
        "-le": a <= b,
        "-gt": a > b,
        "-ge": a >= b,
    }[operator]


APPLETS: Final[dict[str, Program]] = {
    "[": test,
    "[[": test,
    "cat": cat,
    "chmod": chmod,
    "cp": cp,
    "ln": ln,
    "mkdir": mkdir,
    "mv": mv,
    "rm": rm,
    "tee": tee,
    "test": test,
    "touch": touch,
}
