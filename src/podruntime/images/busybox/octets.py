"""Applets that look at octets: md5sum and its like, od, hexdump -C, dd, cmp, gzip."""

from __future__ import annotations

import hashlib
import re
import time
import zlib
from typing import Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import BadUsage, parse
from podruntime.images.busybox.machine import human
from podruntime.images.process import Process, Program

_LINE: Final = 16
_SUFFIXES: Final = {
    "": 1,
    "c": 1,
    "w": 2,
    "b": 512,
    "k": 1024,
    "K": 1024,
    "M": 1 << 20,
    "G": 1 << 30,
}
_OUTPUT_MAX: Final = 64 * 1024 * 1024
#: od's types: format and width by size.
_INTEGERS: Final = {"x": ("0{}x", (2, 4, 8, 16)), "o": ("0{}o", (3, 6, 11, 22)),
                    "u": ("{}d", (3, 5, 10, 20)), "d": ("{}d", (4, 6, 11, 20))}  # fmt: skip
_SIZES: Final = {1: 0, 2: 1, 4: 2, 8: 3}
_NAMED: Final = {0: "\\0", 7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"}
_GZIP: Final = 31  # zlib's name for a gzip header around the largest window.


async def _content(process: Process, name: str, octets_max: int | None = None) -> bytes:
    if name == "-":
        return (await process.stdin.read())[:octets_max]
    return process.files.read(process.path(name), octets_max)


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+)([cwbkKMG]?)", text)
    if match is None:
        raise BadUsage(f"invalid number '{text}'")
    return int(match[1]) * _SUFFIXES[match[2]]


@applet
async def checksum(process: Process) -> int:
    """`md5sum FILE…`, `sha256sum -c FILE`, …"""
    arguments = parse(process.arguments, "cs", {"check": "c"})
    kind, status = process.name.removesuffix("sum"), 0
    for name in arguments.operands or ("-",):
        octets = await _content(process, name)
        if "c" not in arguments:
            process.print(f"{hashlib.new(kind, octets).hexdigest()}  {name}")
            continue
        for line in octets.decode(errors="replace").splitlines():
            wanted, _, path = line.partition("  ")
            same = hashlib.new(kind, await _content(process, path)).hexdigest() == wanted
            status |= not same
            process.print(f"{path}: {'OK' if same else 'FAILED'}")
    return status


@applet
async def od(process: Process) -> int:
    """Show octets as numbers or characters."""
    arguments = parse(process.arguments, "A:t:N:bcxdovj:")
    kind = arguments.value("t") or next((f for f in "cxdb" if f in arguments), "o2")
    kind = {"x": "x2", "d": "u2", "b": "o1"}.get(kind, kind)
    count = _size(arguments.value("N")) if "N" in arguments else None
    name = (arguments.operands or ("-",))[0]
    octets = (await _content(process, name, count))[_size(arguments.value("j", "0")) :]
    base = {"d": "07d", "x": "06x", "o": "07o"}.get(arguments.value("A", "o"), "")
    for at in range(0, len(octets), _LINE):
        offset = format(at, base) if base else ""
        process.print(offset + _od_line(octets[at : at + _LINE], kind))
    if base:
        process.print(format(len(octets), base))
    return 0


def _od_line(octets: bytes, kind: str) -> str:
    if kind == "c":
        return "".join(f"{_character(each):>4}" for each in octets)
    size = int(kind[1:]) if kind[1:].isdecimal() else 4
    if kind[:1] not in _INTEGERS or size not in _SIZES:
        raise BadUsage(f"invalid type string '{kind}'")
    form, widths = _INTEGERS[kind[0]]
    width, signed = widths[_SIZES[size]], kind[0] == "d"
    parts = [octets[at : at + size] for at in range(0, len(octets), size)]
    numbers = [int.from_bytes(part, "little", signed=signed) for part in parts]
    return "".join(f" {number:{form.format(width)}}" for number in numbers)


def _character(octet: int) -> str:
    return _NAMED.get(octet) or (chr(octet) if 32 <= octet < 127 else f"{octet:03o}")


