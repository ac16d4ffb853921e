"""awk's own functions (POSIX awk, "Functions").

Arguments are expressions; what assigns (sub, gsub, split) is told its target apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Final

from podruntime.images.awk.machine import Code, Input, Machine, Value, formatted, number, text
from podruntime.images.busybox.arguments import BadUsage


def _substr(machine: Machine, arguments: list[Code]) -> Value:
    values = [one(machine) for one in arguments]
    whole, start = text(values[0]), round(number(values[1]))
    end = start + round(number(values[2])) if len(values) > 2 else len(whole) + 1
    return whole[max(start - 1, 0) : max(end - 1, 0)]


def _match(machine: Machine, arguments: list[Code]) -> Value:
    found = machine.pattern(text(arguments[1](machine))).search(text(arguments[0](machine)))
    machine.variables["RSTART"] = float(found.start() + 1) if found else 0.0
    machine.variables["RLENGTH"] = float(len(found.group())) if found else -1.0
    return machine.variables["RSTART"]


def _length(machine: Machine, arguments: list[Code]) -> Value:
    return float(len(text(arguments[0](machine) if arguments else machine.field(0))))


def replaced(
    machine: Machine, source: str, made: str, whole: str, *, every: bool
) -> tuple[str, int]:
    """Return *whole* with what matches *source* replaced, and how often it was."""

    def one(match: re.Match[str]) -> str:
        return re.sub(r"\\(.)|&", lambda part: part[1] or match.group(), made, flags=re.DOTALL)

    return machine.pattern(source).subn(one, whole, count=0 if every else 1)


def _srand(machine: Machine, arguments: list[Code]) -> Value:
    machine.rng.seed(number(arguments[0](machine)) if arguments else 0)
    return 0.0


def _of_number(function: Callable[[float], float]) -> Callable[[Machine, list[Code]], Value]:
    def call(machine: Machine, arguments: list[Code]) -> Value:
        try:
            return float(function(number(arguments[0](machine))))
        except (ValueError, OverflowError):
            return math.nan

    return call


def split(machine: Machine, into: str, arguments: list[Code]) -> Value:
    separator = arguments[1](machine) if len(arguments) > 1 else machine.variables["FS"]
    parts = machine.split(text(arguments[0](machine)), text(separator))
    machine.arrays[into] = {str(place): Input(part) for place, part in enumerate(parts, 1)}
    return float(len(parts))


CALLS: Final[Mapping[str, Callable[[Machine, list[Code]], Value]]] = {
    "length": _length,
    "substr": _substr,
    "match": _match,
    "index": lambda m, a: float(text(a[0](m)).find(text(a[1](m))) + 1),
    "tolower": lambda m, a: text(a[0](m)).lower(),
    "toupper": lambda m, a: text(a[0](m)).upper(),
    "sprintf": lambda m, a: formatted(text(a[0](m)), [one(m) for one in a[1:]]),
    "int": _of_number(math.trunc),
    "sqrt": _of_number(math.sqrt),
    "exp": _of_number(math.exp),
    "log": _of_number(math.log),
    "sin": _of_number(math.sin),
    "cos": _of_number(math.cos),
    "atan2": lambda m, a: math.atan2(number(a[0](m)), number(a[1](m))),
    "rand": lambda m, _a: m.rng.random(),
    "srand": _srand,
}
#: How many arguments each takes, at least and at most.
ARITY: Final[Mapping[str, tuple[int, int]]] = {
    "length": (0, 1), "substr": (2, 3), "match": (2, 2), "index": (2, 2), "tolower": (1, 1),
    "toupper": (1, 1), "sprintf": (1, 999), "int": (1, 1), "sqrt": (1, 1), "exp": (1, 1),
    "log": (1, 1), "sin": (1, 1), "cos": (1, 1), "atan2": (2, 2), "rand": (0, 0), "srand": (0, 1),
    "split": (2, 3), "sub": (2, 3), "gsub": (2, 3),
}  # fmt: skip


def check_arity(name: str, count: int) -> None:
    """Raise BadUsage unless *name* may have so many arguments."""
    least, most = ARITY[name]
    if not least <= count <= most:
        raise BadUsage(f"cmd. line: wrong number of arguments for {name}")
