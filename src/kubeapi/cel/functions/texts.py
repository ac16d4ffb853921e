"""Strings (langdef; cel-go's `ext.Strings` version 2; Kubernetes' `find` and `findAll`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.functions import expressions
from kubeapi.cel.functions.formatting import format_text
from kubeapi.cel.functions.function import Function, Table, function, tenth
from kubeapi.cel.values import Value

_UPPER: Final = {ord(each): each.upper() for each in "abcdefghijklmnopqrstuvwxyz"}
_LOWER: Final = {ord(each): each.lower() for each in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
#: What unicode.IsSpace takes for white space.
_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007" + (
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_QUOTED: Final = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}


def _texts(*values: Value) -> None:
    if not all(type(value) is str for value in values):
        raise no_such_overload()


def _test(test: Callable[[str, str], bool]) -> Function:
    def call(text: Value, other: Value) -> bool:
        _texts(text, other)
        return test(text, other)

    return function(call, "string, string -> bool", cost=tenth)


def _mapped(change: Callable[[str], str]) -> Function:
    def call(text: Value) -> str:
        _texts(text)
        return change(text)

    return function(call, "string -> string", cost=tenth)


def _position(number: Value, length: int) -> int:
    if type(number) is not int:
        raise no_such_overload()
    if not 0 <= number <= length:
        raise EvaluationError(f"index out of range: {number}")
    return number


def _char_at(text: Value, index: Value) -> str:
    _texts(text)
    at = _position(index, len(text))
    return str(text[at : at + 1])


def _substring(text: Value, start: Value, end: Value = None) -> str:
    _texts(text)
    first = _position(start, len(text))
    last = len(text) if end is None else _position(end, len(text))
    if first > last:
        raise EvaluationError(f"invalid substring range. start: {first}, end: {last}")
    return str(text[first:last])


def index_of(text: Value, wanted: Value, offset: Value = 0) -> int:
    """Return where *wanted* first stands, from *offset* on."""
    _texts(text, wanted)
    if type(offset) is not int:
        raise no_such_overload()
    if not wanted:
        return offset
    return int(text.find(wanted, _position(offset, len(text))))


def last_index_of(text: Value, wanted: Value, offset: Value = None) -> int:
    """Return where *wanted* last begins, at *offset* or before."""
    _texts(text, wanted)
    last = len(text) if offset is None else _position(offset, len(text))
    if not wanted:
        return last
    return int(text.rfind(wanted, 0, last + len(wanted)))


def _limit(limit: Value) -> int:
    if type(limit) is not int:
        raise no_such_overload()
    return limit


def _replace(text: Value, old: Value, new: Value, limit: Value = -1) -> str:
    _texts(text, old, new)
    return str(text.replace(old, new, _limit(limit)))


def _replace_cost(arguments: Sequence[Value]) -> int:
    if not all(isinstance(each, str) for each in arguments[:3]):
        return 0
    text, old, new = arguments[:3]
    times = len(text) // max(len(old), 1) + 1
    return (len(text) + times * len(new)) // 5


def _split(text: Value, separator: Value, limit: Value = -1) -> list[str]:
    _texts(text, separator)
    most = _limit(limit)
    if most == 0:
        return []
    if not separator:
        most = len(text) if most < 0 else min(most, len(text))
        return [*text[: most - 1], text[most - 1 :]] if most else []
    return list(text.split(separator, most - 1 if most > 0 else -1))


def _join(items: Value, separator: Value = "") -> str:
    if type(items) is not list:
        raise no_such_overload()
    _texts(separator, *items)
    return str(separator.join(items))


def _join_cost(arguments: Sequence[Value]) -> int:
    items = arguments[0]
    if type(items) is not list:
        return 0
    gap = len(arguments[1]) if len(arguments) > 1 and isinstance(arguments[1], str) else 0
    return sum(len(item) + gap for item in items if isinstance(item, str)) // 5


def _quote(text: Value) -> str:
    _texts(text)
    return '"' + "".join(_QUOTED.get(each, each) for each in text) + '"'


def _matches(text: Value, pattern: Value) -> bool:
    _texts(text, pattern)
    return expressions.matches(pattern, text)


def _find(text: Value, pattern: Value) -> str:
    _texts(text, pattern)
    found = expressions.find_all(pattern, text, 1)
    return found[0] if found else ""


def _find_all(text: Value, pattern: Value, limit: Value = -1) -> list[str]:
    _texts(text, pattern)
    return expressions.find_all(pattern, text, _limit(limit))


def _regex_cost(arguments: Sequence[Value]) -> int:
    if not all(isinstance(each, str) for each in arguments[:2]):
        return 0
    return (1 + len(arguments[0]) // 10) * (1 + len(arguments[1]) // 4)


def _stripped(text: str) -> str:
    return text.strip(_SPACE)


_MATCHES: Final = function(_matches, "string, string -> bool", cost=_regex_cost)
GLOBAL: Final[Table] = {
    "matches": _MATCHES,
    "strings.quote": function(_quote, "string -> string", cost=tenth),
}
#: `indexOf` and `lastIndexOf` are the lists', too, and stand in their table.
MEMBER: Final[Table] = {
    "contains": _test(lambda text, part: part in text),
    "startsWith": _test(lambda text, part: text.startswith(part)),
    "endsWith": _test(lambda text, part: text.endswith(part)),
    "matches": _MATCHES,
    "find": function(_find, "string, string -> string", cost=_regex_cost),
    "findAll": function(
        _find_all,
        "string, string -> list(string)",
        "string, string, int -> list(string)",
        cost=_regex_cost,
    ),
    "charAt": function(_char_at, "string, int -> string"),
    "substring": function(
        _substring, "string, int -> string", "string, int, int -> string", cost=tenth
    ),
    "replace": function(
        _replace,
        "string, string, string -> string",
        "string, string, string, int -> string",
        cost=_replace_cost,
    ),
    "split": function(
        _split, "string, string -> list(string)", "string, string, int -> list(string)", cost=tenth
    ),
    "join": function(
        _join, "list(string) -> string", "list(string), string -> string", cost=_join_cost
    ),
    "lowerAscii": _mapped(lambda text: text.translate(_LOWER)),
    "upperAscii": _mapped(lambda text: text.translate(_UPPER)),
    "trim": _mapped(_stripped),
    "format": function(format_text, "string, list -> string", cost=tenth),
}
