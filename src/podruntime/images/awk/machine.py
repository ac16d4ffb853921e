"""What a running awk program has: fields, variables, arrays, output (POSIX awk, "Variables").

A value is a number, a text, or an `Input`: a text from outside, which compares as the number that
it looks like.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping
from typing import Final

from podruntime.images.busybox.arguments import BadUsage
from podruntime.images.busybox.sed import pattern

#: How many steps a program may take in all: nothing else of its pod runs meanwhile.
STEPS_MAX: Final = 1_000_000
#: How long a text may become, and all that is printed.
TEXT_MAX: Final = 4 << 20
OUTPUT_MAX: Final = 16 << 20
#: How many regular expressions are kept compiled.
_PATTERNS_MAX: Final = 64
_NUMBER: Final = re.compile(r"\s*[-+]?(\d+\.?\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?)")
_FORMAT: Final = re.compile(r"%([-+ #0]*)(\*|\d*)(?:\.(\*|\d+))?([diouxXcseEfFgG%])")


class Input(str):
    """A text from outside."""

    __slots__ = ()


class Unset(Input):
    """What nobody has assigned: nothing as a text, and 0."""

    __slots__ = ()


UNSET: Final = Unset("")
Value = float | str
#: An expression, or a statement.
Code = Callable[["Machine"], Value]


def number(value: Value) -> float:
    """Return *value* as a number; a text counts as far as it is one."""
    if isinstance(value, float):
        return value
    found = _NUMBER.match(value)
    return float(found.group()) if found else 0.0


def is_number(value: Value) -> bool:
    """Tell whether *value* compares as a number."""
    if isinstance(value, float | Unset):
        return True
    found = _NUMBER.match(value) if isinstance(value, Input) else None
    return found is not None and not value[found.end() :].strip()


def bounded(whole: str) -> str:
    """Return *whole*; raises BadUsage when it has become too long."""
    if len(whole) > TEXT_MAX:
        raise BadUsage(f"a text has more than {TEXT_MAX} characters")
    return whole


def is_true(value: Value) -> bool:
    if is_number(value):
        return number(value) != 0
    return value != ""


def text(value: Value, form: str = "%.6g") -> str:
    """Return *value* as a text: whole numbers have no fraction."""
    if isinstance(value, str):
        return str(value)
    if math.isfinite(value) and value == int(value):
        return str(int(value))
    return form % value


def compare(left: Value, right: Value) -> int:
    """Return -1, 0 or 1."""
    if is_number(left) and is_number(right):
        a, b = number(left), number(right)
        return (a > b) - (a < b)
    first, second = text(left), text(right)
    return (first > second) - (first < second)


class Next(Exception):
    """Goes on with the next line."""


class Exit(Exception):
    """Ends the program."""


class Machine:
    """A program's world."""

    def __init__(self, environment: Mapping[str, str], rng: random.Random) -> None:
        self.variables: dict[str, Value] = {
            "FS": " ", "OFS": " ", "ORS": "\n", "RS": "\n", "SUBSEP": "\x1c", "NF": 0.0,
            "NR": 0.0, "FNR": 0.0, "FILENAME": "", "RSTART": 0.0, "RLENGTH": -1.0,
        }  # fmt: skip
        self.arrays: dict[str, dict[str, Value]] = {
            "ENVIRON": {name: Input(value) for name, value in environment.items()}
        }
        self.rng, self.status = rng, 0
        #: What was printed, by the file's name; "" is the standard output.
        self.output: dict[str, list[str]] = {"": []}
        self.appends: set[str] = set()
        self._fields: list[str] = [""]
        self._patterns: dict[str, re.Pattern[str]] = {}
        self._steps = self._printed = 0

    def step(self) -> None:
        """Count one step; raises BadUsage when there were too many."""
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise BadUsage(f"the program takes more than {STEPS_MAX} steps")

    def pattern(self, source: str) -> re.Pattern[str]:
        """Return a compiled regular expression; raises BadUsage."""
        found = self._patterns.get(source)
        if found is None:
            if len(self._patterns) >= _PATTERNS_MAX:
                self._patterns.clear()
            found = self._patterns[source] = pattern(source, extended=True)
        return found

    def split(self, line: str, separator: str) -> list[str]:
        """Return the fields of *line*."""
        if separator == " ":
            return line.split()
        if not line:
            return []
        if len(separator) == 1 and separator != "\\":
            return line.split(separator)
        return self.pattern(separator).split(line)

    def take(self, line: str) -> None:
        """Make *line* the current record."""
        parts = self.split(line, text(self.variables["FS"]))
        self._fields = [Input(line), *map(Input, parts)]
        self.variables["NF"] = float(len(parts))

    def field(self, index: float) -> Value:
        place = int(index)
        if place < 0:
            raise BadUsage("access to negative field")
        return self._fields[place] if place < len(self._fields) else Input("")

    def set_field(self, index: float, value: Value) -> None:
        place = int(index)
        if place == 0:
            self.take(text(value))
            return
        self._widen(place)
        self._fields[place] = Input(text(value))
        self._join()

    def set(self, name: str, value: Value) -> None:
        """Assign a variable; of NF the record is made anew."""
        self.variables[name] = value
        if name == "NF":
            count = max(int(number(value)), 0)
            self._widen(count)
            del self._fields[count + 1 :]
            self._join()

    def _widen(self, count: int) -> None:
        if count > STEPS_MAX:
            raise BadUsage("too many fields")
        missing = count + 1 - len(self._fields)
        self._fields += [Input("")] * max(missing, 0)

    def _join(self) -> None:
        separator = text(self.variables["OFS"])
        self._fields[0] = Input(separator.join(self._fields[1:]))
        self.variables["NF"] = float(len(self._fields) - 1)

    def print(self, line: str, file: str = "", *, append: bool = False) -> None:
        """Write to the standard output or a file."""
        self._printed += len(line)
        if self._printed > OUTPUT_MAX:
            raise BadUsage(f"the program prints more than {OUTPUT_MAX} octets")
        if append:
            self.appends.add(file)
        self.output.setdefault(file, []).append(line)


def formatted(form: str, values: list[Value]) -> str:
    """Return *form* with *values*, as printf has it."""
    left = iter(values)

    def one(match: re.Match[str]) -> str:
        flags, width, precision, kind = match.groups()
        if kind == "%":
            return "%"
        width = text(next(left, 0.0)) if width == "*" else width
        precision = text(next(left, 0.0)) if precision == "*" else precision
        head = f"%{flags}{width[:4]}" + (f".{precision[:4]}" if precision else "")
        value = next(left, "")
        if kind == "c":
            value = chr(int(value)) if isinstance(value, float) else text(value)[:1]
            return f"{head}s" % value
        if kind == "s":
            return f"{head}s" % text(value)
        if kind in "diouxX":
            return f"{head}{'d' if kind in 'iu' else kind}" % int(number(value))
        return f"{head}{kind}" % number(value)

    return _FORMAT.sub(one, form)
