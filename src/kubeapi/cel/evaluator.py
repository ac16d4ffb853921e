"""A tree as functions that call one another: half the time of walking the tree.

A frame has the variables and, in slots that are known before, those of macros. What an expression
costs is counted as upstream counts it, with one difference: what stands there once is counted
whole, before it begins, whether all of it is needed or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kubeapi.cel import arithmetic
from kubeapi.cel.comprehension import comprehension
from kubeapi.cel.errors import EvaluationError, no_such_overload
from kubeapi.cel.frame import Evaluate, Frame
from kubeapi.cel.functions.function import Function
from kubeapi.cel.functions.library import GLOBAL, MEMBER, TYPES
from kubeapi.cel.names import qualified, root, unescaped
from kubeapi.cel.syntax import (
    Binary,
    Call,
    Comprehension,
    Conditional,
    Ident,
    Index,
    ListLiteral,
    Literal,
    Logical,
    MapLiteral,
    Node,
    OptionalMap,
    Select,
    Unary,
)
from kubeapi.cel.values import (
    NONE,
    OptionalValue,
    Selectable,
    UInt,
    Value,
    compare,
    contains,
)

_Scope = Mapping[str, int]
_MISSING: Final = object()


class Translation:
    """One expression being translated: how many slots and nodes it has."""

    def __init__(self, variables: Mapping[str, object]) -> None:
        self._variables = variables
        self.slots = 0
        self.nodes = 0

    def slot(self) -> int:
        self.slots += 1
        return self.slots - 1

    def is_variable(self, node: Node, scope: _Scope) -> bool:
        name = root(node)
        return name in scope or name in self._variables

    def of(self, node: Node, scope: _Scope) -> Evaluate:
        """Return the function of a node."""
        self.nodes += not isinstance(node, Literal)
        match node:
            case Literal():
                value = node.value
                return lambda _frame: value
            case Ident():
                return self._ident(node, scope)
            case Select():
                return self._select(node, scope)
            case Index():
                return self._index(node, scope)
            case Call():
                return self._call(node, scope)
            case Unary():
                return self._unary(node, scope)
            case Binary():
                return self._binary(node, scope)
            case Logical():
                operands = tuple(self.of(operand, scope) for operand in node.operands)
                return _all_of(operands) if node.operator == "&&" else _any_of(operands)
            case Conditional():
                return self._conditional(node, scope)
            case ListLiteral():
                return self._list(node, scope)
            case MapLiteral():
                return self._map(node, scope)
            case Comprehension():
                return comprehension(self, node, scope)
            case OptionalMap():
                return self._optional_map(node, scope)

    def _ident(self, node: Ident, scope: _Scope) -> Evaluate:
        name = node.name
        if name in scope:
            slot = scope[name]
            return lambda frame: frame.slots[slot]
        if name not in self._variables:
            constant = TYPES[name]
            return lambda _frame: constant

        def variable(frame: Frame) -> Value:
            try:
                return frame.variables[name]
            except KeyError:
                raise EvaluationError(f"no such attribute(s): {name}") from None

        return variable

    def _select(self, node: Select, scope: _Scope) -> Evaluate:
        constant = TYPES.get(qualified(node) or "")
        if constant is not None and not self.is_variable(node, scope):
            return lambda _frame: constant
        operand, name = self.of(node.operand, scope), node.name
        if node.test_only:
            return lambda frame: _has(operand(frame), name)
        if node.optional:
            return lambda frame: _optional_field(operand(frame), name)

        def select(frame: Frame) -> Value:
            target = operand(frame)
            if type(target) is dict:
                try:
                    return target[name]
                except KeyError:
                    pass
            return _field(target, name)

        return select

    def _index(self, node: Index, scope: _Scope) -> Evaluate:
        operand, index = self.of(node.operand, scope), self.of(node.index, scope)
        if node.optional:
            return lambda frame: _optional_item(operand(frame), index(frame))
        return lambda frame: _item(operand(frame), index(frame))

    def _call(self, node: Call, scope: _Scope) -> Evaluate:
        name, targets = node.name, [] if node.target is None else [node.target]
        function = GLOBAL.get(name) if node.target is None else MEMBER.get(name)
        if node.target is not None and not self.is_variable(node.target, scope):
            dotted = f"{qualified(node.target)}.{name}"
            if dotted in GLOBAL:
                function, targets = GLOBAL[dotted], []
        assert function is not None, "the checker knows every function"
        arguments = tuple(self.of(each, scope) for each in (*targets, *node.arguments))
        return _called(function, arguments)

    def _unary(self, node: Unary, scope: _Scope) -> Evaluate:
        operand = self.of(node.operand, scope)
        if node.operator == "-":
            return lambda frame: arithmetic.negate(operand(frame))

        def negated(frame: Frame) -> bool:
            value = operand(frame)
            if value is True:
                return False
            if value is False:
                return True
            raise no_such_overload()

        return negated

    def _binary(self, node: Binary, scope: _Scope) -> Evaluate:
        left, right = self.of(node.left, scope), self.of(node.right, scope)
        match node.operator:
            case "==":
                return lambda frame: frame.equal(left(frame), right(frame))
            case "!=":
                return lambda frame: not frame.equal(left(frame), right(frame))
            case "in":
                return lambda frame: _in(frame, left(frame), right(frame))
        if node.operator in _COMPARISONS:
            wanted = _COMPARISONS[node.operator]
            return lambda frame: compare(left(frame), right(frame)) in wanted
        operate = arithmetic.OPERATORS[node.operator]
        if node.operator != "+":
            return lambda frame: operate(left(frame), right(frame))
        return lambda frame: _sum(frame, left(frame), right(frame))

    def _conditional(self, node: Conditional, scope: _Scope) -> Evaluate:
        condition = self.of(node.condition, scope)
        then, otherwise = self.of(node.then, scope), self.of(node.otherwise, scope)

        def choose(frame: Frame) -> Value:
            value = condition(frame)
            if value is True:
                return then(frame)
            if value is False:
                return otherwise(frame)
            raise no_such_overload()

        return choose

    def _list(self, node: ListLiteral, scope: _Scope) -> Evaluate:
        items = tuple(self.of(item, scope) for item in node.items)
        if not any(node.optional):
            return lambda frame: [item(frame) for item in items]
        pairs = tuple(zip(items, node.optional, strict=True))

        def build(frame: Frame) -> list[Value]:
            built: list[Value] = []
            for item, optional in pairs:
                value = item(frame)
                if optional:
                    built += [value.value] if _as_optional(value).present else []
                else:
                    built.append(value)
            return built

        return build

    def _map(self, node: MapLiteral, scope: _Scope) -> Evaluate:
        entries = tuple(
            (self.of(key, scope), self.of(value, scope), optional)
            for key, value, optional in zip(node.keys, node.values, node.optional, strict=True)
        )

        def build(frame: Frame) -> dict[Value, Value]:
            built: dict[Value, Value] = {}
            for key_of, value_of, optional in entries:
                key, value = key_of(frame), value_of(frame)
                if type(key) not in (str, int, UInt, bool):
                    raise EvaluationError("unsupported key type")
                if key in built:
                    raise EvaluationError(f"Failed with repeated key: {key}")
                if not optional:
                    built[key] = value
                elif _as_optional(value).present:
                    built[key] = value.value
            return built

        return build

    def _optional_map(self, node: OptionalMap, scope: _Scope) -> Evaluate:
        operand, slot = self.of(node.operand, scope), self.slot()
        body, flat = self.of(node.body, {**scope, node.variable: slot}), node.flat

        def change(frame: Frame) -> OptionalValue:
            value = _as_optional(operand(frame))
            if not value.present:
                return NONE
            frame.slots[slot] = value.value
            found = body(frame)
            return _as_optional(found) if flat else OptionalValue(True, found)

        return change


_COMPARISONS: Final[Mapping[str, tuple[int, ...]]] = {
    "<": (-1,),
    "<=": (-1, 0),
    ">": (1,),
    ">=": (0, 1),
}


def _called(function: Function, arguments: tuple[Evaluate, ...]) -> Evaluate:
    call, cost = function.call, function.cost
    if cost is not None:

        def charged(frame: Frame) -> Value:
            values = [argument(frame) for argument in arguments]
            frame.charge(cost(values))
            return call(*values)

        return charged
    if len(arguments) == 1:
        only = arguments[0]
        return lambda frame: call(only(frame))
    return lambda frame: call(*[argument(frame) for argument in arguments])


def _all_of(operands: tuple[Evaluate, ...]) -> Evaluate:
    """`&&`: one false is enough, whatever is wrong with the others."""
    return lambda frame: _decided(frame, operands, False)


def _any_of(operands: tuple[Evaluate, ...]) -> Evaluate:
    return lambda frame: _decided(frame, operands, True)


def _decided(frame: Frame, operands: tuple[Evaluate, ...], decisive: bool) -> bool:
    wrong: EvaluationError | None = None
    for operand in operands:
        try:
            value = operand(frame)
        except EvaluationError as error:
            wrong = wrong or error
            continue
        if type(value) is not bool:
            wrong = wrong or no_such_overload()
        elif value is decisive:
            return decisive
    if wrong is not None:
        raise wrong
    return not decisive


def _in(frame: Frame, value: Value, items: Value) -> bool:
    if type(items) is list:
        frame.charge(len(items))
    return contains(items, value)


def _sum(frame: Frame, left: Value, right: Value) -> Value:
    kind = type(left)
    if kind is str:
        frame.charge((len(left) + len(right)) // 10 if type(right) is str else 0)
    elif kind is list:
        frame.charge(len(left) + len(right) if type(right) is list else 0)
    return arithmetic.add(left, right)


def _as_optional(value: Value) -> OptionalValue:
    if not isinstance(value, OptionalValue):
        raise no_such_overload()
    return value


def _look_up(target: Value, name: str) -> Value:
    """Return a field, or _MISSING."""
    if isinstance(target, dict):
        if name in target:
            return target[name]
        return target.get(unescaped(name), _MISSING)
    if isinstance(target, Selectable):
        try:
            return target.select(name)
        except KeyError:
            pass
    return _MISSING


def _field(target: Value, name: str) -> Value:
    if isinstance(target, OptionalValue):
        return _optional_field(target, name)
    found = _look_up(target, name)
    if found is _MISSING:
        raise EvaluationError(f"no such key: {name}")
    return found


def _has(target: Value, name: str) -> bool:
    if isinstance(target, OptionalValue):
        return target.present and _has(target.value, name)
    return _look_up(target, name) is not _MISSING


def _optional_field(target: Value, name: str) -> OptionalValue:
    if isinstance(target, OptionalValue):
        return _optional_field(target.value, name) if target.present else NONE
    found = _look_up(target, name)
    return NONE if found is _MISSING else OptionalValue(True, found)


def _item(target: Value, index: Value) -> Value:
    if isinstance(target, OptionalValue):
        return _optional_item(target, index)
    found = _find_item(target, index)
    if found is not _MISSING:
        return found
    if type(target) is list:
        raise EvaluationError(f"index out of bounds: {index}")
    raise EvaluationError(f"no such key: {index}")


def _optional_item(target: Value, index: Value) -> OptionalValue:
    if isinstance(target, OptionalValue):
        return _optional_item(target.value, index) if target.present else NONE
    found = _find_item(target, index)
    return NONE if found is _MISSING else OptionalValue(True, found)


def _find_item(target: Value, index: Value) -> Value:
    kind = type(index)
    if type(target) is list:
        if kind not in (int, UInt, float) or index != int(index):
            raise no_such_overload()
        return target[int(index)] if 0 <= index < len(target) else _MISSING
    if isinstance(target, dict):
        if kind not in (str, int, UInt, bool, float):
            raise EvaluationError("unsupported key type")
        return target.get(index, _MISSING)
    if isinstance(target, Selectable) and kind is str:
        return _look_up(target, index)
    raise no_such_overload()
