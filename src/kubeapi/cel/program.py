"""An expression that is checked and translated, and can be evaluated again and again."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

from kubeapi.cel.checker import check
from kubeapi.cel.errors import EvaluationError
from kubeapi.cel.evaluator import Translation
from kubeapi.cel.frame import PER_CALL_LIMIT, Budget, Frame
from kubeapi.cel.parser import parse
from kubeapi.cel.syntax import Node
from kubeapi.cel.types import Type
from kubeapi.cel.values import Value

_PARSED_MAX: Final = 512


class Program:
    """One expression."""

    __slots__ = ("_cost", "_evaluate", "_slots", "source", "type")

    def __init__(self, source: str, node: Node, variables: Mapping[str, Type]) -> None:
        self.source = source
        self.type = check(source, node, variables)
        translation = Translation(variables)
        self._evaluate = translation.of(node, {})
        self._slots, self._cost = translation.slots, translation.nodes

    def evaluate(self, variables: Mapping[str, Value], budget: Budget) -> Value:
        """Return the value; raises EvaluationError, BudgetExceeded.

        *variables* may be looked up lazily, and may lack what the expression does not need.
        """
        frame = Frame(variables, self._slots, min(PER_CALL_LIMIT, budget.left))
        allowed = frame.left
        try:
            frame.charge(self._cost)
            return self._evaluate(frame)
        except RecursionError:  # Values that nest deeper than any object may.
            raise EvaluationError("the value nests too deep") from None
        finally:
            budget.left -= allowed - frame.left


@functools.lru_cache(maxsize=_PARSED_MAX)
def parsed(source: str) -> Node:
    """Return the tree of an expression; raises CompileError."""
    return parse(source)
