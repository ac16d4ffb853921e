"""Makes a tree of a script's tokens (POSIX Shell Command Language §2.10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from podruntime.images.shell.lexer import (
    HereDocument,
    Incomplete,
    Lexer,
    Operator,
    SyntaxError_,
    Token,
    Word,
)

_DEPTH_MAX: Final = 50
_REDIRECTIONS: Final = (">", ">>", "<", ">&", "<&", "&>")
_RESERVED: Final = frozenset(
    "if then elif else fi while until do done for in case esac { } !".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Redirect:
    """`fd operator target`; a here-document's target is its text."""

    fd: int
    operator: str
    target: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """Assignments, words and redirections."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]
    #: bash's arrays: `name=(word …)`.
    arrays: tuple[tuple[str, tuple[Word, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by `|`."""

    commands: tuple[Command, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class AndOr:
    """A pipeline, and those that follow if it succeeded (`&&`) or failed (`||`)."""

    first: Pipeline
    rest: tuple[tuple[str, Pipeline], ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Lists in order; the flag says "in the background"."""

    items: tuple[tuple[AndOr, bool], ...]


@dataclass(frozen=True, slots=True)
class If:
    """Conditions with their branches, then the else branch."""

    branches: tuple[tuple[Sequence, Sequence], ...]
    otherwise: Sequence | None


@dataclass(frozen=True, slots=True)
class While:
    """`while` or `until`."""

    condition: Sequence
    body: Sequence
    until: bool


@dataclass(frozen=True, slots=True)
class For:
    """`for name in words`; words None means the arguments."""

    name: str
    words: tuple[Word, ...] | None
    body: Sequence


@dataclass(frozen=True, slots=True)
class Case:
    """`case word in patterns) body ;; esac`."""

    word: Word
    items: tuple[tuple[tuple[Word, ...], Sequence], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """`{ … }`, or `( … )` as a subshell."""

    body: Sequence
    subshell: bool


@dataclass(frozen=True, slots=True)
class Function:
    """A definition."""

    name: str
    body: Command


@dataclass(frozen=True, slots=True)
class Redirected:
    """A compound command with redirections."""

    command: Command
    redirects: tuple[Redirect, ...]


Command = Simple | If | While | For | Case | Group | Function | Redirected


def parse(script: str, *, whole: bool = True) -> Sequence:
    """Return the tree of *script*; raises SyntaxError_, Incomplete where more may come."""
    lexer = Lexer(script)
    parser = _Parser(lexer.tokens())
    if lexer.cut_short and not whole:
        raise Incomplete("unexpected end of file")
    sequence = parser.sequence(())
    parser.expect_end()
    return sequence


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._at, self._depth = tokens, 0, 0

    # --- tokens

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _operator(self) -> str:
        token = self._peek()
        return token.text if isinstance(token, Operator) else ""

    def _reserved(self) -> str:
        token = self._peek()
        plain = token.plain if isinstance(token, Word) else None
        return plain if plain in _RESERVED else ""

    def _accept(self, *texts: str) -> bool:
        found = self._operator() in texts or self._reserved() in texts
        self._at += found
        return found

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise self._unexpected(f' (expecting "{text}")')

    def _unexpected(self, more: str = "") -> SyntaxError_:
        token = self._peek()
        if token is None:
            return Incomplete(f"syntax error: unexpected end of file{more}")
        name = self._operator() or self._reserved() or "word"
        name = "newline" if name == "\n" else name
        return SyntaxError_(f'syntax error: unexpected "{name}"{more}')

    def expect_end(self) -> None:
        """Raise SyntaxError_ when something is left."""
        if self._peek() is not None:
            raise self._unexpected()

    def _skip_newlines(self) -> None:
        while self._accept("\n"):
            pass

    # --- lists

    def sequence(self, ends: tuple[str, ...]) -> Sequence:
        """Read lists up to one of the reserved words or operators *ends*."""
        items: list[tuple[AndOr, bool]] = []
        self._skip_newlines()
        while self._peek() is not None and not self._at_end(ends):
            and_or = self._and_or()
            background = self._operator() == "&"
            items.append((and_or, background))
            if not self._accept(";", "&", "\n"):
                break
            self._skip_newlines()
        return Sequence(tuple(items))

    def _at_end(self, ends: tuple[str, ...]) -> bool:
        return self._operator() in ends if self._operator() else self._reserved() in ends

    def _body(self, *ends: str) -> Sequence:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise SyntaxError_("nested too deeply")
        sequence = self.sequence(ends)
        if not sequence.items:
            raise self._unexpected()
        self._depth -= 1
        return sequence

    def _and_or(self) -> AndOr:
        first = self._pipeline()
        rest: list[tuple[str, Pipeline]] = []
        while (operator := self._operator()) in ("&&", "||"):
            self._at += 1
            self._skip_newlines()
            rest.append((operator, self._pipeline()))
        return AndOr(first, tuple(rest))

    def _pipeline(self) -> Pipeline:
        negated = self._accept("!")
        commands = [self._command()]
        while self._accept("|"):
            self._skip_newlines()
            commands.append(self._command())
        return Pipeline(tuple(commands), negated)

    # --- commands

    def _command(self) -> Command:
        compound = self._compound()
        if compound is None:
            return self._simple()
        redirects = []
        while (redirect := self._redirect()) is not None:
            redirects.append(redirect)
        return Redirected(compound, tuple(redirects)) if redirects else compound

    def _compound(self) -> Command | None:
        if self._accept("if"):
            return self._if()
        if self._accept("while"):
            return self._while(until=False)
        if self._accept("until"):
            return self._while(until=True)
        if self._accept("for"):
            return self._for()
        if self._accept("case"):
            return self._case()
        if self._accept("{"):
            body = self._body("}")
            self._expect("}")
            return Group(body, subshell=False)
        if self._accept("("):
            body = self._body(")")
            self._expect(")")
            return Group(body, subshell=True)
        return None

    def _if(self) -> If:
        branches, otherwise = [], None
        while True:
            condition = self._body("then")
            self._expect("then")
            branches.append((condition, self._body("elif", "else", "fi")))
            if not self._accept("elif"):
                break
        if self._accept("else"):
            otherwise = self._body("fi")
        self._expect("fi")
        return If(tuple(branches), otherwise)

    def _while(self, *, until: bool) -> While:
        condition = self._body("do")
        return While(condition, self._do(), until)

    def _do(self) -> Sequence:
        self._expect("do")
        body = self._body("done")
        self._expect("done")
        return body

    def _for(self) -> For:
        name = self._name()
        self._skip_newlines()
        words: list[Word] | None = None
        if self._accept("in"):
            words = []
            while isinstance(token := self._peek(), Word):
                words.append(token)
                self._at += 1
        self._accept(";")
        self._skip_newlines()
        return For(name, None if words is None else tuple(words), self._do())

    def _name(self) -> str:
        token = self._peek()
        name = token.plain if isinstance(token, Word) else None
        if not name or not name.isidentifier():
            raise self._unexpected()
        self._at += 1
        return name

    def _case(self) -> Case:
        word = self._next_word()
        self._skip_newlines()
        self._expect("in")
        self._skip_newlines()
        items = []
        while not self._accept("esac"):
            self._accept("(")
            patterns = [self._next_word()]
            while self._accept("|"):
                patterns.append(self._next_word())
            self._expect(")")
            items.append((tuple(patterns), self.sequence((";;", "esac"))))
            self._accept(";;")
            self._skip_newlines()
        return Case(word, tuple(items))

    def _next_word(self) -> Word:
        token = self._peek()
        if not isinstance(token, Word):
            raise self._unexpected()
        self._at += 1
        return token

    def _simple(self) -> Command:
        assignments: list[tuple[str, Word]] = []
        arrays: list[tuple[str, tuple[Word, ...]]] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        while True:
            redirect = self._redirect()
            token = self._peek()
            if redirect is not None:
                redirects.append(redirect)
            elif isinstance(token, Word) and (words or not self._reserved()):
                self._at += 1
                assignment = None if words else assigned(token)
                if assignment is not None and not assignment[1].parts and self._accept("("):
                    arrays.append((assignment[0], self._elements()))
                elif assignment is not None:
                    assignments.append(assignment)
                else:
                    words.append(token)
            else:
                break
            if len(words) == 1 and words[0].plain and self._is_definition():
                return self._function(words[0].plain)
        if not (assignments or arrays or words or redirects):
            raise self._unexpected()
        return Simple(tuple(assignments), tuple(words), tuple(redirects), tuple(arrays))

    def _elements(self) -> tuple[Word, ...]:
        """Return the words of an array, up to its closing parenthesis."""
        words: list[Word] = []
        self._skip_newlines()
        while not self._accept(")"):
            words.append(self._next_word())
            self._skip_newlines()
        return tuple(words)

    def _is_definition(self) -> bool:
        return self._tokens[self._at : self._at + 2] == [Operator("("), Operator(")")]

    def _function(self, name: str) -> Function:
        self._at += 2
        self._skip_newlines()
        return Function(name, self._command())

    def _redirect(self) -> Redirect | None:
        token = self._peek()
        if isinstance(token, HereDocument):
            self._at += 1
            return Redirect(0, "<<", token.word)
        operator = self._operator()
        fd: int | None = None
        if operator.endswith("fd"):
            fd = int(operator[0])
            self._at += 1
            operator = self._operator()
        if operator not in _REDIRECTIONS:
            return None
        self._at += 1
        return Redirect(_fd(operator, fd), operator, self._next_word())


def _fd(operator: str, fd: int | None) -> int:
    if fd is not None:
        return fd
    return 0 if operator.startswith("<") else 1


def assigned(word: Word) -> tuple[str, Word] | None:
    """Return name and value of a word that is an assignment."""
    from podruntime.images.shell.lexer import Literal

    first = word.parts[0] if word.parts else None
    if not isinstance(first, Literal) or first.quoted:
        return None
    name, equals, text = first.text.partition("=")
    if not equals or not name.isidentifier():
        return None
    rest = word.parts[1:]
    return name, Word((Literal(text, False), *rest) if text else rest)
