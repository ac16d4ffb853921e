"""tar: archives as streams, so that `kubectl cp` of any number of files holds one piece of one.

Heads are tarfile's (POSIX, with GNU's and pax's long names); their content is read and written
here, as it comes. Links out of the directory are made as they are; a name that climbs out of it by
`..` is refused, as busybox does.
"""

from __future__ import annotations

import posixpath
import stat
import tarfile
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import Arguments, BadUsage, parse
from podruntime.images.filesystem import FileSystem
from podruntime.images.process import Input, Octets, Process, Program

_BLOCK: Final = tarfile.BLOCKSIZE
_RECORD: Final = tarfile.RECORDSIZE
#: What a member that only says something of the next one (a long name) may hold.
_EXTRA_MAX: Final = 64 * 1024
_LONG: Final = {
    "no-same-permissions": "o",
    "no-same-owner": "o",
    "overwrite": "o",
    "numeric-owner": "o",
    "same-permissions": "p",
    "preserve-permissions": "p",
    "create": "c",
    "extract": "x",
    "list": "t",
    "gzip": "z",
    "verbose": "v",
    "file=": "f",
    "directory=": "C",
    "strip-components=": "S",
}


@applet
async def tar(process: Process) -> int:
    """`tar c|x|t [-f FILE] [-C DIR] [NAME…]`."""
    words = list(process.arguments)
    if words and not words[0].startswith("-"):
        words[0] = f"-{words[0]}"  # The old form: `tar cf FILE`.
    arguments = parse(words, "cxtzvf:C:pomkhS:", _LONG)
    wanted = [each for each in "cxt" if each in arguments]
    if len(wanted) != 1:
        raise BadUsage("must specify one of -c, -x, -t")
    base = process.path(arguments.value("C", "."))
    if not process.files.is_directory(base):
        raise BadUsage(f"can't change directory to '{arguments.value('C')}'")
    if wanted == ["c"]:
        return await _create(process, arguments, base)
    return await _extract(process, arguments, base, listing=wanted == ["t"])


# --- writing


class _Archive:
    """Where an archive goes: stdout or a file, maybe compressed."""

    def __init__(self, process: Process, name: str, *, compressed: bool) -> None:
        self._process, self._zlib = process, zlib.compressobj(wbits=31) if compressed else None
        self._path = process.path(name) if name not in ("", "-") else ""
        self._octets = 0
        if self._path:
            process.files.write(self._path, b"")

    async def write(self, octets: bytes) -> None:
        """Append *octets*."""
        self._octets += len(octets)
        await self._put(octets if self._zlib is None else self._zlib.compress(octets))

    async def pad(self, size: int) -> None:
        """Fill the last block of something."""
        await self.write(bytes(-size % _BLOCK))

    async def end(self) -> None:
        """Write the end of the archive."""
        await self.write(bytes(2 * _BLOCK))
        await self.write(bytes(-self._octets % _RECORD))
        if self._zlib is not None:
            await self._put(self._zlib.flush())

    async def _put(self, octets: bytes) -> None:
        if self._path:
            self._process.files.write(self._path, octets, append=True)
        elif octets:
            self._process.stdout.write(octets)
            await self._process.stdout.drain()


async def _create(process: Process, arguments: Arguments, base: str) -> int:
    archive = _Archive(process, arguments.value("f"), compressed="z" in arguments)
    status = 0
    for name in arguments.operands:
        path = posixpath.join(base, name)
        if process.files.lstat(path) is None:
            process.complain(f"tar: {name}: No such file or directory")
            status = 1
            continue
        if name.startswith("/"):
            process.complain("tar: removing leading '/' from member names")
        if "v" in arguments:
            process.complain(name)
        await _add(process.files, archive, name.lstrip("/") or ".", path)
    await archive.end()
    return status


