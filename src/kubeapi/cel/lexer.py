"""A text as tokens (langdef: Syntax)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from kubeapi.cel.errors import CompileError, Issue

_PATTERN: Final = re.compile(
    r"""(?P<space>(?:\s|//[^\n]*)+)
    |(?P<string>(?:[rR][bB]?|[bB][rR]?)?(?:'''(?:\\.|[^\\])*?'''|\"{3}(?:\\.|[^\\])*?\"{3}
        |'(?:\\.|[^\\'\n\r])*'|"(?:\\.|[^\\"\n\r])*"))
    |(?P<float>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<uint>(?:0[xX][0-9a-fA-F]+|\d+)[uU])
    |(?P<int>0[xX][0-9a-fA-F]+|\d+)
    |(?P<ident>[_a-zA-Z][_a-zA-Z0-9]*)
    |(?P<operator>\.\?|\[\?|&&|\|\||<=|>=|==|!=|[-+*/%<>!?:.,(){}\[\]])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_RAW: Final = re.compile(
    r"""[bB]?[rR][bB]?(?:'''.*?'''|\"{3}.*?\"{3}|'[^'\n\r]*'|"[^"\n\r]*")""", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str  # "ident", "int", "uint", "float", "string", "operator" or "end"
    text: str
    at: int


def tokens_of(source: str) -> list[Token]:
    """Return the tokens and an "end"; raises CompileError."""
    tokens: list[Token] = []
    at = 0
    while at < len(source):
        match = _RAW.match(source, at)
        kind: str | None = "string"
        if match is None:
            match = _PATTERN.match(source, at)
            kind = match.lastgroup if match else None
        if match is None or kind is None:
            message = f"Syntax error: token recognition error at: '{source[at]}'"
            raise CompileError(source, [Issue(at, message)])
        if kind != "space":
            tokens.append(Token(kind, match.group(), at))
        at = match.end()
    tokens.append(Token("end", "<EOF>", len(source)))
    return tokens
