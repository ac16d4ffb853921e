"""Regular expressions in RE2's syntax.

Whether one matches is asked of Rust's engine, which answers in linear time as RE2 does. It does
not say where, so `find` asks Python's for that, of which it asks only what ends: an expression that
repeats what repeats is refused there, and so is a text that is long for what repeats side by side.
What Python cannot read of RE2's syntax, `find` refuses, too.
"""

from __future__ import annotations

import functools
import re
from typing import Final

import jsonschema_rs

from kubeapi.cel.errors import EvaluationError

_CACHED_MAX: Final = 256
_LENGTH_MAX: Final = 10_000
#: A group or class that repeats without bound, and stands in a group that does.
_NESTED: Final = re.compile(r"[*+}]\)(?:[*+]|\{\d+,\d*\})|\|[^()]*\)(?:[*+]|\{\d+,\})")
#: What repeats without bound; each may be tried at each place of the text.
_UNBOUNDED: Final = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|([*+]|\{\d+,\})")
_STEPS_MAX: Final = 300_000_000


def _error(pattern: str, why: str) -> EvaluationError:
    return EvaluationError(f"error parsing regexp: {why}: `{pattern}`")


@functools.lru_cache(maxsize=_CACHED_MAX)
def _linear(pattern: str) -> jsonschema_rs.Draft202012Validator:
    if len(pattern) > _LENGTH_MAX:
        raise _error(pattern[:80], "expression is too long")
    options = jsonschema_rs.RegexOptions()
    try:
        return jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=options)
    except (ValueError, jsonschema_rs.ValidationError):
        raise _error(pattern, "invalid or unsupported syntax") from None


def check(pattern: str) -> None:
    """Raise EvaluationError where *pattern* is no expression."""
    _linear(pattern)


def matches(pattern: str, text: str) -> bool:
    """Tell whether *pattern* matches anywhere in *text*."""
    return _linear(pattern).is_valid(text)


@functools.lru_cache(maxsize=_CACHED_MAX)
def _positional(pattern: str) -> re.Pattern[str]:
    if _NESTED.search(pattern):
        raise _error(pattern, "find takes no repetition of what repeats")
    try:
        return re.compile(_as_python(pattern), re.ASCII)
    except (re.error, OverflowError, RecursionError):
        raise _error(pattern, "find cannot read it") from None


def _as_python(pattern: str) -> str:
    """Write `$` and `\\z` as Python's `\\Z`: neither matches before a last line feed."""
    out, escaped, in_class = [], False, False
    for each in pattern:
        if escaped:
            out.append("Z" if each == "z" and not in_class else each)
            escaped = False
            continue
        escaped = each == "\\"
        in_class = (in_class or each == "[") and each != "]"
        out.append("\\Z" if each == "$" and not in_class else each)
    return "".join(out)


def find_all(pattern: str, text: str, limit: int) -> list[str]:
    """Return what matches, from left to right; at most *limit* of it where that is not negative."""
    if limit == 0 or not matches(pattern, text):
        return []
    repeats = sum(1 for each in _UNBOUNDED.finditer(pattern) if each.group(1))
    if len(text) ** (repeats + 1) > _STEPS_MAX:
        raise _error(pattern, f"find would take too long in {len(text)} characters")
    found: list[str] = []
    for match in _positional(pattern).finditer(text):
        found.append(match.group())
        if len(found) == limit:
            break
    return found
