"""Tokens as a tree (langdef: Syntax), by recursive descent and precedence.

Chains of `&&` and `||` become one node however long they are; all else may nest `DEPTH_MAX` deep
(upstream: 250), for evaluation follows the tree on Python's stack.
"""

from __future__ import annotations

from typing import Final

from kubeapi.cel.errors import CompileError, Issue
from kubeapi.cel.lexer import Token, tokens_of
from kubeapi.cel.literals import BadEscape, read_string
from kubeapi.cel.macros import expand
from kubeapi.cel.syntax import (
    Binary,
    Call,
    Conditional,
    Ident,
    Index,
    ListLiteral,
    Literal,
    Logical,
    MapLiteral,
    Node,
    Select,
    Unary,
)
from kubeapi.cel.values import INT_MAX, INT_MIN, UINT_MAX, UInt

DEPTH_MAX: Final = 50
#: How many operators or selections may follow one another: they nest as parentheses do.
CHAIN_MAX: Final = 150
SOURCE_MAX: Final = 100_000

_RELATIONS: Final = ("<", "<=", ">", ">=", "==", "!=", "in")
_PRECEDENCE: Final = {
    **dict.fromkeys(_RELATIONS, 1),
    "+": 2,
    "-": 2,
    "*": 3,
    "/": 3,
    "%": 3,
}
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_RESERVED: Final = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)


def parse(source: str) -> Node:
    """Return the tree of an expression; raises CompileError."""
    if len(source) > SOURCE_MAX:
        message = (
            f"expression code point size exceeds limit: size: {len(source)}, limit {SOURCE_MAX}"
        )
        raise CompileError(source[:80], [Issue(0, message)])
    parser = _Parser(source)
    node = parser.expression()
    parser.expect("end", "<EOF>")
    return node


