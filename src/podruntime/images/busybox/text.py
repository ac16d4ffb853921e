"""Applets that write and filter text: echo, printf, grep, head, tail, wc, …"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import Arguments, BadUsage, parse
from podruntime.images.process import Octets, Process, Program

_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "a": "\a", "0": "\0"}
_ESCAPE: Final = re.compile(r"\\([ntra0\\])")
_SORT_KEY: Final = re.compile(r"(\d+)(?:\.\d+)?(?:,(\d+)(?:\.\d+)?)?([nrfhb]*)")
#: How often `tail -f` looks at a file.
_FOLLOW_S: Final = 0.2


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES[match[1]], text)


async def echo(process: Process) -> int:
    """Write the arguments."""
    words, newline, escapes = list(process.arguments), "\n", False
    while words and re.fullmatch(r"-[neE]+", words[0]):
        flags = words.pop(0)
        newline = "" if "n" in flags else newline
        escapes = escapes or "e" in flags
    text = " ".join(words)
    process.stdout.write(((_unescaped(text) if escapes else text) + newline).encode())
    await process.stdout.drain()
    return 0


@applet
async def printf(process: Process) -> int:
    """Write the arguments by a format, as in C."""
    if not process.arguments:
        raise BadUsage("missing format")
    form, *values = process.arguments
    while True:
        used = len(values)
        text = re.sub(
            r"%([-0 +]?\d*(?:\.\d+)?)([sdiuxXofgecb%])",
            lambda match: _formatted(match[1], match[2], values),
            _unescaped(form),
        )
        process.stdout.write(text.encode())
        if not values or len(values) == used:
            return 0


def _formatted(width: str, kind: str, values: list[str]) -> str:
    if kind == "%":
        return "%"
    value = values.pop(0) if values else ""
    if kind in "diuxXo":
        return f"%{width}{'d' if kind in 'diu' else kind}" % _integer(value)
    if kind in "fge":
        return f"%{width}{kind}" % _leading(value)
    text = _unescaped(value) if kind == "b" else value
    return f"%{width}s" % (text[:1] if kind == "c" else text)


def _integer(text: str) -> int:
    match = re.fullmatch(r"\s*([-+]?)(0[xX][0-9a-fA-F]+|\d+)", text)
    if match is None:
        return 0
    return int(match[2], 16 if match[2][:2] in ("0x", "0X") else 10) * (
        -1 if match[1] == "-" else 1
    )


async def _inputs(process: Process, names: tuple[str, ...], octets_max: int | None = None) -> bytes:
    if not names:
        return await process.stdin.read()
    pieces = [
        await process.stdin.read()
        if name == "-"
        else process.files.read(process.path(name), octets_max)
        for name in names
    ]
    return b"".join(pieces)


def _count(words: list[str]) -> list[str]:
    """Turn the old form `-5` into `-n 5`, unless it is an option's value: `-n -5`."""
    befores = ["", *words]
    return [
        each
        for before, word in zip(befores, words, strict=False)
        for each in (["-n", word[1:]] if _is_old(word) and before not in ("-n", "-c") else [word])
    ]


def _is_old(word: str) -> bool:
    return word.startswith("-") and word[1:].isdigit()


@applet
async def head(process: Process) -> int:
    """Write the first lines."""
    arguments = parse(_count(process.arguments), "n:c:q")
    count = int(arguments.number("n", 10))
    if count < 0:
        lines = (await _inputs(process, arguments.operands)).splitlines(keepends=True)
        process.stdout.write(b"".join(lines[:count]))
        return 0
    if "c" in arguments:
        bound = int(arguments.number("c", 0))
        data = await _inputs(process, arguments.operands, bound)
        process.stdout.write(data[:bound])
        return 0
    source = process.stdin
    if arguments.operands:
        source = Octets(await _inputs(process, arguments.operands))
    for _ in range(count):
        line = await source.readline()
        if not line:
            break
        process.stdout.write(line)
    return 0


