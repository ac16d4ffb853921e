"""grep: lines that match, of files, trees of them, or standard input; with what stands around."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import Arguments, BadUsage, parse
from podruntime.images.busybox.sed import pattern
from podruntime.images.process import Process, Program

_OPTIONS: Final = "ivqcnEFGe:hHowxrRlLm:A:B:C:s"
_LONG: Final = {
    "ignore-case": "i", "invert-match": "v", "quiet": "q", "silent": "q", "count": "c",
    "line-number": "n", "extended-regexp": "E", "fixed-strings": "F", "regexp=": "e",
    "no-filename": "h", "with-filename": "H", "only-matching": "o", "word-regexp": "w",
    "line-regexp": "x", "recursive": "r", "files-with-matches": "l", "max-count=": "m",
    "after-context=": "A", "before-context=": "B", "context=": "C", "color=": "s",
}  # fmt: skip
_NOT_FOUND: Final = 1
_TROUBLE: Final = 2


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What matches, and how it is shown."""

    arguments: Arguments
    expression: re.Pattern[str]
    named: bool

    def selects(self, line: str) -> bool:
        return (self.expression.search(line) is None) == ("v" in self.arguments)


def _expression(arguments: Arguments, operands: list[str]) -> re.Pattern[str]:
    """Return what all patterns together mean; takes the first operand where there is no -e."""
    if "e" not in arguments and not operands:
        raise BadUsage("a pattern is needed")
    texts = arguments.all_values["e"] if "e" in arguments else [operands.pop(0)]
    flags = re.IGNORECASE if "i" in arguments else 0
    found = list[str]()
    for text in "\n".join(texts).split("\n"):
        if "F" in arguments:
            found.append(re.escape(text))
        else:
            found.append(pattern(text, extended="E" in arguments).pattern)
    whole = "|".join(f"(?:{each})" for each in found)
    if "x" in arguments:
        whole = rf"\A(?:{whole})\Z"
    elif "w" in arguments:
        whole = rf"(?<!\w)(?:{whole})(?!\w)"
    return re.compile(whole, flags)


@applet
async def grep(process: Process) -> int:
    """Write the lines that match."""
    arguments = parse(process.arguments, _OPTIONS, _LONG)
    if process.name == "egrep":
        arguments = parse(["-E", *process.arguments], _OPTIONS, _LONG)
    operands = list(arguments.operands)
    expression = _expression(arguments, operands)
    in_trees = "r" in arguments or "R" in arguments
    names = operands or (["."] if in_trees else ["-"])
    named = "H" in arguments or in_trees or len(names) > 1
    wanted = _Wanted(arguments, expression, named and "h" not in arguments)
    found, trouble = False, False
    files = [each for name in names for each in _files(process, name, in_trees=in_trees)]
    for file in files:
        try:
            found |= await _search(process, wanted, file)
        except OSError as error:
            trouble = True
            if "s" not in arguments:
                process.complain(f"{process.name}: {file}: {error.strerror}")
        if found and "q" in arguments:
            return 0
    return _TROUBLE if trouble else 0 if found else _NOT_FOUND


def _files(process: Process, name: str, *, in_trees: bool) -> Iterator[str]:
    path = process.path(name)
    if name == "-" or not in_trees or not process.files.is_directory(path):
        yield name
        return
    for each in process.files.list(path):
        yield from _files(process, posixpath.join(name, each), in_trees=True)


async def _search(process: Process, wanted: _Wanted, name: str) -> bool:
    """Show what one file has; tell whether it had anything."""
    arguments = wanted.arguments
    octets = await process.stdin.read() if name == "-" else process.files.read(process.path(name))
    lines = octets.decode(errors="replace").splitlines()
    numbers = [number for number, line in enumerate(lines) if wanted.selects(line)]
    if "m" in arguments:
        numbers = numbers[: int(arguments.number("m", 0))]
    shown_name = "(standard input)" if name == "-" else name
    if "q" in arguments:
        return bool(numbers)
    if "l" in arguments or "L" in arguments:
        if bool(numbers) == ("l" in arguments):
            process.print(shown_name)
        return bool(numbers)
    if "c" in arguments:
        process.print(f"{shown_name}:{len(numbers)}" if wanted.named else str(len(numbers)))
        return bool(numbers)
    _show(process, wanted, (shown_name, lines), numbers)
    return bool(numbers)


def _show(
    process: Process, wanted: _Wanted, text: tuple[str, list[str]], numbers: list[int]
) -> None:
    (name, lines), arguments = text, wanted.arguments
    around = arguments.number("C", 0)
    before, after = (int(arguments.number(side, around)) for side in ("B", "A"))
    last, chosen = -1, dict.fromkeys(numbers)
    for number in numbers:
        start = max(number - before, last + 1)
        if last >= 0 and start > last + 1 and (before or after):
            process.print("--")
        end = min(number + after, len(lines) - 1)
        for at in range(start, end + 1):
            mark = ":" if at in chosen else "-"
            head = f"{name}{mark}" if wanted.named else ""
            head += f"{at + 1}{mark}" if "n" in arguments else ""
            for each in _parts(wanted, lines[at]) if at in chosen else [lines[at]]:
                process.print(head + each)
        last = max(last, end)


def _parts(wanted: _Wanted, line: str) -> list[str]:
    """Return what is shown of a line that was chosen: with -o every match in it."""
    if "o" not in wanted.arguments or "v" in wanted.arguments:
        return [line]
    return [match[0] for match in wanted.expression.finditer(line) if match[0]]


APPLETS: Final[dict[str, Program]] = {"egrep": grep, "fgrep": grep, "grep": grep}
