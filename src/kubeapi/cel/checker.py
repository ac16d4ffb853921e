"""Finds what can have no meaning before anything is evaluated (langdef: Type Checking).

Lighter than cel-go's checker: a list of values of several types is a list of dyn where it is not
written as a literal, and generics of functions are not followed. What it refuses, cel-go refuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kubeapi.cel import types
from kubeapi.cel.errors import CompileError, EvaluationError, Issue
from kubeapi.cel.functions import expressions
from kubeapi.cel.functions.function import Function, Signature
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
from kubeapi.cel.types import BOOL, DYN, INT, TYPE, Type
from kubeapi.cel.values import parse_duration, parse_timestamp

#: How deep a tree may be, for evaluation follows it on Python's stack.
TREE_MAX: Final = 200

_NUMERIC: Final = ("int", "uint", "double")
_ORDERED: Final = (
    *(*_NUMERIC, "bool", "string", "bytes", "dyn"),
    *(types.TIMESTAMP.name, types.DURATION.name),
)
_TIME: Final = {
    ("+", types.TIMESTAMP.name, types.DURATION.name): types.TIMESTAMP,
    ("+", types.DURATION.name, types.TIMESTAMP.name): types.TIMESTAMP,
    ("+", types.DURATION.name, types.DURATION.name): types.DURATION,
    ("-", types.TIMESTAMP.name, types.DURATION.name): types.TIMESTAMP,
    ("-", types.TIMESTAMP.name, types.TIMESTAMP.name): types.DURATION,
    ("-", types.DURATION.name, types.DURATION.name): types.DURATION,
}
_ADDED: Final = {
    "+": (*_NUMERIC, "string", "bytes", "list"),
    "-": _NUMERIC,
    "*": _NUMERIC,
    "/": _NUMERIC,
    "%": ("int", "uint"),
}


def check(
    source: str,
    node: Node,
    variables: Mapping[str, Type],
    found: dict[int, Type] | None = None,
) -> Type:
    """Return the type of an expression; raises CompileError.

    Where *found* is given, it gets the type of each node, by the node's id.
    """
    checker = _Checker(variables, found)
    result = checker.type_of(node)
    if checker.issues:
        raise CompileError(source, sorted(checker.issues, key=lambda issue: issue.at))
    return result


class _Checker:
    def __init__(self, variables: Mapping[str, Type], types: dict[int, Type] | None) -> None:
        self.issues: list[Issue] = []
        self._types = types
        self._scope = dict(variables)
        self._depth = 0

    def _wrong(self, node: Node, message: str) -> Type:
        self.issues.append(Issue(node.at, message))
        return DYN

    def _no_overload(self, node: Node, name: str, *operands: Type) -> Type:
        listed = ", ".join(map(str, operands))
        return self._wrong(node, f"found no matching overload for '{name}' applied to '({listed})'")

    def type_of(self, node: Node) -> Type:
        """Return a node's type, DYN where something is wrong with it."""
        if self._depth > TREE_MAX:
            return self._wrong(node, f"max recursion depth exceeded: {TREE_MAX}")
        self._depth += 1
        found = self._find(node)
        self._depth -= 1
        if self._types is not None:
            self._types[id(node)] = found
        return found

    def _find(self, node: Node) -> Type:
        match node:
            case Literal():
                return types.of_value(node.value)
            case Ident():
                return self._ident(node, node.name)
            case Select():
                return self._select(node)
            case Index():
                return self._index(node)
            case Call():
                return self._call(node)
            case Unary() | Binary() | Logical() | Conditional():
                return self._operator(node)
            case ListLiteral():
                return self._list(node)
            case MapLiteral():
                return self._map(node)
            case Comprehension():
                return self._comprehension(node)
            case OptionalMap():
                operand = self.type_of(node.operand)
                self._scoped(node, {node.variable: operand.element or DYN}, node.body)
                return types.OPTIONAL

    def _ident(self, node: Node, name: str) -> Type:
        if name in self._scope:
            return self._scope[name]
        if name in TYPES:
            return TYPE
        return self._wrong(node, f"undeclared reference to '{name}' (in container '')")

    def _select(self, node: Select) -> Type:
        name = qualified(node)
        if name in TYPES and root(node) not in self._scope:
            return TYPE
        found = self._field(node, self.type_of(node.operand))
        if node.test_only:
            return BOOL
        return types.optional_of(found) if node.optional else found

    def _field(self, node: Select, operand: Type) -> Type:
        if operand.name == types.OPTIONAL.name:
            return types.optional_of(self._field(node, operand.element or DYN))
        if operand.fields is not None:
            for name in (node.name, unescaped(node.name)):
                if name in operand.fields:
                    return operand.fields[name]
            return self._wrong(node, f"undefined field '{node.name}'")
        if operand.name == "map":
            return operand.element or DYN
        if operand.name == "dyn":
            return DYN
        return self._wrong(node, f"type '{operand}' does not support field selection")

    def _index(self, node: Index) -> Type:
        operand, index = self.type_of(node.operand), self.type_of(node.index)
        if operand.name == types.OPTIONAL.name:
            operand = operand.element or DYN
            return types.optional_of(self._element(node, operand, index))
        found = self._element(node, operand, index)
        return types.optional_of(found) if node.optional else found

    def _element(self, node: Index, operand: Type, index: Type) -> Type:
        if operand.name == "list" and types.comparable(index, INT):
            return operand.element or DYN
        if operand.name == "map" and types.comparable(index, operand.key or DYN):
            return operand.element or DYN
        if operand.name == "dyn" or operand.fields is not None:
            return DYN
        return self._no_overload(node, "_[_]", operand, index)

    def _call(self, node: Call) -> Type:
        arguments = [self.type_of(argument) for argument in node.arguments]
        if node.target is None:
            return self._global(node, node.name, arguments)
        name = qualified(node.target)
        if name is not None and root(node.target) not in self._scope:
            dotted = f"{name}.{node.name}"
            if dotted in GLOBAL:
                return self._global(node, dotted, arguments)
        target = self.type_of(node.target)
        function = MEMBER.get(node.name)
        if function is None:
            message = f"undeclared reference to '{node.name}' (in container '')"
            return self._wrong(node, message)
        self._literals(node)
        found = _result(function, [target, *arguments])
        if found is None:
            listed = f"{target}.({', '.join(map(str, arguments))})"
            message = f"found no matching overload for '{node.name}' applied to '{listed}'"
            return self._wrong(node, message)
        return found

    def _global(self, node: Call, name: str, arguments: Sequence[Type]) -> Type:
        function = GLOBAL.get(name)
        if function is None:
            return self._wrong(node, f"undeclared reference to '{name}' (in container '')")
        self._literals(node)
        found = _result(function, arguments)
        return self._no_overload(node, name, *arguments) if found is None else found

    def _literals(self, node: Call) -> None:
        """Judge constants that a function will read (cel.ASTValidators)."""
        last = node.arguments[-1] if node.arguments else None
        if not isinstance(last, Literal) or not isinstance(last.value, str):
            return
        try:
            if node.name in ("matches", "find", "findAll"):
                expressions.check(last.value)
            elif node.name == "duration":
                parse_duration(last.value)
            elif node.name == "timestamp":
                parse_timestamp(last.value)
        except EvaluationError as error:
            self._wrong(last, f"invalid {node.name} argument: {error}")

    def _operator(self, node: Unary | Binary | Logical | Conditional) -> Type:
        match node:
            case Unary():
                return self._unary(node)
            case Binary():
                return self._binary(node, self.type_of(node.left), self.type_of(node.right))
            case Logical():
                operands = [self.type_of(operand) for operand in node.operands]
                if any(not types.agree(operand, BOOL) for operand in operands):
                    self._no_overload(node, f"_{node.operator}_", *operands)
                return BOOL
            case Conditional():
                condition = self.type_of(node.condition)
                then, otherwise = self.type_of(node.then), self.type_of(node.otherwise)
                if not types.agree(condition, BOOL) or not types.agree(then, otherwise):
                    return self._no_overload(node, "_?_:_", condition, then, otherwise)
                return types.joined(then, otherwise)

    def _unary(self, node: Unary) -> Type:
        operand = self.type_of(node.operand)
        if node.operator == "!":
            return BOOL if types.agree(operand, BOOL) else self._no_overload(node, "!_", operand)
        if operand.name in ("int", "double", "dyn", types.DURATION.name):
            return operand
        return self._no_overload(node, "-_", operand)

    def _binary(self, node: Binary, left: Type, right: Type) -> Type:
        if node.operator in ("==", "!="):
            fits = types.comparable(left, right)
        elif node.operator == "in":
            inner = (right.element if right.name == "list" else right.key) or DYN
            fits = right.name in ("list", "map", "dyn") and types.comparable(left, inner)
        elif node.operator in ("<", "<=", ">", ">="):
            known = left.name in _ORDERED and right.name in _ORDERED
            fits = known and types.comparable(left, right)
        else:
            return self._arithmetic(node, left, right)
        name = "@in" if node.operator == "in" else f"_{node.operator}_"
        return BOOL if fits else self._no_overload(node, name, left, right)

    def _arithmetic(self, node: Binary, left: Type, right: Type) -> Type:
        if time := _TIME.get((node.operator, left.name, right.name)):
            return time
        if "dyn" in (left.name, right.name):
            return DYN
        if left.name == right.name and left.name in _ADDED[node.operator]:
            return types.joined(left, right) if left.name == "list" else left
        return self._no_overload(node, f"_{node.operator}_", left, right)

    def _list(self, node: ListLiteral) -> Type:
        found = [self.type_of(item) for item in node.items]
        items = [
            (each.element or DYN) if optional else each
            for each, optional in zip(found, node.optional, strict=True)
        ]
        return types.list_of(self._same(node.items, items))

    def _same(self, nodes: Sequence[Node], found: Sequence[Type]) -> Type:
        """Return the one type of what stands in a literal."""
        if not found:
            return DYN
        for node, each in zip(nodes, found, strict=True):
            if not types.agree(found[0], each):
                self._wrong(node, f"expected type '{found[0]}' but found '{each}'")
        first = found[0]
        return first if all(each == first for each in found) else DYN

    def _map(self, node: MapLiteral) -> Type:
        keys = [self.type_of(key) for key in node.keys]
        found = [self.type_of(value) for value in node.values]
        values = [
            (each.element or DYN) if optional else each
            for each, optional in zip(found, node.optional, strict=True)
        ]
        return types.map_of(self._same(node.keys, keys), self._same(node.values, values))

    def _scoped(self, node: Node, names: Mapping[str, Type], *bodies: Node) -> list[Type]:
        before = self._scope
        self._scope = {**before, **names}
        found = [self.type_of(body) for body in bodies]
        self._scope = before
        return found

    def _comprehension(self, node: Comprehension) -> Type:
        over = self.type_of(node.range)
        if over.name not in ("list", "map", "dyn") and over.fields is None:
            message = (
                f"expression of type '{over}' cannot be range of a comprehension"
                " (must be list, map, or dynamic)"
            )
            self._wrong(node.range, message)
        bodies = [*([node.condition] if node.condition else []), node.body]
        found = self._scoped(node, _bound(node, over), *bodies)
        body = found[-1]
        conditions = found[:-1]
        if node.macro in _PREDICATES:
            conditions = found
        for condition in conditions:
            if not types.agree(condition, BOOL):
                self._wrong(node, f"expected type 'bool' but found '{condition}'")
        return _yielded(node, over, body)