@applet
async def tail(process: Process) -> int:
    """Write the last lines; with -f go on for ever, with -F also while there is no file yet."""
    arguments = parse(_count(process.arguments), "n:c:fFq")
    there = [each for each in arguments.operands if process.files.is_file(process.path(each))]
    if "F" in arguments and len(there) < len(arguments.operands):
        process.complain(f"tail: can't open '{arguments.operands[-1]}': No such file or directory")
        data = await _inputs(process, tuple(there)) if there else b""
    else:
        data = await _inputs(process, arguments.operands)
    text = arguments.value("n", "10")
    lines = data.splitlines(keepends=True)
    count = int(text.lstrip("+-") or 0)
    process.stdout.write(b"".join(lines[count - 1 :] if text[:1] == "+" else lines[-count:]))
    if ("f" in arguments or "F" in arguments) and arguments.operands:
        await _follow(process, process.path(arguments.operands[-1]), len(data))
    return 0


async def _follow(process: Process, path: str, seen: int) -> None:
    if path == "/dev/null":
        await asyncio.Event().wait()
    while True:
        await asyncio.sleep(_FOLLOW_S)
        if process.files.is_file(path):
            data = process.files.read(path)
            seen = 0 if len(data) < seen else seen
            process.stdout.write(data[seen:])
            seen = len(data)


@applet
async def wc(process: Process) -> int:
    """Count lines, words, octets."""
    arguments = parse(process.arguments, "lwc")
    data = await _inputs(process, arguments.operands)
    counts = {"l": data.count(b"\n"), "w": len(data.split()), "c": len(data)}
    wanted = [key for key in "lwc" if key in arguments] or list("lwc")
    shown = " ".join(str(counts[key]) for key in wanted)
    process.print(" ".join([shown, *arguments.operands]))
    return 0


@applet
async def sort(process: Process) -> int:
    """Sort lines, whole or by fields."""
    arguments = parse(process.arguments, "nrufhbk:t:")
    lines = (await _inputs(process, arguments.operands)).decode(errors="replace").splitlines()
    wanted = "".join(flag for flag in "nrfh" if flag in arguments)
    lines.sort(reverse="r" in wanted)
    keys = [_sort_key(text, wanted, arguments.value("t")) for text in _keys(arguments)]
    for key in reversed(keys):  # Sorting is stable: the most important comes last.
        lines.sort(key=key, reverse="r" in key.flags)
    if "u" in arguments:
        lines = list({keys[0](line): line for line in reversed(lines)}.values())[::-1]
    for line in lines:
        process.print(line)
    return 0


def _keys(arguments: Arguments) -> list[str]:
    return arguments.all_values.get("k") or [""]


@dataclass(frozen=True, slots=True)
class _SortKey:
    """What of a line counts: a run of fields, or all of it."""

    fields: slice | None
    delimiter: str | None
    flags: str

    def __call__(self, line: str) -> tuple[float, str]:
        text = line
        if self.fields is not None:
            text = (self.delimiter or " ").join(line.split(self.delimiter)[self.fields])
        if "n" in self.flags or "h" in self.flags:
            return _leading(text, scaled="h" in self.flags), ""
        return 0.0, text.lower() if "f" in self.flags else text


def _sort_key(text: str, wanted: str, delimiter: str) -> _SortKey:
    """Read `-k FIRST[,LAST][FLAGS]`; raises BadUsage."""
    if not text:
        return _SortKey(None, None, wanted)
    match = _SORT_KEY.fullmatch(text)
    if match is None or match[1] == "0":
        raise BadUsage(f"invalid sort key '{text}'")
    fields = slice(int(match[1]) - 1, int(match[2]) if match[2] else None)
    return _SortKey(fields, delimiter or None, match[3] or wanted)


def _leading(line: str, *, scaled: bool = False) -> float:
    match = re.match(r"\s*(-?\d+(?:\.\d+)?)([KMGTP]?)", line)
    if match is None:
        return 0.0
    return float(match[1]) * (1024 ** " KMGTP".index(match[2] or " ") if scaled else 1)


