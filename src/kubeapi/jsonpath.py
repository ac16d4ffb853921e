"""JSONPath as kubectl and printer columns write it (upstream: client-go's `util/jsonpath`).

Fields (`.spec.replicas`, `['a.b']`, `.a\\.b`), indexes and slices (`[0]`, `[-1]`, `[0:2]`),
wildcards, recursive descent and filters with one comparison (`[?(@.type=="Ready")]`). What a path
does not find is nothing, as with `AllowMissingKeys`. Templates around paths are kubectl's.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

#: A path longer than this is refused; so is one that finds more than this.
LENGTH_MAX: Final = 4096
FOUND_MAX: Final = 10_000


class JsonPathError(ValueError):
    """The text is no JSONPath."""


_NAME: Final = re.compile(r"(?:\\.|[^\s.\[\]\\{}()?'\"@,:])+")
_SUBSCRIPT: Final = re.compile(r"\[\s*(-?\d*)\s*(?::\s*(-?\d*)\s*(?::\s*(\d*)\s*)?)?\]")
_QUOTED: Final = re.compile(r"\[\s*(?:'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\")\s*\]")
_FILTER: Final = re.compile(
    r"\[\?\(\s*@(?P<left>[^=!<>&|()]*?)\s*"
    r"(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<right>'[^']*'|\"[^\"]*\"|[^\s()]+)\s*)?\)\]"
)
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_Step = Callable[[Any], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path that was understood."""

    text: str
    _steps: tuple[_Step, ...]

    def find(self, value: Any) -> list[Any]:
        """Return everything that the path finds in *value*, in order."""
        found = [value]
        for step in self._steps:
            found = [one for each in found for one in step(each)][:FOUND_MAX]
        return found


def parse(text: str) -> JsonPath:
    """Return the path that *text* is; raises JsonPathError."""
    if len(text) > LENGTH_MAX:
        raise JsonPathError(f"a path may not be longer than {LENGTH_MAX} characters")
    steps: list[_Step] = []
    at = 1 if text.startswith(("$", "@")) else 0
    while at < len(text):
        step, at = _step(text, at)
        if step is not None:
            steps.append(step)
    return JsonPath(text, tuple(steps))


def _step(text: str, at: int) -> tuple[_Step | None, int]:
    if text.startswith("..", at):
        return _descend, at + (2 if text[at + 2 : at + 3] not in ("[", "") else 1)
    if text[at] == ".":
        if at + 1 == len(text):
            return None, at + 1  # The whole object.
        if text[at + 1] == "[":
            return None, at + 1
        at += 1
    if text.startswith("*", at):
        return _every, at + 1
    if text.startswith("[*]", at):
        return _every, at + 3
    for pattern, make in _SYNTAX:
        if (found := pattern.match(text, at)) is not None:
            return make(found), found.end()
    raise JsonPathError(f"{text!r} is not understood from {text[at:]!r} on")


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descend(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += reversed(list(_every(one)))


def _field(name: str) -> _Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _named(found: re.Match[str]) -> _Step:
    return _field(re.sub(r"\\(.)", r"\1", found[0]))


def _quoted(found: re.Match[str]) -> _Step:
    inner = found[1] if found[1] is not None else found[2]
    return _field(re.sub(r"\\(.)", r"\1", inner))


def _subscript(found: re.Match[str]) -> _Step:
    first, last, stride = found[1], found[2], found[3]
    if last is None:
        if not first:
            raise JsonPathError("an index is missing between brackets")
        index = int(first)

        def one(value: Any) -> Iterator[Any]:
            if isinstance(value, list) and -len(value) <= index < len(value):
                yield value[index]

        return one
    part = slice(int(first) if first else None, int(last) if last else None, int(stride or 1) or 1)

    def several(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[part]

    return several


def _filter(found: re.Match[str]) -> _Step:
    left, right = parse(found["left"]), _literal(found["right"])
    compares = _COMPARISONS.get(found["operator"] or "")

    def fits(item: Any) -> bool:
        values = left.find(item)
        if compares is None or not values:
            return compares is None and bool(values)
        try:
            return compares(values[0], right)
        except TypeError:  # A text and a number have no order.
            return False

    def step(value: Any) -> Iterator[Any]:
        yield from (item for item in _every(value) if fits(item))

    return step


def _literal(text: str | None) -> Any:
    if text is None:
        return None
    if text[0] in "'\"":
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        raise JsonPathError(f"{text} is neither a text in quotes nor a number") from None


_SYNTAX: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], _Step]], ...]] = (
    (_QUOTED, _quoted),
    (_FILTER, _filter),
    (_SUBSCRIPT, _subscript),
    (_NAME, _named),
)


def printed(value: Any) -> str:
    """Return *value* as Go's fmt.Print writes it, which is what templates print."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "<nil>"
    if isinstance(value, dict):
        pairs = (f"{key}:{printed(item)}" for key, item in sorted(value.items()))
        return f"map[{' '.join(pairs)}]"
    if isinstance(value, list):
        return f"[{' '.join(map(printed, value))}]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
