"""What a function is to the checker and the evaluator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kubeapi.cel.types import DYN, Type, named
from kubeapi.cel.values import Value

#: What a call costs beyond 1, of its arguments.
Cost = Callable[[Sequence[Value]], int]


@dataclass(frozen=True, slots=True)
class Signature:
    """The types that one overload takes, a receiver's first, and what it returns."""

    parameters: tuple[Type, ...]
    result: Type


@dataclass(frozen=True, slots=True)
class Function:
    """One name with its overloads; `call` tells them apart by the values' types."""

    call: Callable[..., Value]
    signatures: tuple[Signature, ...]
    cost: Cost | None = None


#: Functions by name; those called on a receiver are in tables of their own.
Table = Mapping[str, Function]


def function(call: Callable[..., Value], *signatures: str, cost: Cost | None = None) -> Function:
    """Return a function of signatures written as `string, int -> bool`."""
    return Function(call, tuple(_signature(text) for text in signatures), cost)


def _signature(text: str) -> Signature:
    parameters, _, result = text.partition("->")
    names = [name.strip() for name in parameters.split(",") if name.strip()]
    return Signature(tuple(named(name) for name in names), named(result.strip()) if result else DYN)


def tenth(arguments: Sequence[Value]) -> int:
    """Return the cost of reading the first argument (StringTraversalCostFactor)."""
    first = arguments[0]
    return len(first) // 10 if isinstance(first, str | bytes) else 0


def whole(arguments: Sequence[Value]) -> int:
    """Return the cost of looking at every item of the first argument."""
    first = arguments[0]
    return len(first) if isinstance(first, str | bytes | list | dict) else 0
