"""IntOrString as a share of a whole (upstream apimachinery/pkg/util/intstr)."""

from __future__ import annotations

from enum import Enum


class Rounding(Enum):
    UP = "up"
    DOWN = "down"


def resolve(value: int | str, whole: int, rounding: Rounding) -> int:
    """Return *value*, or that many percent of *whole* when it is a text such as `25%`."""
    if isinstance(value, int):
        return value
    percent = int(value.removesuffix("%"))  # The API server has validated the form.
    product = percent * whole
    return -(-product // 100) if rounding is Rounding.UP else product // 100
