"""Turns words into fields (POSIX §2.6): parameters, commands, arithmetic, splitting, patterns."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from podruntime.images.filesystem import FileSystem
from podruntime.images.shell import arithmetic, lexer
from podruntime.images.shell.lexer import (
    Arithmetic,
    Literal,
    Parameter,
    Part,
    Substitution,
    Word,
    word,
)

_GLOB: Final = "*?["
_OPERATION: Final = re.compile(r"(:?[-=+?]|%%?|##?)(.*)", re.DOTALL)
_REPLACEMENT: Final = re.compile(r"((?:\\.|[^/])*)(?:/(.*))?", re.DOTALL)
_SUBSTRING: Final = re.compile(r":(?![-=+?])([^:]*)(?::(.*))?", re.DOTALL)
FIELDS_MAX: Final = 10_000


class ExpansionError(ValueError):
    """`${name:?…}`, a bad substitution or a bad expression."""


class Variables(Protocol):
    """What expansion asks of the shell."""

    def get(self, name: str) -> str | None:
        """Return a variable's or special parameter's value."""

    def set(self, name: str, value: str) -> None:
        """Assign."""

    def elements(self, name: str) -> list[str]:
        """Return an array's elements."""

    @property
    def arguments(self) -> list[str]:
        """Return the positional parameters."""


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    quoted: bool
    #: Whether it came from an expansion and may be split.
    split: bool = False


