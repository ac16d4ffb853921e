"""One policy, with one set of parameters, judges one write (upstream: policy/validating)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from controlplane.apiserver.admission.expressions import Variables, failed_condition
from controlplane.apiserver.admission.policy.definitions import Policy, Validation
from kubeapi import cel
from kubeapi.cel.values import Selectable

if TYPE_CHECKING:
    from kubeapi.cel import Budget, Program

_MESSAGE_MAX: Final = 5 * 1024
_ANNOTATION_MAX: Final = 10 * 1024


@dataclass(frozen=True, slots=True)
class Violation:
    """What does not hold, and why."""

    message: str
    reason: str = "Invalid"
    index: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    violations: tuple[Violation, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()


class _Composed(Selectable):
    """`variables`: each evaluated when it is first looked at, and once."""

    __slots__ = ("_budget", "_made", "_outer", "_programs")

    def __init__(
        self, programs: Mapping[str, Program | None], outer: Variables, budget: Budget
    ) -> None:
        self._programs, self._outer, self._budget = programs, outer, budget
        self._made: dict[str, object] = {}

    def select(self, name: str) -> object:
        if name in self._made:
            found = self._made[name]
        else:
            self._made[name] = cel.EvaluationError(f'variable "{name}" refers to itself')
            found = self._made[name] = self._evaluate(name, self._programs[name])
        if isinstance(found, cel.EvaluationError):
            raise found
        return found

    def _evaluate(self, name: str, program: Program | None) -> object:
        if program is None:
            return cel.EvaluationError(f'composited variable "{name}" does not compile')
        try:
            return program.evaluate(self._outer, self._budget)
        except cel.EvaluationError as error:
            told = f'composited variable "{name}" fails to evaluate: {error}'
            return cel.EvaluationError(told)


def judge(policy: Policy, variables: Variables) -> Judgement:
    """Return what the write violates; what cannot be judged is a violation, or is let pass."""
    budget = cel.Budget()
    variables.put("variables", _Composed(policy.variables, variables, budget))
    false, wrong = failed_condition(policy.conditions, variables, budget)
    if wrong:
        return Judgement() if policy.fails_open else Judgement((Violation(wrong),))
    if false:
        return Judgement()
    violations: list[Violation] = []
    for index, validation in enumerate(policy.validations):
        found = _violation(policy, validation, variables, budget)
        if found is not None:
            violations.append(Violation(found.message, found.reason, index))
    annotations: list[tuple[str, str]] = []
    for key, program in policy.annotations:
        text, failure = _annotation(key, program, variables, budget)
        if text:
            annotations.append((key, text))
        elif failure and not policy.fails_open:
            violations.append(Violation(failure))
    return Judgement(tuple(violations), tuple(annotations))


def _violation(
    policy: Policy, validation: Validation, variables: Variables, budget: Budget
) -> Violation | None:
    failure = f"expression '{validation.source}' does not compile"
    if validation.program is not None:
        try:
            value = validation.program.evaluate(variables, budget)
        except (cel.EvaluationError, cel.BudgetExceeded) as error:
            failure = f"expression '{validation.source}' resulted in error: {error}"
        else:
            if value is True:
                return None
            message = _message(validation, variables, budget)
            return Violation(message, validation.reason)
    return None if policy.fails_open else Violation(failure)


def _message(validation: Validation, variables: Variables, budget: Budget) -> str:
    """Return what the policy's author says; what makes no message is passed over."""
    computed: object = ""
    if validation.message_program is not None:
        try:
            computed = validation.message_program.evaluate(variables, budget)
        except (cel.EvaluationError, cel.BudgetExceeded):
            computed = ""
    said = computed.strip() if isinstance(computed, str) else ""
    if 0 < len(said) <= _MESSAGE_MAX and "\n" not in said:
        return said
    return validation.message.strip() or f"failed expression: {validation.source.strip()}"


def _annotation(
    key: str, program: Program | None, variables: Variables, budget: Budget
) -> tuple[str, str]:
    """Return an annotation's text, or why there is none."""
    if program is None:
        return "", f"valueExpression of '{key}' does not compile"
    try:
        value = program.evaluate(variables, budget)
    except (cel.EvaluationError, cel.BudgetExceeded) as error:
        return "", f"valueExpression '{program.source}' resulted in error: {error}"
    if value is None:
        return "", ""
    if not isinstance(value, str):
        return "", f"valueExpression '{program.source}' resulted in unsupported return type"
    return value.strip()[:_ANNOTATION_MAX], ""
