"""An awk program as tokens (POSIX awk, "Lexical Conventions")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from podruntime.images.busybox.arguments import BadUsage

KEYWORDS: Final = (
    "BEGIN", "END", "if", "else", "while", "for", "do", "in", "print", "printf", "next", "exit",
    "break", "continue", "delete",
)  # fmt: skip
FUNCTIONS: Final = (
    "length", "substr", "index", "split", "sub", "gsub", "match", "tolower", "toupper", "sprintf",
    "int", "sqrt", "exp", "log", "sin", "cos", "atan2", "rand", "srand",
)  # fmt: skip
_TOKEN: Final = re.compile(
    r"""(?P<space>(?:[ \t\r]|\\\n|\#[^\n]*)+)
      | (?P<newline>\n)
      | (?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)
      | (?P<string>"(?:\\.|[^"\\\n])*")
      | (?P<name>[A-Za-z_]\w*)
      | (?P<sign>\+\+|--|\+=|-=|\*=|/=|%=|\^=|==|<=|>=|!=|!~|&&|\|\||>>|\*\*
          |[-+*/%^!<>|?:~$=(){}\[\];,])
    """,
    re.VERBOSE | re.DOTALL,
)
_REGEX: Final = re.compile(r"/((?:\\.|\[\^?\]?[^]\n]*\]|[^/\\\n])+)/")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
#: After these a slash divides; everywhere else it begins an expression.
_VALUES: Final = ("number", "string", "name", "function")


@dataclass(frozen=True, slots=True)
class Token:
    """One word: `kind` is number, string, regex, name, function, or the word or sign itself."""

    kind: str
    text: str = ""


def unescaped(text: str) -> str:
    """Return a text literal's meaning."""
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text, flags=re.DOTALL)


def tokens(program: str) -> list[Token]:
    """Read *program*; raises BadUsage."""
    found: list[Token] = []
    position = 0
    while position < len(program):
        if program[position] == "/" and not _is_after_value(found):
            regex = _REGEX.match(program, position)
            if regex is not None:
                found.append(Token("regex", regex[1].replace("\\/", "/")))
                position = regex.end()
                continue
        match = _TOKEN.match(program, position)
        if match is None:
            raise BadUsage(f"cmd. line: unexpected token: {program[position : position + 10]}")
        position = match.end()
        token = _token(match)
        if token is not None:
            found.append(token)
    return [*found, Token("end")]


def _token(match: re.Match[str]) -> Token | None:
    kind, text = match.lastgroup or "", match.group()
    match kind:
        case "space":
            return None
        case "newline":
            return Token("\n")
        case "number":
            return Token("number", text)
        case "string":
            return Token("string", unescaped(text[1:-1]))
        case "name" if text in KEYWORDS:
            return Token(text)
        case "name" if text in FUNCTIONS:
            return Token("function", text)
        case "name":
            return Token("name", text)
    return Token("^" if text == "**" else text)


def _is_after_value(found: list[Token]) -> bool:
    return bool(found) and (found[-1].kind in _VALUES or found[-1].kind in (")", "]", "++", "--"))