@applet
async def uniq(process: Process) -> int:
    """Drop repeated lines; with -c count them."""
    arguments = parse(process.arguments, "cd")
    lines = (await _inputs(process, arguments.operands)).decode(errors="replace").splitlines()
    runs: list[tuple[str, int]] = []
    for line in lines:
        if runs and runs[-1][0] == line:
            runs[-1] = (line, runs[-1][1] + 1)
        else:
            runs.append((line, 1))
    for line, count in runs:
        process.print(f"{count:7} {line}" if "c" in arguments else line)
    return 0


@applet
async def cut(process: Process) -> int:
    """Write fields of each line."""
    arguments = parse(process.arguments, "d:f:c:")
    delimiter = arguments.value("d", "\t")
    wanted = _ranges(arguments.value("f") or arguments.value("c"))
    text = (await _inputs(process, arguments.operands)).decode(errors="replace")
    for line in text.splitlines():
        fields = line.split(delimiter) if "f" in arguments else list(line)
        chosen = [field for index, field in enumerate(fields, 1) if wanted(index)]
        process.print((delimiter if "f" in arguments else "").join(chosen))
    return 0


class _Ranges:
    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._spans = spans

    def __call__(self, index: int) -> bool:
        return any(first <= index <= last for first, last in self._spans)


def _ranges(text: str) -> _Ranges:
    spans = []
    for each in text.split(","):
        first, dash, last = each.partition("-")
        if not (first or last) or not (first + last).isdigit():
            raise BadUsage(f"invalid range '{text}'")
        low = int(first or 1)
        spans.append((low, int(last or 1_000_000) if dash else low))
    return _Ranges(spans)


@applet
async def tr(process: Process) -> int:
    """Replace or delete characters."""
    arguments = parse(process.arguments, "ds")
    first, *more = [_characters(_unescaped(word)) for word in arguments.operands]
    text = (await process.stdin.read()).decode(errors="replace")
    if "d" in arguments:
        table: dict[int, int | None] = dict.fromkeys(map(ord, first))
    else:
        second = (more or [""])[0].ljust(len(first), (more or [" "])[0][-1:] or " ")
        table = {ord(a): ord(b) for a, b in zip(first, second, strict=False)}
    process.stdout.write(text.translate(table).encode())
    return 0


def _characters(text: str) -> str:
    return re.sub(
        r"(.)-(.)",
        lambda match: "".join(map(chr, range(ord(match[1]), ord(match[2]) + 1))),
        text,
    )


@applet
async def seq(process: Process) -> int:
    """Write numbers from first to last."""
    separator, padded, words = "\n", False, list(process.arguments)
    while words and words[0][:2] in ("-s", "-w"):
        word = words.pop(0)
        if word == "-w":
            padded = True
        else:
            separator = word[2:] or (words or [""]).pop(0)
    numbers = [int(word) for word in words if word.lstrip("-").isdigit()]
    if not 1 <= len(numbers) <= 3 or len(numbers) != len(words):
        raise BadUsage("needs one to three numbers")
    first, step, last = {1: (1, 1, *numbers), 2: (numbers[0], 1, numbers[-1])}.get(
        len(numbers), tuple(numbers)
    )
    if step == 0:
        raise BadUsage("the step is zero")
    width, before = max(len(str(first)), len(str(last))) if padded else 0, ""
    for number in range(first, last + (1 if step > 0 else -1), step):
        process.stdout.write(f"{before}{number:0{width}d}".encode())
        before = separator
        await process.stdout.drain()
    process.stdout.write(b"\n" if before else b"")
    return 0


async def yes(process: Process) -> int:
    """Write a line for ever."""
    line = " ".join(process.arguments) or "y"
    while True:
        process.print(line)
        await process.stdout.drain()
        await asyncio.sleep(0)


APPLETS: Final[dict[str, Program]] = {
    "cut": cut,
    "echo": echo,
    "head": head,
    "printf": printf,
    "seq": seq,
    "sort": sort,
    "tail": tail,
    "tr": tr,
    "uniq": uniq,
    "wc": wc,
    "yes": yes,
}