_PREDICATES: Final = ("all", "exists", "exists_one", "existsOne", "filter")


def _bound(node: Comprehension, over: Type) -> Mapping[str, Type]:
    """Return the types of a macro's variables."""
    element = over.element or DYN
    key = INT if over.name == "list" else over.key or DYN
    if over.name == "dyn" or over.fields is not None:
        element = key = DYN
    if len(node.variables) == 2:
        return dict(zip(node.variables, (key, element), strict=True))
    return {node.variables[0]: element if over.name != "map" else key}


def _yielded(node: Comprehension, over: Type, body: Type) -> Type:
    match node.macro:
        case "map" | "transformList":
            return types.list_of(body)
        case "filter":
            return over if over.name == "list" else types.list_of(over.key or DYN)
        case "transformMap":
            return types.map_of(over.key or DYN, body)
        case "transformMapEntry":
            return body
    return BOOL


def _result(function: Function, arguments: Sequence[Type]) -> Type | None:
    fitting = [each for each in function.signatures if _fits(each, arguments)]
    if not fitting:
        return None
    first = fitting[0].result
    return first if all(each.result == first for each in fitting) else DYN


def _fits(signature: Signature, arguments: Sequence[Type]) -> bool:
    return len(signature.parameters) == len(arguments) and all(
        map(types.agree, signature.parameters, arguments)
    )