@applet
async def hexdump(process: Process) -> int:
    """`hexdump -C`, and `xxd`."""
    of_xxd = process.name == "xxd"
    arguments = parse(process.arguments, "Cn:l:p" if of_xxd else "Cn:")
    octets = await _content(process, (arguments.operands or ("-",))[0])
    bound = arguments.value("n") or arguments.value("l")
    octets = octets[: _size(bound)] if bound else octets
    for at in range(0, len(octets), _LINE):
        line = octets[at : at + _LINE]
        text = "".join(chr(each) if 32 <= each < 127 else "." for each in line)
        if of_xxd:
            pairs = " ".join(line[n : n + 2].hex() for n in range(0, len(line), 2))
            process.print(f"{at:08x}: {pairs:<39}  {text}")
        else:
            halves = f"{line[:8].hex(' '):<23}  {line[8:].hex(' '):<23}"
            process.print(f"{at:08x}  {halves}  |{text}|")
    if octets and not of_xxd:
        process.print(f"{len(octets):08x}")
    return 0


@applet
async def dd(process: Process) -> int:
    """Copy blocks."""
    words = dict(word.split("=", 1) for word in process.arguments if "=" in word)
    block, skip = _size(words.get("bs", "512")), _size(words.get("skip", "0"))
    count = _size(words["count"]) if "count" in words else None
    bound = None if count is None else (skip + count) * block
    if block == 0 or (bound or 0) > _OUTPUT_MAX:
        raise BadUsage(f"invalid number '{words.get('count', words.get('bs'))}'")
    began = time.monotonic()
    octets = (await _content(process, words.get("if", "-"), bound))[skip * block :]
    if "of" in words:
        process.files.write(process.path(words["of"]), octets)
    else:
        process.stdout.write(octets)
    took_s = max(time.monotonic() - began, 1e-6)
    records = f"{len(octets) // block}+{int(len(octets) % block > 0)} records"
    if words.get("status") != "none":
        process.complain(f"{records} in\n{records} out")
        size, rate = human(len(octets)), human(len(octets) / took_s)
        told = f"{len(octets)} bytes ({size}B) copied, {took_s:.6f} seconds, {rate}B/s"
        process.complain(told)
    return 0


@applet
async def cmp(process: Process) -> int:
    """Say where two files differ first."""
    arguments = parse(process.arguments, "sl")
    if len(arguments.operands) != 2:
        raise BadUsage("usage: cmp [-ls] FILE1 FILE2")
    one, other = arguments.operands
    left, right = await _content(process, one), await _content(process, other)
    if left == right:
        return 0
    at = next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
    if "s" not in arguments and at is None:
        process.complain(f"cmp: EOF on {one if len(left) < len(right) else other}")
    elif "s" not in arguments and at is not None:
        line = left[:at].count(b"\n") + 1
        process.print(f"{one} {other} differ: char {at + 1}, line {line}")
    return 1


@applet
async def gzip(process: Process) -> int:
    """gzip, gunzip, zcat."""
    arguments = parse(process.arguments, "cdfk123456789")
    unpack = "d" in arguments or process.name in ("gunzip", "zcat")
    for name in arguments.operands or ("-",):
        octets = _changed(await _content(process, name), unpack=unpack)
        if name == "-" or "c" in arguments or process.name == "zcat":
            process.stdout.write(octets)
            continue
        if unpack and not name.endswith(".gz"):
            raise BadUsage(f"{name}: unknown suffix - ignored")
        process.files.write(process.path(name[:-3] if unpack else f"{name}.gz"), octets)
        if "k" not in arguments:
            process.files.remove(process.path(name))
    return 0


def _changed(octets: bytes, *, unpack: bool) -> bytes:
    if not unpack:
        packer = zlib.compressobj(wbits=_GZIP)
        return packer.compress(octets) + packer.flush()
    try:
        unpacker = zlib.decompressobj(wbits=_GZIP)
        made = unpacker.decompress(octets, _OUTPUT_MAX)
    except zlib.error:
        raise BadUsage("invalid magic") from None
    if not unpacker.eof:
        raise BadUsage("unexpected end of file, or too large")
    return made


APPLETS: Final[dict[str, Program]] = {
    "cmp": cmp,
    "dd": dd,
    "gunzip": gzip,
    "gzip": gzip,
    "hexdump": hexdump,
    "md5sum": checksum,
    "od": od,
    "sha1sum": checksum,
    "sha256sum": checksum,
    "sha512sum": checksum,
    "xxd": hexdump,
    "zcat": gzip,
}
