"""What an expression may cost at most, before it is ever evaluated (cel-go: checker/cost.go).

Where a value comes from is followed as a path, so that what a schema says of sizes can be looked
up. Macros cost what their expansion costs in cel-go, whose accumulator is a variable like others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kubeapi.cel import call_costs
from kubeapi.cel.bounds import Bound, Path
from kubeapi.cel.call_costs import CallCost, Operand
from kubeapi.cel.checker import check
from kubeapi.cel.functions.library import GLOBAL, TYPES
from kubeapi.cel.names import qualified, root
from kubeapi.cel.ranges import MOST, NOTHING, ONE, TRAVERSAL, UNKNOWN, Range, fixed
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
from kubeapi.cel.types import DURATION, DYN, TIMESTAMP, Type

_LIST_COST: Final = fixed(10)
_MAP_COST: Final = fixed(30)
_SCALARS: Final = ("bool", "int", "uint", "double", TIMESTAMP.name, DURATION.name)

#: What a turn of a macro costs besides its body, and besides its condition where there is one:
#: the loop's condition and step around the accumulator.
_TURN_COSTS: Final[Mapping[str, int]] = {
    "all": 3,
    "exists": 4,
    "exists_one": 2,
    "existsOne": 2,
    "filter": 13,
    "map": 12,
    "transformList": 12,
    "transformMap": 3,
    "transformMapEntry": 2,
}
#: What the accumulator costs at first and in the end.
_FRAME_COSTS: Final[Mapping[str, int]] = {
    "all": 1,
    "exists": 1,
    "exists_one": 2,
    "existsOne": 2,
    "filter": 11,
    "map": 11,
    "transformList": 11,
    "transformMap": 31,
    "transformMapEntry": 31,
}


def estimate(source: str, node: Node, variables: Mapping[str, Type], bound: Bound) -> Range:
    """Return what an expression may cost, given how large its variables may be.

    Raises CompileError.
    """
    types: dict[int, Type] = {}
    check(source, node, variables, types)
    return _Estimator(types, variables, bound).cost(node)


class _Estimator:
    def __init__(
        self, types: Mapping[int, Type], variables: Mapping[str, Type], bound: Bound
    ) -> None:
        self._types, self._variables, self._bound = types, variables, bound
        self._scope: dict[str, Path] = {}
        self._paths: dict[int, Path] = {}
        self._sizes: dict[int, Range] = {}

    def cost(self, node: Node) -> Range:
        """Return what a node costs with all below it; its path and size are known afterwards."""
        match node:
            case Literal():
                return NOTHING
            case Ident():
                self._paths[id(node)] = self._scope.get(node.name, (node.name,))
                return ONE
            case Select():
                return self._select(node)
            case Index():
                return self._index(node)
            case Call():
                return self._call(node)
            case Unary():
                return self.cost(node.operand) + ONE
            case Binary():
                return self._binary(node)
            case Logical():
                return self._logical(node)
            case Conditional():
                return self._conditional(node)
            case ListLiteral():
                return self._all(node.items) + _LIST_COST
            case MapLiteral():
                return self._all((*node.keys, *node.values)) + _MAP_COST
            case Comprehension():
                return self._comprehension(node)
            case OptionalMap():
                return self._optional_map(node)

    def _all(self, nodes: Sequence[Node]) -> Range:
        return sum(map(self.cost, nodes), NOTHING)

    def _type(self, node: Node) -> Type:
        return self._types.get(id(node), DYN)

    def _size(self, node: Node) -> Range:
        found = self._sizes.get(id(node)) or _literal_size(node)
        found = found or self._bound.at(self._paths.get(id(node), ()))
        if found is not None:
            return found
        return ONE if self._type(node).name in _SCALARS else UNKNOWN

    def _operand(self, node: Node) -> Operand:
        path = self._paths.get(id(node), ())
        item = self._bound.at((*path, "@items")) if path else None
        return Operand(node, self._type(node), self._size(node), item or UNKNOWN)

    def _is_variable(self, node: Node) -> bool:
        name = root(node)
        return name in self._scope or name in self._variables

    def _select(self, node: Select) -> Range:
        if qualified(node) in TYPES and not self._is_variable(node):
            return ONE
        cost = self.cost(node.operand)
        if node.test_only:
            return cost
        if node.optional:
            return cost + ONE
        operand = self._type(node.operand)
        if operand.name == "map" or operand.fields is not None:
            cost += ONE
        path = self._paths.get(id(node.operand))
        if path:
            self._paths[id(node)] = (*path, node.name)
        return cost

    def _index(self, node: Index) -> Range:
        cost = self._all((node.operand, node.index)) + ONE
        path = self._paths.get(id(node.operand))
        if path and not node.optional:
            step = "@items" if self._type(node.operand).name == "list" else "@values"
            self._paths[id(node)] = (*path, step)
        return cost

    def _call(self, node: Call) -> Range:
        name, target = node.name, node.target
        if target is not None and not self._is_variable(target):
            dotted = f"{qualified(target)}.{name}"
            if dotted in GLOBAL:
                name, target = dotted, None
        cost = self._all(node.arguments)
        arguments = [self._operand(argument) for argument in node.arguments]
        if target is None:
            found = call_costs.of_global(name, arguments)
        else:
            cost += self.cost(target)
            found = call_costs.of_member(name, self._operand(target), arguments)
        return self._noted(node, cost, found)

    def _noted(self, node: Node, operands: Range, found: CallCost) -> Range:
        if found.size is not None:
            self._sizes[id(node)] = found.size
        return operands + found.cost

    def _binary(self, node: Binary) -> Range:
        operands = self._all((node.left, node.right))
        left, right = self._operand(node.left), self._operand(node.right)
        match node.operator:
            case "+":
                return self._noted(node, operands, _sum(self._type(node), left, right))
            case "in":
                return operands + _containment(right)
            case "==" | "!=":
                return operands + _comparison(left, right)
            case "<" | "<=" | ">" | ">=":
                return operands + _order(left, right)
        return operands + ONE

    def _logical(self, node: Logical) -> Range:
        costs = [self.cost(operand) for operand in node.operands]
        return Range(costs[0].least, sum(costs, NOTHING).most)

    def _conditional(self, node: Conditional) -> Range:
        condition = self.cost(node.condition)
        either = self.cost(node.then) | self.cost(node.otherwise)
        self._sizes[id(node)] = self._size(node.then) | self._size(node.otherwise)
        return condition + either

    def _comprehension(self, node: Comprehension) -> Range:
        cost = self.cost(node.range) + fixed(_FRAME_COSTS[node.macro])
        before = self._scope
        self._scope = {**before, **self._bound_paths(node)}
        body = self.cost(node.body)
        condition = self.cost(node.condition) if node.condition is not None else NOTHING
        self._scope = before
        turn = body + fixed(_TURN_COSTS[node.macro])
        if node.macro in ("filter", "exists_one", "existsOne") or node.condition is not None:
            turn |= ONE + (body if node.condition is None else NOTHING)
        count = self._size(node.range)
        if node.macro in ("map", "filter", "transformList", "transformMap", "transformMapEntry"):
            self._sizes[id(node)] = count
        return cost + count * (condition + turn)

    def _bound_paths(self, node: Comprehension) -> dict[str, Path]:
        """Return what a macro's variables stand for."""
        kind = self._type(node.range).name
        if kind not in ("list", "map"):
            return dict.fromkeys(node.variables, ())
        path = self._paths.get(id(node.range), ())
        key, value = ("@indices", "@items") if kind == "list" else ("@keys", "@values")
        if len(node.variables) == 2:
            return dict(zip(node.variables, ((*path, key), (*path, value)), strict=True))
        return {node.variables[0]: (*path, value if kind == "list" else key)}

    def _optional_map(self, node: OptionalMap) -> Range:
        """`t.hasValue() ? optional.of(bind(v, t.value(), body)) : optional.none()`."""
        target = self.cost(node.operand)
        before = self._scope
        self._scope = {**before, node.variable: (node.variable,)}
        body = self.cost(node.body)
        self._scope = before
        bind = _LIST_COST + target + ONE + body
        return target + ONE + ((bind if node.flat else bind + ONE) | ONE)


def _literal_size(node: Node) -> Range | None:
    match node:
        case Literal():
            return fixed(len(node.value)) if isinstance(node.value, str | bytes) else ONE
        case ListLiteral():
            return fixed(len(node.items))
        case MapLiteral():
            return fixed(len(node.keys))
    return None


def _sum(result: Type, left: Operand, right: Operand) -> CallCost:
    size = left.size + right.size
    match result.name:
        case "string" | "bytes":
            return CallCost(size.scaled(TRAVERSAL), size)
        case "list":
            return CallCost(ONE, size)
        case "dyn":
            return CallCost(size.scaled(TRAVERSAL) | ONE, size)
    return CallCost(ONE)


def _containment(items: Operand) -> Range:
    if items.type.name == "list":
        return items.size
    return items.size | ONE if items.type.name == "dyn" else ONE


def _comparison(left: Operand, right: Operand) -> Range:
    most = min(left.size.most, right.size.most, MOST)
    return Range(min(most, 1), most).scaled(TRAVERSAL)


def _order(left: Operand, right: Operand) -> Range:
    kinds = {left.type.name, right.type.name}
    if kinds & {"string", "bytes"}:
        return _comparison(left, right)
    return _comparison(left, right) | ONE if kinds == {"dyn"} else ONE
