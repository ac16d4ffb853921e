"""Resource lists as exact numbers (upstream: apiserver/pkg/quota/v1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Final

from kubeapi import quantity
from kubeapi.objects import Object
from kubeapi.quantity import parse_quantity

Amounts = dict[str, Fraction]
ONE: Final = Fraction(1)


def read(quantities: Mapping[str, str | int | float] | None) -> Amounts:
    """Return the numbers of a resource list."""
    return {name: parse_quantity(text) for name, text in (quantities or {}).items()}


def plus(left: Amounts, right: Mapping[str, Fraction]) -> Amounts:
    return {**left, **{name: left.get(name, Fraction()) + more for name, more in right.items()}}


def at_least(left: Amounts, right: Amounts) -> Amounts:
    """Return the larger number of each resource."""
    return {**left, **{name: max(left.get(name, more), more) for name, more in right.items()}}


def growth(new: Amounts, old: Amounts) -> Amounts:
    """Return by how much each resource grew (SubtractWithNonNegativeResult)."""
    return {name: max(amount - old.get(name, 0), Fraction()) for name, amount in new.items()}


def only(amounts: Mapping[str, Fraction], names: Collection[str]) -> Amounts:
    return {name: amount for name, amount in amounts.items() if name in names}


def write(amounts: Amounts, like: Object) -> dict[str, str]:
    """Return a resource list, each number in the notation that *like* has for it."""
    return {
        name: quantity.format(amounts[name], quantity.notation(like.get(name, "0")))
        for name in sorted(amounts)
    }


def show(quantities: Mapping[str, str]) -> str:
    """Return `cpu=1,memory=2Gi` (prettyPrint)."""
    return ",".join(f"{name}={quantities[name]}" for name in sorted(quantities))
