"""`$(( … ))`: integers, variables, C's operators in C's order of precedence."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_TOKEN: Final = re.compile(r"\s*(\d+|[A-Za-z_]\w*|\*\*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>!~&|^()])")
_TOKENS_MAX: Final = 1000
_VALUE_BITS: Final = 64
_BINARY: Final[dict[str, int]] = {
    "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, ">": 7, "<=": 7,
    ">=": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10,
    "**": 11,
}  # fmt: skip


class ArithmeticError_(ValueError):
    """An expression that has no value."""


def evaluate(expression: str, lookup: Callable[[str], str]) -> int:
    """Return the value of *expression*; raises ArithmeticError_."""
    tokens, at = list[str](), 0
    text = expression.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or len(tokens) >= _TOKENS_MAX:
            raise ArithmeticError_("arithmetic syntax error")
        tokens.append(match[1])
        at = match.end()
    if not tokens:
        return 0
    evaluator = _Evaluator(tokens, lookup)
    value = evaluator.binary(1)
    if evaluator.left:
        raise ArithmeticError_("arithmetic syntax error")
    return value


class _Evaluator:
    def __init__(self, tokens: list[str], lookup: Callable[[str], str]) -> None:
        self.left, self._lookup = tokens[::-1], lookup

    def binary(self, lowest: int) -> int:
        value = self._unary()
        while self.left and _BINARY.get(self.left[-1], 0) >= lowest:
            operator = self.left.pop()
            right_first = operator == "**"
            value = _apply(operator, value, self.binary(_BINARY[operator] + (not right_first)))
        return value

    def _unary(self) -> int:
        if not self.left:
            raise ArithmeticError_("arithmetic syntax error")
        token = self.left.pop()
        match token:
            case "-":
                return -self._unary()
            case "+":
                return self._unary()
            case "!":
                return int(not self._unary())
            case "~":
                return ~self._unary()
            case "(":
                value = self.binary(1)
                if not self.left or self.left.pop() != ")":
                    raise ArithmeticError_("arithmetic syntax error")
                return value
        return self._primary(token)

    def _primary(self, token: str) -> int:
        if not (token[0].isalnum() or token[0] == "_"):
            raise ArithmeticError_("arithmetic syntax error")
        text = token if token[0].isdigit() else self._lookup(token) or "0"
        try:
            return _wrapped(int(text, 10))
        except ValueError:
            raise ArithmeticError_("arithmetic syntax error") from None


def _apply(operator: str, a: int, b: int) -> int:
    if operator in ("/", "%"):
        if b == 0:
            raise ArithmeticError_("divide by zero")
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)  # C rounds to zero.
        return quotient if operator == "/" else a - b * quotient
    if operator == "**":
        if b < 0:
            raise ArithmeticError_("exponent less than 0")
        return _wrapped(pow(a, b, 1 << _VALUE_BITS))
    if operator in ("<<", ">>"):
        b %= _VALUE_BITS
    return _wrapped(int(_OPERATIONS[operator](a, b)))


_OPERATIONS: Final[dict[str, Callable[[int, int], int]]] = {
    "||": lambda a, b: a != 0 or b != 0,
    "&&": lambda a, b: a != 0 and b != 0,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "&": lambda a, b: a & b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<<": lambda a, b: a << b,
    ">>": lambda a, b: a >> b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}


def _wrapped(value: int) -> int:
    """Return *value* as a signed 64-bit number holds it."""
    half = 1 << (_VALUE_BITS - 1)
    return (value + half) % (1 << _VALUE_BITS) - half
