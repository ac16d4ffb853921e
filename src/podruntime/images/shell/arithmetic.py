"""`$(( … ))`: integers, variables, C's operators in C's order of precedence."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_TOKEN: Final = re.compile(
    r"\s*(0[xX][0-9a-fA-F]+|\d+|[A-Za-z_]\w*|<<=|>>=|\+\+|--|[-+*/%&|^]=|\*\*|<<|>>|<=|>=|==|!=|&&"
    r"|\|\||[-+*/%<>!~&|^()=?:,])"
)
_TOKENS_MAX: Final = 1000
_VALUE_BITS: Final = 64
_BINARY: Final[dict[str, int]] = {
    "||": 1, "&&": 2, "|": 3, "^": 4, "&": 5, "==": 6, "!=": 6, "<": 7, ">": 7, "<=": 7,
    ">=": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10,
    "**": 11,
}  # fmt: skip


_ASSIGNMENTS: Final = ("=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=")


def _is_name(token: str) -> bool:
    return token[0].isalpha() or token[0] == "_"


class ArithmeticError_(ValueError):
    """An expression that has no value."""


def _refuse(_name: str, _value: str) -> None:
    raise ArithmeticError_("arithmetic syntax error")


def evaluate(
    expression: str,
    lookup: Callable[[str], str],
    assign: Callable[[str, str], None] = _refuse,
) -> int:
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
    evaluator = _Evaluator(tokens, lookup, assign)
    value = evaluator.whole()
    if evaluator.left:
        raise ArithmeticError_("arithmetic syntax error")
    return value


class _Evaluator:
    def __init__(
        self,
        tokens: list[str],
        lookup: Callable[[str], str],
        assign: Callable[[str, str], None],
    ) -> None:
        self.left, self._lookup, self._assign = tokens[::-1], lookup, assign
        self._skips = 0  # Within an alternative that does not count.

    def whole(self) -> int:
        """Return what expressions with commas between them come to: the last one."""
        value = self._assignment()
        while self.left and self.left[-1] == ",":
            self.left.pop()
            value = self._assignment()
        return value

    def _assignment(self) -> int:
        if len(self.left) > 1 and _is_name(self.left[-1]) and self.left[-2] in _ASSIGNMENTS:
            name, operator = self.left.pop(), self.left.pop()
            value = self._assignment()
            if operator != "=":
                value = _apply(operator[:-1], self._number(name), value)
            return self._set(name, value)
        return self._conditional()

    def _conditional(self) -> int:
        value = self.binary(1)
        if not self.left or self.left[-1] != "?":
            return value
        self.left.pop()
        yes = self._alternative(counts=value != 0)
        if not self.left or self.left.pop() != ":":
            raise ArithmeticError_("arithmetic syntax error")
        no = self._alternative(counts=value == 0)
        return yes if value else no

    def _alternative(self, *, counts: bool) -> int:
        self._skips += not counts
        try:
            return self._assignment()
        finally:
            self._skips -= not counts

    def _set(self, name: str, value: int) -> int:
        if not self._skips:
            self._assign(name, str(value))
        return value

    def _number(self, name: str) -> int:
        return self._primary(name)

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
            case "++" | "--":
                if not self.left or not _is_name(self.left[-1]):
                    raise ArithmeticError_("arithmetic syntax error")
                name = self.left.pop()
                return self._set(name, _wrapped(self._number(name) + (1 if token == "++" else -1)))
            case "-":
                return -self._unary()
            case "+":
                return self._unary()
            case "!":
                return int(not self._unary())
            case "~":
                return ~self._unary()
            case "(":
                value = self.whole()
                if not self.left or self.left.pop() != ")":
                    raise ArithmeticError_("arithmetic syntax error")
                return value
        value = self._primary(token)
        if self.left and self.left[-1] in ("++", "--") and _is_name(token):
            step = 1 if self.left.pop() == "++" else -1
            self._set(token, _wrapped(value + step))
        return value

    def _primary(self, token: str) -> int:
        if not (token[0].isalnum() or token[0] == "_"):
            raise ArithmeticError_("arithmetic syntax error")
        text = token if token[0].isdigit() else self._lookup(token) or "0"
        try:
            return _wrapped(int(text, 16 if text[:2] in ("0x", "0X") else 10))
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