class _Parser:
    def __init__(self, source: str) -> None:
        self._source, self._tokens, self._next = source, tokens_of(source), 0
        self._depth = 0

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _error(self, at: int, message: str) -> CompileError:
        return CompileError(self._source, [Issue(at, message)])

    def _take(self) -> Token:
        token = self._token
        self._next += token.kind != "end"
        return token

    def _accept(self, *texts: str) -> Token | None:
        token = self._token
        if token.text in texts and token.kind in ("operator", "ident"):
            return self._take()
        return None

    def expect(self, kind: str, text: str = "") -> Token:
        """Take a token that must come; raises CompileError."""
        token = self._token
        if token.kind != kind or (text and token.text != text):
            wanted = f"'{text}'" if text else kind
            raise self._error(
                token.at, f"Syntax error: mismatched input '{token.text}' expecting {wanted}"
            )
        return self._take()

    def expression(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._error(self._token.at, f"max recursion depth exceeded: {DEPTH_MAX}")
        condition = self._logical("||")
        if question := self._accept("?"):
            then = self._logical("||")
            self.expect("operator", ":")
            condition = Conditional(question.at, condition, then, self.expression())
        self._depth -= 1
        return condition

    def _logical(self, operator: str) -> Node:
        def operand() -> Node:
            return self._logical("&&") if operator == "||" else self._binary(1)

        operands = [operand()]
        at = self._token.at
        while self._accept(operator):
            operands.append(operand())
        return operands[0] if len(operands) == 1 else Logical(at, operator, tuple(operands))

    def _binary(self, lowest: int) -> Node:
        left, links = self._unary(), 0
        while (precedence := self._precedence()) >= lowest:
            operator = self._take()
            left = Binary(operator.at, operator.text, left, self._binary(precedence + 1))
            links = self._link(links, operator.at)
        return left

    def _link(self, links: int, at: int) -> int:
        if links >= CHAIN_MAX:
            raise self._error(at, f"max recursion depth exceeded: {CHAIN_MAX}")
        return links + 1

    def _precedence(self) -> int:
        token = self._token
        if token.kind not in ("operator", "ident"):
            return 0
        return _PRECEDENCE.get(token.text, 0)

    def _unary(self) -> Node:
        token = self._token
        if token.kind != "operator" or token.text not in ("!", "-"):
            return self._member()
        signs = 0
        while self._accept(token.text):
            signs += 1
        if token.text == "-" and self._token.kind in ("int", "float"):
            operand: Node = self._member(negative=signs % 2 == 1)
            return operand
        operand = self._unary() if self._token.text in ("!", "-") else self._member()
        return Unary(token.at, token.text, operand) if signs % 2 else operand

    def _member(self, *, negative: bool = False) -> Node:
        node, links = self._primary(negative=negative), 0
        while True:
            token = self._token
            if self._accept(".", ".?"):
                node = self._selected(node, token)
            elif self._accept("[", "[?"):
                index = self.expression()
                self.expect("operator", "]")
                node = Index(token.at, node, index, optional=token.text == "[?")
            else:
                return node
            links = self._link(links, token.at)

    def _selected(self, operand: Node, dot: Token) -> Node:
        name = self.expect("ident")
        if name.text in _CONSTANTS or name.text == "in":
            raise self._error(
                name.at, f"Syntax error: no viable alternative at input '.{name.text}'"
            )
        opened = self._accept("(") if dot.text == "." else None
        if opened is None:
            return Select(dot.at, operand, name.text, optional=dot.text == ".?")
        arguments = self._until(")")
        return self._expanded(Call(opened.at, name.text, operand, arguments))

    def _expanded(self, call: Call) -> Node:
        expanded = expand(call)
        if isinstance(expanded, Issue):
            raise self._error(expanded.at, expanded.message)
        return expanded

    def _until(self, closing: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._accept(closing):
            if items:
                self.expect("operator", ",")
            items.append(self.expression())
        return tuple(items)

    def _primary(self, *, negative: bool) -> Node:
        token = self._take()
        if token.kind in ("int", "uint", "float"):
            return Literal(token.at, self._number(token, negative=negative))
        if token.kind == "string":
            try:
                return Literal(token.at, read_string(token.text))
            except BadEscape as error:
                raise self._error(token.at, f"Syntax error: {error}") from None
        if token.text == ".":  # The root's names are all there are.
            token = self.expect("ident")
        if token.kind == "ident":
            return self._named(token)
        if token.text == "(":
            node = self.expression()
            self.expect("operator", ")")
            return node
        if token.text in ("[", "[?"):
            return self._list(token)
        if token.text == "{":
            return self._map(token)
        raise self._error(
            token.at, f"Syntax error: mismatched input '{token.text}' expecting a value"
        )

    def _named(self, token: Token) -> Node:
        if token.text in _CONSTANTS:
            return Literal(token.at, _CONSTANTS[token.text])
        if token.text in _RESERVED:
            raise self._error(token.at, f"reserved identifier: {token.text}")
        if token.text == "in":
            raise self._error(token.at, "Syntax error: mismatched input 'in' expecting a value")
        if opened := self._accept("("):
            return self._expanded(Call(opened.at, token.text, None, self._until(")")))
        return Ident(token.at, token.text)

    def _number(self, token: Token, *, negative: bool) -> int | float | UInt:
        sign = -1 if negative else 1
        if token.kind == "float":
            return sign * float(token.text)
        digits = token.text.rstrip("uU")
        if len(digits) > len(str(UINT_MAX)):
            raise self._error(token.at, f"invalid {token.kind} literal")
        number = sign * int(digits, 16 if digits[:2] in ("0x", "0X") else 10)
        if token.kind == "uint":
            if number > UINT_MAX:
                raise self._error(token.at, "invalid uint literal")
            return UInt(number)
        if not INT_MIN <= number <= INT_MAX:
            raise self._error(token.at, "invalid int literal")
        return number

    def _list(self, opened: Token) -> Node:
        items: list[Node] = []
        optional: list[bool] = []
        first_is_optional = opened.text == "[?"
        while not self._accept("]"):
            if items:
                self.expect("operator", ",")
                if self._accept("]"):  # A comma may stand at the end.
                    break
            optional.append((first_is_optional and not items) or self._accept("?") is not None)
            items.append(self.expression())
        return ListLiteral(opened.at, tuple(items), tuple(optional))

    def _map(self, opened: Token) -> Node:
        keys: list[Node] = []
        values: list[Node] = []
        optional: list[bool] = []
        while not self._accept("}"):
            if keys:
                self.expect("operator", ",")
                if self._accept("}"):
                    break
            optional.append(self._accept("?") is not None)
            keys.append(self.expression())
            self.expect("operator", ":")
            values.append(self.expression())
        return MapLiteral(opened.at, tuple(keys), tuple(values), tuple(optional))
