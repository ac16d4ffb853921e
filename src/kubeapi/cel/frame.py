"""What an evaluation has: its variables, its macros' slots, and what it may still cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from kubeapi.cel.errors import BudgetExceeded
from kubeapi.cel.values import Value, equal, size_of

#: What one expression may cost (upstream: PerCallLimit). A unit takes about 0.2 µs here.
PER_CALL_LIMIT: Final = 1_000_000
#: What all expressions of one policy, or one validation, may (upstream: ten times that).
TOTAL_LIMIT: Final = 2_000_000


class Budget:
    """What several evaluations may cost together."""

    __slots__ = ("left",)

    def __init__(self, left: int = TOTAL_LIMIT) -> None:
        self.left = left


class Frame:
    """One evaluation."""

    __slots__ = ("left", "slots", "variables")

    def __init__(self, variables: Mapping[str, Value], slots: int, left: int) -> None:
        self.variables, self.left = variables, left
        self.slots: list[Value] = [None] * slots

    def charge(self, cost: int) -> None:
        """Count a cost; raises BudgetExceeded."""
        self.left -= cost
        if self.left < 0:
            raise BudgetExceeded

    def equal(self, left: Value, right: Value) -> bool:
        """Compare; what is large costs."""
        if type(left) in (list, dict) or type(left) is str:
            self.charge(min(size_of(left), size_of(right)) // (10 if type(left) is str else 1))
        return equal(left, right)


Evaluate = Callable[[Frame], Value]
