"""OpenAPI's keywords about one value, in the words of kube-openapi's validators.

Each rule is given the value, the keyword's argument and the path, and returns what is wrong. A
keyword says nothing of values of another type than its own.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from kubeapi import field
from kubeapi.schema.structural import formats
from kubeapi.schema.structural.go_value import number, shown
from kubeapi.status import Cause

_PATTERNS_MAX: Final = 512  # compiled expressions that are kept


class _WrongPattern(ValueError):
    """A text is no regular expression of RE2's."""


@functools.lru_cache(maxsize=_PATTERNS_MAX)
def _compiled(pattern: str) -> Any:
    import re2  # Where nobody asks for a pattern: 1 MB, 8 ms.

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else error
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise _WrongPattern(text) from None


def wrong_pattern(pattern: str) -> str:
    """Return why *pattern* is no regular expression of RE2's; nothing for one that is."""
    try:
        _compiled(pattern)
    except _WrongPattern as error:
        return str(error)
    return ""


def _enum(value: Any, allowed: list[Any], path: str) -> Cause | None:
    if any(_same(value, one) for one in allowed):
        return None
    texts = [one if isinstance(one, str) else json.dumps(one) for one in allowed]
    return field.not_supported(path, shown(value), texts)


def _same(one: Any, other: Any) -> bool:
    """Compare as JSON does: true is not 1."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _pattern(text: str, pattern: str, path: str) -> Cause | None:
    try:
        found = _compiled(pattern).search(text)
    except _WrongPattern as error:
        return field.invalid(path, text, f"{path} in body should match '{pattern}': {error}")
    if found is not None:
        return None
    return field.invalid(path, text, f"{path} in body should match '{pattern}'")


def _min_length(text: str, least: int, path: str) -> Cause | None:
    if len(text) >= least:
        return None
    return field.invalid(path, text, f"{path} in body should be at least {least} chars long")


def _max_length(text: str, most: int, path: str) -> Cause | None:
    return None if len(text) <= most else field.too_long(path, most)


def _format(text: str, name: str, path: str) -> Cause | None:
    if formats.fits(text, name):
        return None
    quoted = json.dumps(text, ensure_ascii=False)
    return field.wrong_type(path, text, f"{path} in body must be of type {name}: {quoted}")


def _multiple_of(value: float, factor: float, path: str) -> Cause | None:
    if factor > 0 and math.isfinite(value) and Fraction(str(value)) % Fraction(str(factor)) == 0:
        return None
    detail = f"{path} in body should be a multiple of {number(factor)}"
    return field.invalid(path, number(value), detail)


def _bound(keywords: Mapping[str, Any], value: float, path: str) -> Iterator[Cause]:
    for name, exclusive, sign, word in (
        ("maximum", "exclusiveMaximum", 1, "less than"),
        ("minimum", "exclusiveMinimum", -1, "greater than"),
    ):
        if name not in keywords:
            continue
        limit, strictly = keywords[name], bool(keywords.get(exclusive))
        beyond = (value - limit) * sign
        if beyond > 0 or (beyond == 0 and strictly):
            words = word if strictly else f"{word} or equal to"
            detail = f"{path} in body should be {words} {number(limit)}"
            yield field.invalid(path, number(value), detail)


def _min_items(items: list[Any], least: int, path: str) -> Cause | None:
    if len(items) >= least:
        return None
    return field.invalid(path, len(items), f"{path} in body should have at least {least} items")


def _max_items(items: Any, most: int, path: str) -> Cause | None:
    return None if len(items) <= most else field.too_many(path, len(items), most)


def _min_properties(value: dict[str, Any], least: int, path: str) -> Cause | None:
    if len(value) >= least:
        return None
    detail = f"{path} in body should have at least {least} properties"
    return field.invalid(path, len(value), detail)


_Judge = Callable[[Any, Any, str], Cause | None]
_OF_TEXTS: Final[dict[str, _Judge]] = {
    "maxLength": _max_length,
    "minLength": _min_length,
    "pattern": _pattern,
    "format": _format,
}
_OF_NUMBERS: Final[dict[str, _Judge]] = {"multipleOf": _multiple_of}
_OF_LISTS: Final[dict[str, _Judge]] = {"minItems": _min_items, "maxItems": _max_items}
_OF_MAPS: Final[dict[str, _Judge]] = {
    "minProperties": _min_properties,
    "maxProperties": _max_items,
}
_JUDGES: Final[dict[type, dict[str, _Judge]]] = {
    str: _OF_TEXTS,
    int: _OF_NUMBERS,
    float: _OF_NUMBERS,
    list: _OF_LISTS,
    dict: _OF_MAPS,
}


def causes_of(value: Any, keywords: Mapping[str, Any], path: str) -> Iterator[Cause]:
    """Yield what *keywords* find wrong with *value*."""
    kind = type(value)
    for name, judge in _JUDGES.get(kind, {}).items():
        if name in keywords and (cause := judge(value, keywords[name], path)) is not None:
            yield cause
    if kind is int or kind is float:
        yield from _bound(keywords, value, path)
    if "enum" in keywords and (cause := _enum(value, keywords["enum"], path)) is not None:
        yield cause
