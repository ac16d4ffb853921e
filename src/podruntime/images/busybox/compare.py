"""Applets that compare and compute: diff, comm, expr, rev, tac, nl, more."""

from __future__ import annotations

import difflib
import re
from typing import Final

from podruntime.images.busybox.applet import applet
from podruntime.images.busybox.arguments import BadUsage, parse
from podruntime.images.process import Process, Program

_DIFFERENT: Final = 1
_WORDS_MAX: Final = 1000
_EXPR: Final[tuple[tuple[str, ...], ...]] = (
    ("|",), ("&",), ("<", "<=", "=", "==", "!=", ">=", ">"), ("+", "-"), ("*", "/", "%"), (":",),
)  # fmt: skip


async def _lines(process: Process, name: str) -> list[str]:
    octets = await process.stdin.read() if name == "-" else process.files.read(process.path(name))
    return octets.decode(errors="replace").splitlines(keepends=True)


@applet
async def diff(process: Process) -> int:
    """Show what differs, in the unified form."""
    arguments = parse(process.arguments, "uqrNaU:")
    if len(arguments.operands) != 2:
        raise BadUsage("usage: diff [-uq] FILE1 FILE2")
    one, other = arguments.operands
    left, right = await _lines(process, one), await _lines(process, other)
    if left == right:
        return 0
    if "q" in arguments:
        process.print(f"Files {one} and {other} differ")
        return _DIFFERENT
    context = int(arguments.number("U", 3))
    for line in difflib.unified_diff(left, right, one, other, n=context):
        whole = line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        process.stdout.write(whole.encode())
    return _DIFFERENT


class _Expression:
    """`expr`'s words, by precedence."""

    def __init__(self, words: list[str]) -> None:
        self.left = words[::-1]

    def value(self, level: int = 0) -> str:
        """Return what the words from here on come to."""
        if level == len(_EXPR):
            return self._primary()
        value = self.value(level + 1)
        while self.left and self.left[-1] in _EXPR[level]:
            operator = self.left.pop()
            value = _combined(value, operator, self.value(level + 1))
        return value

    def _primary(self) -> str:
        if not self.left:
            raise BadUsage("syntax error")
        word = self.left.pop()
        if word == "(":
            value = self.value()
            if not self.left or self.left.pop() != ")":
                raise BadUsage("syntax error")
            return value
        if word == "length" and self.left:
            return str(len(self.left.pop()))
        return word


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d{1,18}", text) is not None


def _combined(left: str, operator: str, right: str) -> str:
    match operator:
        case "|":
            return left if left not in ("", "0") else right
        case "&":
            return left if left not in ("", "0") and right not in ("", "0") else "0"
        case ":":
            return _matched(left, right)
    if operator in _EXPR[2]:
        return str(int(_compared(left, operator, right)))
    if not (_is_number(left) and _is_number(right)):
        raise BadUsage("non-numeric argument")
    a, b = int(left), int(right)
    if operator in ("/", "%") and b == 0:
        raise BadUsage("division by zero")
    quotient = abs(a) // abs(b or 1) * (1 if (a < 0) == (b < 0) else -1)
    results = {"+": a + b, "-": a - b, "*": a * b, "/": quotient, "%": a - b * quotient}
    return str(results[operator])


def _compared(left: str, operator: str, right: str) -> bool:
    numbers = _is_number(left) and _is_number(right)
    order = int(left) - int(right) if numbers else (left > right) - (left < right)
    return {
        "<": order < 0, "<=": order <= 0, "=": order == 0, "==": order == 0,
        "!=": order != 0, ">=": order >= 0, ">": order > 0,
    }[operator]  # fmt: skip


def _matched(text: str, pattern: str) -> str:
    try:
        found = re.match(re.sub(r"\\([()])", r"\1", pattern), text)
    except re.error as error:
        raise BadUsage(f"bad regex '{pattern}': {error}") from None
    if found is None:
        return "" if r"\(" in pattern else "0"
    return found[1] if found.re.groups else str(found.end())


@applet
async def expr(process: Process) -> int:
    """Compute."""
    expression = _Expression(process.arguments[:_WORDS_MAX])
    value = expression.value()
    if expression.left:
        raise BadUsage("syntax error")
    process.print(value)
    return int(value in ("", "0"))


@applet
async def rev(process: Process) -> int:
    """Write each line backwards; tac: the lines themselves; nl: with numbers."""
    lines = [line for name in process.arguments or ["-"] for line in await _lines(process, name)]
    if process.name == "tac":
        process.stdout.write("".join(lines[::-1]).encode())
        return 0
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\n")
        process.print(f"{number:6}\t{text}" if process.name == "nl" else text[::-1])
    return 0


@applet
async def more(process: Process) -> int:
    """Show files; where nobody can turn pages all at once, as on a pipe."""
    for name in process.arguments or ["-"]:
        process.stdout.write("".join(await _lines(process, name)).encode())
        await process.stdout.drain()
    return 0


APPLETS: Final[dict[str, Program]] = {
    "diff": diff,
    "expr": expr,
    "less": more,
    "more": more,
    "nl": rev,
    "rev": rev,
    "tac": rev,
}
