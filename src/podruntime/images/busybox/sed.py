"""sed as far as people paste it: s d p q = a i c y, addresses and ranges, -n -e -E -i."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import BadUsage, parse
from podruntime.images.process import Process, Program

#: What a basic expression means by a backslash, and an extended one without (POSIX 9.3, 9.4).
_SWAPPED: Final = "(){}|+?"
_BASIC: Final = re.compile(r"\\(.)|([(){}|+?])|(\[\^?\]?[^]]*\])", re.DOTALL)


def pattern(text: str, *, extended: bool, flags: int = 0) -> re.Pattern[str]:
    """Compile a regular expression of POSIX; raises BadUsage."""
    text = _classes(text)
    if not extended:
        text = _BASIC.sub(_swap, text)
    try:
        return re.compile(text, flags)
    except re.error as error:
        raise BadUsage(f"bad regex '{text}': {error}") from None


def _swap(match: re.Match[str]) -> str:
    escaped, plain, bracket = match.groups()
    if bracket is not None:
        return str(bracket)
    if plain is not None:
        return f"\\{plain}"
    return str(escaped) if escaped in _SWAPPED else f"\\{escaped}"


def _classes(text: str) -> str:
    for name, members in (
        ("[:space:]", r"\s"),
        ("[:digit:]", "0-9"),
        ("[:alpha:]", "A-Za-z"),
        ("[:alnum:]", "A-Za-z0-9"),
        ("[:upper:]", "A-Z"),
        ("[:lower:]", "a-z"),
        ("[:blank:]", r" \t"),
    ):
        text = text.replace(name, members)
    return text


@dataclass(slots=True)
class _Command:
    """One command with its addresses."""

    name: str
    first: str | int | re.Pattern[str] | None = None
    last: str | int | re.Pattern[str] | None = None
    negated: bool = False
    wanted: re.Pattern[str] | None = None
    text: str = ""
    count: int = 1  # Which match is replaced; 0: all.
    prints: bool = False
    table: dict[int, int] = field(default_factory=dict)
    inside: bool = False

    def selects(self, number: int, line: str, *, is_last: bool) -> bool:
        """Tell whether the command is for this line."""

        def fits(address: str | int | re.Pattern[str] | None) -> bool:
            if isinstance(address, re.Pattern):
                return address.search(line) is not None
            return is_last if address == "$" else address == number

        if self.first is None:
            return not self.negated
        if self.last is None:
            return fits(self.first) != self.negated
        if self.inside:
            over = isinstance(self.last, int) and number >= self.last
            self.inside = not (over or fits(self.last))
            return not self.negated
        self.inside = fits(self.first) and not (isinstance(self.last, int) and number >= self.last)
        return fits(self.first) != self.negated


class _Parser:
    """Reads a script."""

    def __init__(self, script: str, *, extended: bool) -> None:
        self._script, self._at, self._extended = script, 0, extended

    def commands(self) -> Iterator[_Command]:
        """Yield every command; raises BadUsage."""
        while self._skip(" \t\n;"):
            command = _Command("")
            command.first = self._address()
            if command.first is not None and self._accept(","):
                command.last = self._address()
            self._skip(" \t")
            command.negated = self._accept("!")
            self._skip(" \t")
            command.name = self._next()
            self._arguments(command)
            yield command

    def _skip(self, these: str) -> bool:
        while self._at < len(self._script) and self._script[self._at] in these:
            self._at += 1
        return self._at < len(self._script)

    def _accept(self, character: str) -> bool:
        found = self._script[self._at : self._at + 1] == character
        self._at += found
        return found

    def _next(self) -> str:
        if self._at >= len(self._script):
            raise BadUsage("missing command")
        self._at += 1
        return self._script[self._at - 1]

    def _address(self) -> str | int | re.Pattern[str] | None:
        if self._accept("$"):
            return "$"
        if self._accept("/"):
            return pattern(self._until("/"), extended=self._extended)
        start = self._at
        while self._script[self._at : self._at + 1].isdecimal():
            self._at += 1
        return int(self._script[start : self._at]) if self._at > start else None

    def _until(self, delimiter: str) -> str:
        text = ""
        while (character := self._next()) != delimiter:
            if character == "\\":
                following = self._next()
                text += following if following == delimiter else f"\\{following}"
            else:
                text += character
        return text

    def _arguments(self, command: _Command) -> None:
        match command.name:
            case "s":
                self._substitution(command)
            case "y":
                delimiter = self._next()
                source, target = self._until(delimiter), self._until(delimiter)
                if len(source) != len(target):
                    raise BadUsage("y: strings of different lengths")
                command.table = {ord(a): ord(b) for a, b in zip(source, target, strict=True)}
            case "a" | "i" | "c":
                end = self._script.find("\n", self._at)
                end = len(self._script) if end < 0 else end
                command.text = self._script[self._at : end].removeprefix("\\").lstrip(" \n")
                self._at = end
            case "d" | "p" | "q" | "=":
                pass
            case _:
                raise BadUsage(f"unsupported command {command.name}")

    def _substitution(self, command: _Command) -> None:
        delimiter = self._next()
        wanted, command.text = self._until(delimiter), self._until(delimiter)
        flags = 0
        while (flag := self._script[self._at : self._at + 1]) and flag not in ";\n }":
            self._at += 1
            if flag == "g":
                command.count = 0
            elif flag in "iI":
                flags = re.IGNORECASE
            elif flag == "p":
                command.prints = True
            elif flag.isdecimal():
                command.count = int(flag)
            else:
                raise BadUsage(f"unknown option to s: {flag}")
        command.wanted = pattern(wanted, extended=self._extended, flags=flags)


def _replacement(text: str) -> Callable[[re.Match[str]], str]:
    """Return what makes a match's replacement: & and \\1 to \\9 stand for what was matched."""
    parts = re.findall(r"\\(.)|(&)|([^\\&]+)", text, re.DOTALL)

    def replace(match: re.Match[str]) -> str:
        made = ""
        for escaped, whole, plain in parts:
            if escaped.isdecimal():
                number = int(escaped)
                made += (match[number] or "") if number <= (match.re.groups or 0) else ""
            else:
                made += {"n": "\n", "t": "\t"}.get(escaped, escaped) + (match[0] if whole else "")
            made += plain
        return made

    return replace


