"""What can be wrong with an expression: its text, its evaluation, or how much of it there is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issue:
    """One fault of the text, and where it stands."""

    at: int
    message: str

    def show(self, source: str) -> str:
        """Return what cel-go prints of it."""
        line = source.count("\n", 0, self.at) + 1
        start = source.rfind("\n", 0, self.at) + 1
        end = source.find("\n", start)
        text = source[start : end if end >= 0 else len(source)]
        column = self.at - start
        return f"ERROR: <input>:{line}:{column + 1}: {self.message}\n | {text}\n | {'.' * column}^"


class CompileError(ValueError):
    """The text is no expression, or one that cannot have a meaning."""

    def __init__(self, source: str, issues: list[Issue]) -> None:
        self.issues = tuple(issues)
        super().__init__("\n".join(issue.show(source) for issue in issues))


class EvaluationError(Exception):
    """The expression has no value for these variables; `&&` and `||` may not need it."""


class BudgetExceeded(Exception):
    """The evaluation costs more than it may."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


def no_such_overload() -> EvaluationError:
    return EvaluationError("no such overload")
