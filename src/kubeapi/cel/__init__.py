"""The Common Expression Language, as Kubernetes 1.32 speaks it (langdef; apiserver/pkg/cel).

`compile(text, variables)` checks an expression and returns a `Program`; `evaluate(values, budget)`
gives its value, `estimate(text, variables, bound)` what it may cost. What parses and evaluates is
imported with the first expression: most clusters have none. Why this is no library's:
docs/decisions/0015-cel.md; what differs: docs/parity.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kubeapi.cel.errors import BudgetExceeded, CompileError, EvaluationError
from kubeapi.cel.frame import Budget
from kubeapi.cel.types import DYN, Type
from kubeapi.cel.values import Value

if TYPE_CHECKING:
    from kubeapi.cel.bounds import Bound as Bound
    from kubeapi.cel.program import Program as Program


def compile(source: str, variables: Mapping[str, Type]) -> Program:
    """Return the program of an expression over *variables*; raises CompileError."""
    from kubeapi.cel.program import Program, parsed

    return Program(source, parsed(source), variables)


def estimate(source: str, variables: Mapping[str, Type], bound: Bound) -> int:
    """Return what an expression costs at most, its variables bounded; raises CompileError."""
    from kubeapi.cel.cost import estimate as estimated
    from kubeapi.cel.program import parsed

    return estimated(source, parsed(source), variables, bound).most


__all__ = [
    "DYN",
    "Budget",
    "BudgetExceeded",
    "CompileError",
    "EvaluationError",
    "Type",
    "Value",
    "compile",
    "estimate",
]
