"""awk's expressions, made into functions of the machine (POSIX awk, "Expressions").

From the loosest binding to the tightest: assignment, ?:, ||, &&, in, ~, comparison, concatenation,
addition, multiplication, unary, power, increments, $.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from podruntime.images.awk.functions import CALLS, check_arity, replaced, split
from podruntime.images.awk.lexer import Token
from podruntime.images.awk.machine import (
    UNSET,
    Code,
    Machine,
    Value,
    bounded,
    compare,
    is_true,
    number,
    text,
)
from podruntime.images.busybox.arguments import BadUsage

#: How deep a program may nest; the reader calls itself.
DEPTH_MAX: Final = 25
_ASSIGN: Final = ("=", "+=", "-=", "*=", "/=", "%=", "^=")
_BEGINS_VALUE: Final = (
    "number", "string", "regex", "name", "function", "$", "!", "(", "-", "+", "++", "--",
)  # fmt: skip
_COMPARE: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "<": operator.lt, "<=": operator.le, "==": operator.eq,
    "!=": operator.ne, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """What can be assigned: a variable, an element of an array, or a field."""

    name: str = ""
    index: Code | None = None  # of an element, or of a field where there is no name

    def get(self, machine: Machine) -> Value:
        if self.index is None:
            return machine.variables.get(self.name, UNSET)
        if not self.name:
            return machine.field(number(self.index(machine)))
        array = machine.arrays.setdefault(self.name, {})
        return array.setdefault(text(self.index(machine)), UNSET)

    def set(self, machine: Machine, value: Value) -> Value:
        machine.step()
        if self.index is None:
            machine.set(self.name, value)
        elif not self.name:
            machine.set_field(number(self.index(machine)), value)
        else:
            machine.arrays.setdefault(self.name, {})[text(self.index(machine))] = value
        return value


def _arithmetic(sign: str, left: float, right: float) -> float:
    try:
        match sign:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "/":
                return left / right
            case "%":
                return math.fmod(left, right)
        return math.pow(left, right)
    except (ZeroDivisionError, ValueError):
        raise BadUsage("cmd. line: division by zero") from None
    except OverflowError:
        return math.inf


def _operation(sign: str, left: Code, right: Code) -> Code:
    return lambda m: _arithmetic(sign, number(left(m)), number(right(m)))


class ExpressionParser:
    """Reads expressions from tokens."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens, self._at, self._depth = found, 0, 0

    @property
    def kind(self) -> str:
        return self._tokens[self._at].kind

    def take(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def accept(self, *kinds: str) -> bool:
        found = self.kind in kinds
        self._at += found
        return found

    def expect(self, kind: str) -> Token:
        """Take a token of *kind*; raises BadUsage."""
        if self.kind != kind:
            raise BadUsage(f"cmd. line: unexpected token: {self.kind!r}, expected {kind!r}")
        return self.take()

    def skip_newlines(self) -> None:
        while self.accept("\n"):
            pass

    def expression(self, *, no_in: bool = False, no_greater: bool = False) -> Code:
        """Read one; *no_greater*: `>` is print's, *no_in*: `in` is for's."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise BadUsage("cmd. line: the program nests too deep")
        try:
            return self._assignment(no_in, no_greater)
        finally:
            self._depth -= 1

    def _assignment(self, no_in: bool, no_greater: bool) -> Code:
        start = self._at
        target = self._target()
        if target is not None and self.kind in _ASSIGN:
            sign = self.take().kind[:-1]
            value = self.expression(no_in=no_in, no_greater=no_greater)
            if not sign:
                return lambda m: target.set(m, value(m))
            changed = _operation(sign, target.get, value)
            return lambda m: target.set(m, changed(m))
        self._at = start
        return self._choice(no_in, no_greater)

    def _target(self) -> Target | None:
        """Read what can be assigned, if that stands here."""
        if self.kind == "$":
            self.take()
            return Target(index=self._field_index())
        if self.kind != "name":
            return None
        name = self.take().text
        if not self.accept("["):
            return Target(name)
        index = self._subscript()
        return Target(name, index)

    def _field_index(self) -> Code:
        if self.kind in ("++", "--"):
            return self._increment()
        return self._primary()

    def _subscript(self) -> Code:
        parts = [self.expression()]
        while self.accept(","):
            parts.append(self.expression())
        self.expect("]")
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _choice(self, no_in: bool, no_greater: bool) -> Code:
        condition = self._or(no_in, no_greater)
        if not self.accept("?"):
            return condition
        self.skip_newlines()
        first = self.expression(no_in=no_in, no_greater=no_greater)
        self.skip_newlines()
        self.expect(":")
        self.skip_newlines()
        second = self.expression(no_in=no_in, no_greater=no_greater)
        return lambda m: first(m) if is_true(condition(m)) else second(m)

    def _or(self, no_in: bool, no_greater: bool) -> Code:
        left = self._and(no_in, no_greater)
        while self.accept("||"):
            self.skip_newlines()
            left = _either(left, self._and(no_in, no_greater))
        return left

    def _and(self, no_in: bool, no_greater: bool) -> Code:
        left = self._membership(no_in, no_greater)
        while self.accept("&&"):
            self.skip_newlines()
            left = _both(left, self._membership(no_in, no_greater))
        return left

    def _membership(self, no_in: bool, no_greater: bool) -> Code:
        left = self._matching(no_greater)
        while not no_in and self.accept("in"):
            left = _is_in(left, self.expect("name").text)
        return left

    def _matching(self, no_greater: bool) -> Code:
        left = self._comparison(no_greater)
        while self.kind in ("~", "!~"):
            wanted = self.take().kind == "~"
            left = _matches(left, self.regex_or(self._comparison), wanted=wanted)
        return left

    def regex_or(self, read: Callable[[bool], Code]) -> Code:
        """Read a regular expression as the text it is, or something else."""
        if self.kind == "regex":
            source = self.take().text
            return lambda _m: source
        return read(False)

    def _comparison(self, no_greater: bool) -> Code:
        left = self._concatenation(no_greater)
        if self.kind in _COMPARE and not (no_greater and self.kind == ">"):
            holds = _COMPARE[self.take().kind]
            right = self._concatenation(no_greater)
            return lambda m: float(holds(compare(left(m), right(m)), 0))
        return left

    def _concatenation(self, no_greater: bool) -> Code:
        parts = [self._sum()]
        while self.kind in _BEGINS_VALUE and self.kind not in ("+", "-"):
            parts.append(self._sum())
        if len(parts) == 1:
            return parts[0]
        return lambda m: bounded("".join([text(part(m)) for part in parts]))

    def _sum(self) -> Code:
        left = self._product()
        while self.kind in ("+", "-"):
            left = _operation(self.take().kind, left, self._product())
        return left

    def _product(self) -> Code:
        left = self._unary()
        while self.kind in ("*", "/", "%"):
            left = _operation(self.take().kind, left, self._unary())
        return left

    def _unary(self) -> Code:
        if self.kind not in ("!", "-", "+"):
            return self._power()
        sign = self.take().kind
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise BadUsage("cmd. line: the program nests too deep")
        value = self._unary()
        self._depth -= 1
        if sign == "!":
            return lambda m: float(not is_true(value(m)))
        return _operation(sign, lambda _m: 0.0, value)

    def _power(self) -> Code:
        base = self._increment()
        if not self.accept("^"):
            return base
        return _operation("^", base, self._unary())

    def _increment(self) -> Code:
        if self.kind in ("++", "--"):
            change = 1.0 if self.take().kind == "++" else -1.0
            target = self._target()
            if target is None:
                raise BadUsage("cmd. line: ++ and -- need a variable")
            known = target
            return lambda m: known.set(m, number(known.get(m)) + change)
        start = self._at
        target = self._target()
        if target is not None and self.kind in ("++", "--"):
            known, step = target, 1.0 if self.take().kind == "++" else -1.0

            def after(machine: Machine) -> Value:
                before = number(known.get(machine))
                known.set(machine, before + step)
                return before

            return after
        if target is not None:
            return target.get
        self._at = start
        return self._primary()

    def _primary(self) -> Code:
        if self.kind in ("name", "$"):
            target = self._target()
            assert target is not None
            return target.get
        token = self.take()
        match token.kind:
            case "number":
                value = float(token.text)
                return lambda _m: value
            case "string":
                return lambda _m: token.text
            case "regex":
                source: Code = lambda _m: token.text  # noqa: E731 - As short as its brothers.
                return _matches(lambda m: m.field(0), source, wanted=True)
            case "function":
                return self._call(token.text)
            case "(":
                return self._group()
        raise BadUsage(f"cmd. line: unexpected token: {token.kind!r}")

    def _group(self) -> Code:
        """Read what stands in parentheses: an expression, or the subscripts before `in`."""
        parts = [self.expression()]
        while self.accept(","):
            parts.append(self.expression())
        self.expect(")")
        if len(parts) == 1:
            return parts[0]
        self.expect("in")
        return _is_in(_joined(parts), self.expect("name").text)

    def _call(self, name: str) -> Code:
        if not self.accept("("):
            check_arity(name, 0)
            return lambda m: CALLS[name](m, [])
        if name in ("sub", "gsub"):
            return self._substitution(every=name == "gsub")
        if name == "length" and self._tokens[self._at + 1].kind == ")" and self.kind == "name":
            return self._length_of_name()
        arguments: list[Code] = []
        into = ""
        while self.kind != ")":
            if name == "split" and len(arguments) == 1 and not into:
                into = self.expect("name").text
            elif name in ("split", "match"):
                arguments.append(self.regex_or(lambda _no: self.expression()))
            else:
                arguments.append(self.expression())
            if not self.accept(","):
                break
        self.expect(")")
        check_arity(name, len(arguments) + bool(into))
        if name == "split":
            return lambda m: split(m, into, arguments)
        call = CALLS[name]
        return lambda m: call(m, arguments)

    def _length_of_name(self) -> Code:
        """Read length(x), which counts the elements where x is an array."""
        target = Target(self.take().text)
        self.take()

        def length(machine: Machine) -> Value:
            array = machine.arrays.get(target.name)
            return float(len(text(target.get(machine)) if array is None else array))

        return length

    def _substitution(self, *, every: bool) -> Code:
        source = self.regex_or(lambda _no: self.expression())
        self.expect(",")
        made = self.expression()
        target: Target | None = Target(index=lambda _m: 0.0)
        if self.accept(","):
            target = self._target()
        self.expect(")")
        if target is None:
            raise BadUsage("cmd. line: sub and gsub need a variable")
        known = target

        def substitute(machine: Machine) -> Value:
            what, by = text(source(machine)), text(made(machine))
            line, count = replaced(machine, what, by, text(known.get(machine)), every=every)
            if count:
                known.set(machine, bounded(line))
            return float(count)

        return substitute


def _joined(parts: list[Code]) -> Code:
    return lambda m: text(m.variables["SUBSEP"]).join([text(part(m)) for part in parts])


def _either(left: Code, right: Code) -> Code:
    return lambda m: float(is_true(left(m)) or is_true(right(m)))


def _both(left: Code, right: Code) -> Code:
    return lambda m: float(is_true(left(m)) and is_true(right(m)))


def _is_in(index: Code, array: str) -> Code:
    return lambda m: float(text(index(m)) in m.arrays.get(array, {}))


def _matches(left: Code, right: Code, *, wanted: bool) -> Code:
    def match(machine: Machine) -> Value:
        found = machine.pattern(text(right(machine))).search(text(left(machine)))
        return float((found is not None) is wanted)

    return match
