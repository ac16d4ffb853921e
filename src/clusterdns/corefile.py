"""The Corefile's grammar: server blocks of directives (upstream: caddyfile).

`KEY… { DIRECTIVE ARGUMENT… { OPTION… } }`, words in quotes, comments behind `#`, `{$NAME}` from the
environment. Absent: snippets and `import`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

#: A Corefile is a page; a ConfigMap of megabytes is none.
OCTETS_MAX: Final = 256 * 1024
_WORD: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_VARIABLE: Final = re.compile(r"\{\$(\w+)\}")


class CorefileError(Exception):
    """The Corefile cannot be what it is; says where and why, as CoreDNS words it."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"Corefile:{line} - Error during parsing: {why}")


@dataclass(frozen=True, slots=True)
class Directive:
    """A plugin's name, its arguments, and the lines of its block."""

    line: int
    name: str
    arguments: tuple[str, ...] = ()
    block: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """One server block."""

    line: int
    keys: tuple[str, ...]
    directives: tuple[Directive, ...]


_Line = tuple[int, list[str]]


def parse(text: str, environment: Mapping[str, str]) -> list[Block]:
    """Read a Corefile; raises CorefileError."""
    if len(text) > OCTETS_MAX:
        raise CorefileError(1, f"the file is longer than {OCTETS_MAX} characters")
    lines = _lines(_VARIABLE.sub(lambda found: environment.get(found[1], ""), text))
    blocks: list[Block] = []
    keys: list[str] = []
    for number, words in lines:
        keys += [key for word in words if word != "{" for key in word.split(",") if key]
        if words[-1] == "{":
            if not keys:
                raise CorefileError(number, "a server block needs a zone before its '{'")
            blocks.append(Block(number, tuple(keys), tuple(_directives(lines, number))))
            keys = []
        elif "}" in words:
            raise CorefileError(number, "Unexpected '}' because no matching opening brace")
    if keys:
        raise CorefileError(len(text.splitlines()), f"'{{' expected after {' '.join(keys)}")
    return blocks


def _lines(text: str) -> Iterator[_Line]:
    """Yield the words of each line that has some."""
    for number, line in enumerate(text.splitlines(), 1):
        words = [
            found[2] if found[1] is None else found[1].replace('\\"', '"')
            for found in _WORD.finditer(_without_comment(line))
        ]
        if words:
            yield number, words


def _without_comment(line: str) -> str:
    """Cut what follows a `#` that begins a word."""
    found = re.search(r"(?:^|\s)#", line)
    return line if found is None else line[: found.start()]


def _directives(lines: Iterator[_Line], opened: int) -> Iterator[Directive]:
    for number, words in lines:
        if words == ["}"]:
            return
        if words[0] in ("{", "}") or "}" in words[1:]:
            raise CorefileError(number, f"Unexpected token '{words[0]}'")
        if words[-1] == "{":
            options = tuple(_options(lines, number))
            yield Directive(number, words[0], tuple(words[1:-1]), options)
        else:
            yield Directive(number, words[0], tuple(words[1:]))
    raise CorefileError(opened, "Unexpected end of file: a '}' is missing")


def _options(lines: Iterator[_Line], opened: int) -> Iterator[tuple[str, ...]]:
    for number, words in lines:
        if words == ["}"]:
            return
        if _has_brace(words):
            raise CorefileError(number, "a block within a directive's block")
        yield tuple(words)
    raise CorefileError(opened, "Unexpected end of file: a '}' is missing")


def _has_brace(words: Sequence[str]) -> bool:
    return "{" in words or "}" in words
