"""How much there may be of something, or what it may cost: from the least to the most.

Everything is an unsigned number of 64 bits that stays at the end of its range (cel-go: SizeEstimate
and CostEstimate).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

MOST: Final = 2**64 - 1
#: What reading one character costs (StringTraversalCostFactor).
TRAVERSAL: Final = 0.1
#: What one character of a regular expression costs (RegexStringLengthCostFactor).
REGEX: Final = 0.25


@dataclass(frozen=True, slots=True)
class Range:
    """A size or a cost between two bounds."""

    least: int
    most: int

    def __add__(self, other: Range) -> Range:
        return Range(_bounded(self.least + other.least), _bounded(self.most + other.most))

    def __mul__(self, other: Range) -> Range:
        return Range(_bounded(self.least * other.least), _bounded(self.most * other.most))

    def __or__(self, other: Range) -> Range:
        """Return the range that holds both."""
        return Range(min(self.least, other.least), max(self.most, other.most))

    def scaled(self, factor: float) -> Range:
        """Return it times *factor*, rounded up."""
        return Range(_scaled(self.least, factor), _scaled(self.most, factor))


def fixed(number: int) -> Range:
    return Range(number, number)


NOTHING: Final = fixed(0)
ONE: Final = fixed(1)
UNKNOWN: Final = Range(0, MOST)


def _bounded(number: int) -> int:
    return min(number, MOST)


def _scaled(number: int, factor: float) -> int:
    return _bounded(math.ceil(float(number) * factor))
