"""IntOrString against upstream's documented rounding."""

from __future__ import annotations

import pytest

from controlplane.controllermanager.int_or_percent import Rounding, resolve


@pytest.mark.parametrize(
    ("value", "whole", "rounding", "expected"),
    [
        (3, 10, Rounding.UP, 3),
        ("25%", 3, Rounding.UP, 1),
        ("25%", 3, Rounding.DOWN, 0),
        ("25%", 6, Rounding.UP, 2),
        ("25%", 6, Rounding.DOWN, 1),
        ("50%", 4, Rounding.UP, 2),
        ("100%", 7, Rounding.DOWN, 7),
        ("0%", 7, Rounding.UP, 0),
    ],
)
def test_resolve(value, whole, rounding, expected):
    assert resolve(value, whole, rounding) == expected
