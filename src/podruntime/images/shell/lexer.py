"""Cuts a shell script into tokens (POSIX Shell Command Language §2.3).

A word keeps its parts apart, since quoting decides later what is split, globbed or looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SCRIPT_OCTETS_MAX: Final = 256 * 1024
_OPERATORS: Final = (
    "&&",
    "||",
    ";;",
    ">>",
    "<<",
    ">&",
    "<&",
    "&>",
    ";",
    "&",
    "|",
    "(",
    ")",
    "<",
    ">",
)
_SPECIAL: Final = "@*#?$!-"
_BREAKS: Final = " \t\n;&|()<>"


class SyntaxError_(ValueError):
    """A script that cannot be read."""


class Incomplete(SyntaxError_):
    """A script that ends too early: with more of it it may be right."""


@dataclass(frozen=True, slots=True)
class Literal:
    """Text as it is."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name` or `${name…}`; *rest* is what follows the name within braces."""

    name: str
    rest: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(script)` or backquotes."""

    script: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`$((expression))`."""

    expression: str
    quoted: bool


Part = Literal | Parameter | Substitution | Arithmetic


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the script."""

    parts: tuple[Part, ...]

    @property
    def plain(self) -> str | None:
        """Return the text of a word without quotes or expansions, else None."""
        if all(isinstance(part, Literal) and not part.quoted for part in self.parts):
            return "".join(part.text for part in self.parts if isinstance(part, Literal))
        return None


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator, or a newline."""

    text: str


@dataclass(frozen=True, slots=True)
class HereDocument:
    """The lines that a `<<` stands for."""

    word: Word


Token = Word | Operator | HereDocument


class Lexer:
    """Reads one script."""

    def __init__(self, script: str) -> None:
        if len(script) > SCRIPT_OCTETS_MAX:
            raise SyntaxError_("script too long")
        self._script, self._at = script, 0
        self._tokens: list[Token] = []
        self._here: list[tuple[int, str, bool]] = []
        #: Whether more lines would change what there is: a here-document, a joined line.
        self.cut_short = script.endswith("\\\n")

    def tokens(self) -> list[Token]:
        """Return every token; raises SyntaxError_."""
        while self._at < len(self._script):
            self._next()
        if self._here:
            self._read_here_documents()
        return self._tokens

    def _next(self) -> None:
        character = self._script[self._at]
        if self._script.startswith("\\\n", self._at):
            self._at += 2
        elif character in " \t":
            self._at += 1
        elif character == "#":
            end = self._script.find("\n", self._at)
            self._at = len(self._script) if end < 0 else end
        elif character == "\n":
            self._at += 1
            self._tokens.append(Operator("\n"))
            if self._here:
                self._read_here_documents()
        else:
            self._operator_or_word()

    def _operator_or_word(self) -> None:
        for operator in _OPERATORS:
            if self._script.startswith(operator, self._at):
                self._at += len(operator)
                self._operator(operator)
                return
        start = self._at
        word = self._word()
        follows = self._script[self._at : self._at + 1]
        if self._script[start : self._at] in ("0", "1", "2") and follows in ("<", ">"):
            self._tokens.append(Operator(f"{word.plain}fd"))
        else:
            self._tokens.append(word)

    def _operator(self, operator: str) -> None:
        if operator != "<<":
            self._tokens.append(Operator(operator))
            return
        strip = self._script.startswith("-", self._at)
        self._at += strip
        while self._script[self._at : self._at + 1] in (" ", "\t"):
            self._at += 1
        delimiter = self._word()
        text = "".join(part.text for part in delimiter.parts if isinstance(part, Literal))
        quoted = delimiter.plain is None
        self._here.append((len(self._tokens), text + ("\0" if strip else ""), quoted))
        self._tokens.append(HereDocument(Word(())))

    def _read_here_documents(self) -> None:
        for index, mark, quoted in self._here:
            delimiter, strip = mark.rstrip("\0"), mark.endswith("\0")
            lines: list[str] = []
            while self._at < len(self._script):
                end = self._script.find("\n", self._at)
                end = len(self._script) if end < 0 else end
                line = self._script[self._at : end]
                self._at = end + 1
                line = line.lstrip("\t") if strip else line
                if line == delimiter:
                    break
                lines.append(line + "\n")
            else:
                self.cut_short = True
            body = "".join(lines)
            parts: tuple[Part, ...] = (Literal(body, True),)
            if not quoted:
                parts = tuple(Lexer(body)._quoted_parts(until=""))
            self._tokens[index] = HereDocument(Word(parts))
        self._here.clear()

    def _word(self, breaks: str = _BREAKS) -> Word:
        parts: list[Part] = []
        while self._at < len(self._script) and self._script[self._at] not in breaks:
            character = self._script[self._at]
            if character == "'":
                parts.append(Literal(self._until_quote(), True))
            elif character == '"':
                self._at += 1
                parts.append(Literal("", True))
                parts += self._quoted_parts(until='"')
            elif character == "\\":
                parts.append(Literal(self._script[self._at + 1 : self._at + 2], True))
                self._at += 2
            elif character in "$`":
                parts.append(self._expansion(quoted=False))
            else:
                parts.append(Literal(character, False))
                self._at += 1
        return Word(_joined(parts))

    def _until_quote(self) -> str:
        end = self._script.find("'", self._at + 1)
        if end < 0:
            raise Incomplete("unterminated quoted string")
        text = self._script[self._at + 1 : end]
        self._at = end + 1
        return text

    def _quoted_parts(self, *, until: str) -> list[Part]:
        parts: list[Part] = []
        while self._at < len(self._script):
            character = self._script[self._at]
            if character == until:
                self._at += 1
                return parts
            if character == "\\" and self._script[self._at + 1 : self._at + 2] in '$`"\\\n':
                escaped = self._script[self._at + 1 : self._at + 2]
                parts.append(Literal("" if escaped == "\n" else escaped, True))
                self._at += 2
            elif character in "$`":
                parts.append(self._expansion(quoted=True))
            else:
                parts.append(Literal(character, True))
                self._at += 1
        if until:
            raise Incomplete("unterminated quoted string")
        return parts

    def _expansion(self, *, quoted: bool) -> Part:
        script, at = self._script, self._at
        if script[at] == "`":
            end = script.find("`", at + 1)
            if end < 0:
                raise Incomplete("EOF in backquote substitution")
            self._at = end + 1
            return Substitution(script[at + 1 : end].replace("\\`", "`"), quoted)
        if script.startswith("$((", at):
            inner = self._balanced(at + 2, "(", ")")
            return (
                Arithmetic(inner[1:-1], quoted)
                if inner.endswith(")")
                else Arithmetic(inner, quoted)
            )
        if script.startswith("$(", at):
            return Substitution(self._balanced(at + 2, "(", ")"), quoted)
        if script.startswith("${", at):
            inner = self._balanced(at + 2, "{", "}")
            name, rest = _split_parameter(inner)
            return Parameter(name, rest, quoted)
        return self._plain_parameter(quoted=quoted)

    def _plain_parameter(self, *, quoted: bool) -> Part:
        self._at += 1
        start = self._at
        if self._script[start : start + 1] in tuple(_SPECIAL + "0123456789"):
            self._at += 1
        else:
            while self._at < len(self._script) and _is_name(self._script[self._at]):
                self._at += 1
        name = self._script[start : self._at]
        return Parameter(name, "", quoted) if name else Literal("$", quoted)

    def _balanced(self, start: int, opening: str, closing: str) -> str:
        """Return what stands before the *closing* that matches, stepping over quotes."""
        depth, at = 1, start
        while at < len(self._script):
            character = self._script[at]
            if character == "\\":
                at += 1
            elif character in "'\"" and not (opening == "{" and character == "'"):
                at = self._script.find(character, at + 1)
                if at < 0:
                    break
            elif character == opening:
                depth += 1
            elif character == closing:
                depth -= 1
                if depth == 0:
                    self._at = at + 1
                    return self._script[start:at]
            at += 1
        raise Incomplete(f"unexpected end of file (expecting '{closing}')")


def _is_name(character: str) -> bool:
    return character == "_" or (character.isascii() and character.isalnum())


def _split_parameter(inner: str) -> tuple[str, str]:
    """Return the name and the rest of `${…}`; a length is the name `#name`."""
    if inner[:1] == "#" and len(inner) > 1:
        return inner, ""
    if inner[:1] in tuple(_SPECIAL):
        return inner[:1], inner[1:]
    end = 0
    while end < len(inner) and _is_name(inner[end]):
        end += 1
    if end == 0:
        raise SyntaxError_("bad substitution")
    return inner[:end], inner[end:]


def _joined(parts: list[Part]) -> tuple[Part, ...]:
    """Return *parts* with neighbouring literals of one kind made into one."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, Literal) and isinstance(last, Literal) and last.quoted == part.quoted:
            joined[-1] = Literal(last.text + part.text, part.quoted)
        else:
            joined.append(part)
    return tuple(joined)


def word(text: str) -> Word:
    """Read *text* as the inside of double quotes: expansions, but no splitting."""
    return Word(tuple(Lexer(text)._quoted_parts(until="")))


def operand(text: str) -> Word:
    """Read *text* as what follows the operator within `${…}`: quotes count, blanks do not."""
    return Lexer(text)._word(breaks="")
