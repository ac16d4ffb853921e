"""An expression as a tree. `at` is where in the text cel-go says that a node stands."""

from __future__ import annotations

from dataclasses import dataclass

from kubeapi.cel.values import Value


@dataclass(frozen=True, slots=True)
class Literal:
    at: int
    value: Value


@dataclass(frozen=True, slots=True)
class Ident:
    at: int
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.name`, `operand.?name`, or `has(operand.name)`."""

    at: int
    operand: Node
    name: str
    optional: bool = False
    test_only: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """`operand[index]`, or `operand[?index]`."""

    at: int
    operand: Node
    index: Node
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments)`, or `target.name(arguments)`."""

    at: int
    name: str
    target: Node | None
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    at: int
    operator: str  # "!" or "-"
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    at: int
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logical:
    """`a && b && …` or `a || b || …`, flat, for it nests deep otherwise."""

    at: int
    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Conditional:
    at: int
    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class ListLiteral:
    at: int
    items: tuple[Node, ...]
    optional: tuple[bool, ...]  # Which of them are left out where they are none.


@dataclass(frozen=True, slots=True)
class MapLiteral:
    at: int
    keys: tuple[Node, ...]
    values: tuple[Node, ...]
    optional: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Comprehension:
    """A macro over a list or map: `range.macro(variables…, [condition,] body)`."""

    at: int
    macro: str
    range: Node
    variables: tuple[str, ...]
    condition: Node | None
    body: Node


@dataclass(frozen=True, slots=True)
class OptionalMap:
    """`operand.optMap(variable, body)` or `operand.optFlatMap(variable, body)`."""

    at: int
    operand: Node
    variable: str
    body: Node
    flat: bool


Node = (
    Literal
    | Ident
    | Select
    | Index
    | Call
    | Unary
    | Binary
    | Logical
    | Conditional
    | ListLiteral
    | MapLiteral
    | Comprehension
    | OptionalMap
)