def _substituted(command: _Command, line: str) -> tuple[str, bool]:
    assert command.wanted is not None
    replace, seen = _replacement(command.text), 0

    def one(match: re.Match[str]) -> str:
        nonlocal seen
        seen += 1
        return replace(match) if command.count in (0, seen) else match[0]

    made = command.wanted.sub(one, line)
    return made, seen >= max(command.count, 1)


def edit(text: str, commands: list[_Command], *, quiet: bool) -> str:
    """Return *text* as the commands make it."""
    lines = text.splitlines()
    output: list[str] = []
    for number, line in enumerate(lines, 1):
        ended = _edit_line(line, number, number == len(lines), (commands, quiet, output))
        if ended:
            break
    return "".join(f"{line}\n" for line in output)


def _edit_line(
    line: str, number: int, is_last: bool, how: tuple[list[_Command], bool, list[str]]
) -> bool:
    """Run the commands on one line; tell whether this was the last one."""
    commands, quiet, output = how
    after: list[str] = []
    ended = deleted = False
    for command in commands:
        if not command.selects(number, line, is_last=is_last):
            continue
        match command.name:
            case "s":
                line, done = _substituted(command, line)
                output += [line] if done and command.prints else []
            case "y":
                line = line.translate(command.table)
            case "p":
                output.append(line)
            case "=":
                output.append(str(number))
            case "i":
                output.append(command.text)
            case "a":
                after.append(command.text)
            case "c":
                output.append(command.text)
                deleted = True
            case "d":
                deleted = True
            case "q":
                ended = True
        if deleted or ended:
            break
    if not deleted and not quiet:
        output.append(line)
    output += after
    return ended


@applet
async def sed(process: Process) -> int:
    """Edit lines of files or of stdin."""
    arguments = parse(process.arguments, "ne:Erif:s")
    operands, extended = list(arguments.operands), "E" in arguments or "r" in arguments
    scripts = arguments.all_values.get("e", [])
    if not scripts:
        if not operands:
            raise BadUsage("usage: sed [-nEi] [-e CMD]... [FILE]...")
        scripts = [operands.pop(0)]
    script, quiet = "\n".join(scripts), "n" in arguments
    if "i" in arguments:
        for name in operands:
            path = process.path(name)
            commands = list(_Parser(script, extended=extended).commands())
            text = process.files.read(path).decode(errors="surrogateescape")
            made = edit(text, commands, quiet=quiet)
            process.files.write(path, made.encode(errors="surrogateescape"))
        return 0
    commands = list(_Parser(script, extended=extended).commands())
    pieces = [process.files.read(process.path(name)) for name in operands]
    octets = b"".join(pieces) if operands else await process.stdin.read()
    text = edit(octets.decode(errors="surrogateescape"), commands, quiet=quiet)
    process.stdout.write(text.encode(errors="surrogateescape"))
    await process.stdout.drain()
    return 0


APPLETS: Final[dict[str, Program]] = {"sed": sed}
