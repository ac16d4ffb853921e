"""Quantities: `100m`, `1.5Gi`, `2e3` (upstream: apimachinery `api/resource`).

Numbers are exact fractions. As upstream, what is finer than a nano is rounded up, and the
canonical text has no fraction and the largest suffix that keeps it an integer. Unlike upstream,
numbers beyond int64 keep their value instead of being capped.
"""

from __future__ import annotations

import functools
import math
import re
from enum import Enum
from fractions import Fraction
from typing import Final

_SYNTAX: Final = re.compile(
    r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,3}))?",
    re.ASCII,
)
#: Longer texts are no number that anyone means, and Python will not read one of 4,301 digits.
_LENGTH_MAX: Final = 1000
_BINARY: Final = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Final = {
    "n": -9,
    "u": -6,
    "m": -3,
    "": 0,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_SUFFIX_OF: Final = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_FINEST: Final = -9


class Format(Enum):
    """How a quantity was, and will be, written."""

    DECIMAL_SI = "DecimalSI"
    BINARY_SI = "BinarySI"
    DECIMAL_EXPONENT = "DecimalExponent"


class QuantityError(ValueError):
    """The text is no quantity."""


def _parse(text: str | int | float) -> tuple[Fraction, Format]:
    match = _SYNTAX.fullmatch(str(text)) if len(str(text)) <= _LENGTH_MAX else None
    if match is None:
        raise QuantityError(
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    sign, digits, binary, decimal, exponent = match.groups()
    number = Fraction(digits.rstrip("."))
    how = Format.DECIMAL_SI
    if binary:
        number *= 1024 ** (_BINARY.index(binary) + 1)
        how = Format.BINARY_SI
    elif decimal:
        number *= Fraction(10) ** _DECIMAL[decimal]
    elif exponent:
        number *= Fraction(10) ** int(exponent)
        how = Format.DECIMAL_EXPONENT
    scale = 10**-_FINEST
    if number.denominator != 1:
        number = Fraction(math.ceil(number * scale), scale)
    return (-number if sign == "-" else number), how


@functools.lru_cache(maxsize=4096)
def parse_quantity(text: str | int | float) -> Fraction:
    """Return the exact number; raises QuantityError when *text* is no quantity."""
    return _parse(text)[0]


@functools.lru_cache(maxsize=4096)
def milli(text: str | int | float) -> int:
    """Return thousandths, rounded up: the unit of CPU."""
    return math.ceil(parse_quantity(text) * 1000)


@functools.lru_cache(maxsize=4096)
def value(text: str | int | float) -> int:
    """Return whole units, rounded up: the unit of memory and counts."""
    return math.ceil(parse_quantity(text))


@functools.lru_cache(maxsize=4096)
def canonical(text: str | int | float) -> str:
    """Return the text that upstream's API server would store for *text*."""
    number, how = _parse(text)
    return format(number, how)


def format(number: Fraction | int, how: Format = Format.DECIMAL_SI) -> str:
    """Return the canonical text of *number*."""
    if how is Format.BINARY_SI and not -1024 < number < 1024:
        return _format_binary(math.ceil(number))
    if number == 0:
        return "0"
    mantissa = math.ceil(number * 10**-_FINEST)
    exponent = _FINEST
    while mantissa % 1000 == 0 and exponent < 18:
        mantissa //= 1000
        exponent += 3
    if how is Format.DECIMAL_EXPONENT:
        return f"{mantissa}e{exponent}" if exponent else str(mantissa)
    return f"{mantissa}{_SUFFIX_OF[exponent]}"


def _format_binary(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < len(_BINARY):
        number //= 1024
        power += 1
    return f"{number}{_BINARY[power - 1]}" if power else str(number)


def notation(text: str | int | float) -> Format:
    """Return how *text* is written; raises QuantityError."""
    return _parse(text)[1]