class Expander:
    """Expands words with one shell's variables."""

    def __init__(
        self,
        variables: Variables,
        files: FileSystem,
        run: Callable[[str], Awaitable[str]],
    ) -> None:
        self._variables, self._files, self._run = variables, files, run
        self.cwd = "/"

    async def fields(self, words: tuple[Word, ...]) -> list[str]:
        """Return the fields of a command's words."""
        fields: list[str] = []
        for each in words:
            for pieces in await self._field_pieces(each):
                fields += self._globbed(pieces)
            if len(fields) > FIELDS_MAX:
                raise ExpansionError("argument list too long")
        return fields

    async def text(self, each: Word) -> str:
        """Return a word as one text: no splitting, no patterns."""
        pieces = [piece for part in each.parts for piece in await self._expand(part)]
        return "".join([piece.text for piece in pieces])

    async def pattern(self, each: Word) -> str:
        """Return a word as a pattern: quoted characters mean themselves."""
        pieces = [piece for part in each.parts for piece in await self._expand(part)]
        return "".join(_escaped(p.text) if p.quoted else p.text for p in pieces)

    # --- splitting

    async def _field_pieces(self, each: Word) -> list[list[_Piece]]:
        """Return the word's fields, each as pieces that remember their quoting."""
        done: list[list[_Piece]] = []
        current: list[_Piece] | None = None
        for part in each.parts:
            if isinstance(part, Parameter) and part.quoted and (part.name == "@" or _is_all(part)):
                current = self._add_arguments(part, done, current)
                continue
            for piece in await self._expand(part):
                current = _add(done, current, piece)
        if current is not None:
            done.append(current)
        return done

    def _add_arguments(
        self, part: Parameter, done: list[list[_Piece]], current: list[_Piece] | None
    ) -> list[_Piece] | None:
        """Add "$@", or "${name[@]}": every argument or element a field of its own."""
        variables = self._variables
        every = variables.arguments if part.name == "@" else variables.elements(part.name)
        for index, argument in enumerate(every):
            if index and current is not None:
                done.append(current)
                current = None
            current = [*(current or []), _Piece(argument, True)]
        return current

    def _globbed(self, pieces: list[_Piece]) -> list[str]:
        text = "".join(piece.text for piece in pieces)
        if not any(c in piece.text for piece in pieces if not piece.quoted for c in _GLOB):
            return [text]
        pattern = "".join(_escaped(p.text) if p.quoted else p.text for p in pieces)
        directory, name = posixpath.split(pattern)
        where = posixpath.join(self.cwd, directory)
        if not self._files.is_directory(where):
            return [text]
        found = [
            posixpath.join(directory, each)
            for each in self._files.list(where)
            if fnmatch.fnmatchcase(each, name) and (name[0] == "." or each[0] != ".")
        ]
        return found or [text]

    # --- parts

    async def _expand(self, part: Part) -> list[_Piece]:
        match part:
            case Literal(text, quoted):
                return [_Piece(text, quoted)]
            case Substitution(script, quoted):
                output = (await self._run(script)).rstrip("\n")
                return [_Piece(output, quoted, not quoted)]
            case Arithmetic(expression, quoted):
                return [_Piece(await self._arithmetic(expression), quoted)]
            case Parameter(name, rest, quoted):
                return [_Piece(await self._parameter(name, rest), quoted, not quoted)]

    async def _arithmetic(self, expression: str) -> str:
        plain = await self.text(word(expression))
        try:
            variables = self._variables
            return str(
                arithmetic.evaluate(plain, lambda name: variables.get(name) or "", variables.set)
            )
        except arithmetic.ArithmeticError_ as error:
            raise ExpansionError(str(error)) from None

    async def _parameter(self, name: str, rest: str) -> str:
        if name.startswith("#") and name.endswith(("[@]", "[*]")):
            return str(len(self._variables.elements(name[1:-3])))
        if rest[:1] == "[" and rest[-1:] == "]":
            return await self._element(name, rest[1:-1])
        if name.startswith("#") and len(name) > 1:
            return str(len(self._variables.get(name[1:]) or ""))
        value = self._variables.get(name)
        if not rest:
            return value or ""
        if rest[0] == "/":
            return await self._replaced(value or "", rest)
        if part := _SUBSTRING.fullmatch(rest):
            return await self._substring(value or "", part[1], part[2])
        match = _OPERATION.fullmatch(rest)
        if match is None:
            raise ExpansionError("bad substitution")
        operation, operand = match[1], lexer.operand(match[2])
        if operation[0] in "%#":
            return _trimmed(value or "", operation, await self.pattern(operand))
        absent = value is None or (operation[0] == ":" and not value)
        return await self._alternative(name, operation[-1], operand, None if absent else value)

    async def _substring(self, value: str, offset: str, length: str | None) -> str:
        """Return `${name:offset:length}`; a negative number counts from the end."""
        start = int(await self._arithmetic(offset))
        start = max(start + len(value), 0) if start < 0 else start
        if length is None:
            return value[start:]
        count = int(await self._arithmetic(length))
        return value[start : start + count if count >= 0 else count]

    async def _replaced(self, value: str, rest: str) -> str:
        """Return `${name/pattern/text}`, with `//` wherever it matches."""
        everywhere = rest.startswith("//")
        match = _REPLACEMENT.fullmatch(rest, 1 + everywhere)
        assert match is not None  # Anything is one.
        glob = await self.pattern(lexer.operand(match[1]))
        if not glob:
            return value
        new = await self.text(lexer.operand(match[2] or ""))
        expression = fnmatch.translate(glob).removesuffix(r"\Z").removesuffix(r"\z")
        return re.sub(expression, lambda _match: new, value, count=0 if everywhere else 1)

    async def _element(self, name: str, index: str) -> str:
        """Return `${name[index]}`."""
        elements = self._variables.elements(name)
        if index in ("@", "*"):
            return " ".join(elements)
        number = int(await self._arithmetic(index))
        return elements[number] if -len(elements) <= number < len(elements) else ""

    async def _alternative(
        self, name: str, operation: str, operand: Word, value: str | None
    ) -> str:
        if operation == "+":
            return "" if value is None else await self.text(operand)
        if value is not None:
            return value
        text = await self.text(operand)
        if operation == "?":
            raise ExpansionError(f"{name}: {text or 'parameter not set'}")
        if operation == "=":
            self._variables.set(name, text)
        return text


def _is_all(part: Parameter) -> bool:
    return part.rest == "[@]"


def _add(
    done: list[list[_Piece]], current: list[_Piece] | None, piece: _Piece
) -> list[_Piece] | None:
    """Add *piece* to the fields, splitting it at white space when it may be split."""
    if not piece.split:
        return [*(current or []), piece] if piece.text or piece.quoted else current
    words = piece.text.split()
    if piece.text[:1].isspace() and current is not None:
        done.append(current)
        current = None
    for index, text in enumerate(words):
        if index and current is not None:
            done.append(current)
            current = None
        current = [*(current or []), _Piece(text, False)]
    if words and piece.text[-1:].isspace() and current is not None:
        done.append(current)
        current = None
    return current


def _escaped(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text)


def _trimmed(value: str, operation: str, pattern: str) -> str:
    """Remove the shortest (`%`, `#`) or longest (`%%`, `##`) part that matches."""
    lengths = range(len(value) + 1)
    order = lengths if len(operation) == 1 else reversed(lengths)
    for length in order:
        if operation[0] == "#" and fnmatch.fnmatchcase(value[:length], pattern):
            return value[length:]
        if operation[0] == "%" and fnmatch.fnmatchcase(value[len(value) - length :], pattern):
            return value[: len(value) - length]
    return value
