"""How a delay varies: netem's distributions, as tables of the same kind.

A table is the inverse of a distribution function, in units of the jitter: the number that a draw
points at, times the jitter, is added to the delay. As in iproute2's tables, no value is beyond
four times the jitter, *pareto* has the shape 3, is moved to the mean 0 and stretched by 4/3, and
*paretonormal* is three quarters of it and one quarter of *normal*, of the same draw.
*uniform*, netem's default, needs no table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist
from typing import Final, Literal, get_args

Distribution = Literal["uniform", "normal", "pareto", "paretonormal"]
DISTRIBUTIONS: Final[tuple[str, ...]] = get_args(Distribution)

TABLE_SIZE: Final = 4096
SPREAD_MAX: Final = 4.0
_SHAPE: Final = 3.0


@cache
def table(name: Distribution) -> Sequence[float] | None:
    """Return the table of a distribution, None for the uniform one."""
    if name == "uniform":
        return None
    value = {"normal": _normal, "pareto": _pareto, "paretonormal": _paretonormal}[name]
    return tuple(
        max(-SPREAD_MAX, min(SPREAD_MAX, value((index + 0.5) / TABLE_SIZE)))
        for index in range(TABLE_SIZE)
    )


def _normal(probability: float) -> float:
    return NormalDist().inv_cdf(probability)


def _pareto(probability: float) -> float:
    mean = _SHAPE / (_SHAPE - 1)
    return (math.pow(1 - probability, -1 / _SHAPE) - mean) * 4 / 3


def _paretonormal(probability: float) -> float:
    return 0.25 * _normal(probability) + 0.75 * _pareto(probability)