async def _add(files: FileSystem, archive: _Archive, name: str, path: str) -> None:
    """Write what is at *path*, and what is below it."""
    found = files.lstat(path)
    if found is None:
        return
    head = tarfile.TarInfo(name)
    head.mode, head.mtime = stat.S_IMODE(found.st_mode), int(found.st_mtime)
    head.uname = head.gname = "root"
    if stat.S_ISLNK(found.st_mode):
        head.type, head.linkname = tarfile.SYMTYPE, files.readlink(path)
    elif stat.S_ISDIR(found.st_mode):
        head.type = tarfile.DIRTYPE
    elif not stat.S_ISREG(found.st_mode):
        return  # Devices and sockets stay where they are.
    octets = files.read(path) if head.isreg() else b""
    head.size = len(octets)
    await archive.write(head.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
    await archive.write(octets)
    await archive.pad(len(octets))
    for each in files.list(path) if head.isdir() else ():
        await _add(files, archive, posixpath.join(name, each), posixpath.join(path, each))


# --- reading


class _Source:
    """Octets of an archive, as many at a time as are asked for."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._inflate: Callable[[bytes], bytes] | None = None
        self._octets = bytearray()
        self._begun = False

    async def _more(self) -> bool:
        piece = await self._source.piece()
        if not self._begun and piece:
            self._begun = True
            if piece[:2] == b"\x1f\x8b":
                self._inflate = zlib.decompressobj(wbits=31).decompress
        try:
            self._octets += self._inflate(piece) if self._inflate is not None else piece
        except zlib.error as error:
            raise BadUsage(f"corrupted data: {error}") from None
        return bool(piece)

    async def block(self) -> bytes:
        """Return the next block, b"" at the end."""
        while len(self._octets) < _BLOCK:
            if not await self._more():
                if self._octets:
                    raise BadUsage("short read")
                return b""
        return self._take(_BLOCK)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._octets[:count])
        del self._octets[:count]
        return taken

    async def content(self, size: int) -> AsyncIterator[bytes]:
        """Yield the content of a member, and step over what fills its last block."""
        left = size
        while left:
            if not self._octets and not await self._more():
                raise BadUsage("short read")
            piece = self._take(min(left, len(self._octets)))
            left -= len(piece)
            if piece:
                yield piece
        fill = -size % _BLOCK
        while len(self._octets) < fill:
            if not await self._more():
                return
        self._take(fill)


@dataclass(slots=True)
class _Told:
    """What members have said of the next one."""

    fields: dict[str, str] = field(default_factory=dict)

    async def hear(self, head: tarfile.TarInfo, source: _Source) -> bool:
        """Take a member that speaks of others; False: this is one itself."""
        kinds = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME)
        if head.type not in (*kinds, tarfile.GNUTYPE_LONGLINK):
            return False
        if head.size > _EXTRA_MAX:
            raise BadUsage("a name is too long")
        octets = b"".join([piece async for piece in source.content(head.size)])
        if head.type == tarfile.XHDTYPE:
            self.fields |= _pax(octets)
        elif head.type != tarfile.XGLTYPE:
            key = "path" if head.type == tarfile.GNUTYPE_LONGNAME else "linkpath"
            self.fields[key] = octets.rstrip(b"\0").decode(errors="surrogateescape")
        return True

    def apply(self, head: tarfile.TarInfo) -> None:
        """Give *head* what was said of it."""
        fields, self.fields = self.fields, {}
        head.name = fields.get("path", head.name)
        head.linkname = fields.get("linkpath", head.linkname)
        if fields.get("size", "").isdecimal():
            head.size = int(fields["size"])


def _pax(octets: bytes) -> dict[str, str]:
    """Return the records of a pax header: `LENGTH KEY=VALUE` and a newline each."""
    fields = {}
    while octets:
        length = octets.partition(b" ")[0]
        if not length.isdigit() or not 0 < int(length) <= len(octets):
            raise BadUsage("corrupted pax header")
        record = octets[len(length) + 1 : int(length)].rstrip(b"\n").decode(errors="replace")
        key, _, value = record.partition("=")
        fields[key] = value
        octets = octets[int(length) :]
    return fields


async def _extract(process: Process, arguments: Arguments, base: str, *, listing: bool) -> int:
    name = arguments.value("f")
    from_stdin = name in ("", "-")
    stream = process.stdin if from_stdin else Octets(process.files.read(process.path(name)))
    source, told = _Source(stream), _Told()
    strip = int(arguments.number("S", 0))
    while block := await source.block():
        if not block.strip(b"\0"):
            continue  # The end is two of these, and what fills the record.
        try:
            head = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            raise BadUsage("invalid tar magic") from None
        if await told.hear(head, source):
            continue
        told.apply(head)
        head.name = "/".join(head.name.strip("/").split("/")[strip:])
        wanted = not arguments.operands or any(_within(head.name, o) for o in arguments.operands)
        shown = wanted and bool(head.name)
        if shown and (listing or "v" in arguments):
            process.print(head.name + ("/" if head.isdir() else ""))
        put = shown and not listing
        await _unpack(process.files, head, source, posixpath.join(base, head.name) if put else "")
    return 0


def _within(name: str, operand: str) -> bool:
    operand = operand.strip("/")
    return name == operand or name.startswith(f"{operand}/")


async def _unpack(files: FileSystem, head: tarfile.TarInfo, source: _Source, path: str) -> None:
    """Put a member at *path*; "" only steps over it."""
    if ".." in head.name.split("/"):
        raise BadUsage(f"name with '..' encountered: '{head.name}'")
    size = head.size if head.isreg() else 0
    if path:
        _make_way(files, head, path)
    async for piece in source.content(size):
        if path:
            files.write(path, piece, append=True)
    if path and (head.isreg() or head.isdir()):
        files.change_mode(path, head.mode & 0o7777)


def _make_way(files: FileSystem, head: tarfile.TarInfo, path: str) -> None:
    """Make what is empty of a member: its directory, a link, a file without content."""
    directory = path if head.isdir() else posixpath.dirname(path)
    files.make_directory(directory, parents=True)
    found = files.lstat(path)
    if head.issym() or head.islnk():
        if found is not None:
            files.remove(path)
        target = head.linkname if head.issym() else posixpath.join("/", head.linkname)
        files.link(target, path, symbolic=head.issym())
    elif head.isreg():
        if found is not None and stat.S_ISLNK(found.st_mode):
            files.remove(path)
        files.write(path, b"")


APPLETS: Final[dict[str, Program]] = {"tar": tar}
