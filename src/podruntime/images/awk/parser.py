"""awk's statements and rules, made into functions of the machine (POSIX awk, "Grammar")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from podruntime.images.awk.expressions import ExpressionParser, Target
from podruntime.images.awk.lexer import tokens
from podruntime.images.awk.machine import (
    Code,
    Exit,
    Machine,
    Next,
    Value,
    formatted,
    is_true,
    number,
    text,
)
from podruntime.images.busybox.arguments import BadUsage

#: Does something; says how a loop goes on: "", "break" or "continue".
Statement = Callable[[Machine], str]
_ENDS = (";", "\n", "}", "end")


def _always(_machine: Machine) -> Value:
    return 1.0


@dataclass(slots=True)
class Rule:
    """A pattern with what is done for its lines; a range has begun, or has not."""

    first: Code
    last: Code | None
    action: Statement
    inside: bool = False

    def selects(self, machine: Machine) -> bool:
        if self.last is None:
            return is_true(self.first(machine))
        if not self.inside and not is_true(self.first(machine)):
            return False
        self.inside = not is_true(self.last(machine))
        return True


@dataclass(slots=True)
class Program:
    """What is done before, for, and after the lines."""

    begin: list[Statement] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    end: list[Statement] = field(default_factory=list)


class _Parser(ExpressionParser):
    """Reads a program."""

    def program(self) -> Program:
        """Read everything; raises BadUsage."""
        made = Program()
        while True:
            while self.accept("\n", ";"):
                pass
            if self.kind == "end":
                return made
            if self.accept("BEGIN"):
                made.begin.append(self._block())
            elif self.accept("END"):
                made.end.append(self._block())
            else:
                made.rules.append(self._rule())

    def _rule(self) -> Rule:
        first: Code = _always
        last: Code | None = None
        if self.kind != "{":
            first = self.expression()
            if self.accept(","):
                self.skip_newlines()
                last = self.expression()
        return Rule(first, last, self._block() if self.kind == "{" else _print_record)

    def _block(self) -> Statement:
        self.expect("{")
        body: list[Statement] = []
        while not self.accept("}"):
            if not self.accept("\n", ";"):
                body.append(self.statement())
        return _all(body)

    def statement(self) -> Statement:
        """Read one statement and what ends it."""
        match self.kind:
            case "{":
                return self._block()
            case "if":
                return self._if()
            case "while":
                self.take()
                condition = self._condition()
                return _loop(condition, self._body(), _nothing)
            case "do":
                return self._do()
            case "for":
                return self._for()
        made = self._simple()
        if self.kind not in _ENDS:
            raise BadUsage(f"cmd. line: unexpected token: {self.kind!r}")
        self.accept(";", "\n")
        return made

    def _condition(self) -> Code:
        self.expect("(")
        condition = self.expression()
        self.expect(")")
        return condition

    def _body(self) -> Statement:
        self.skip_newlines()
        return _nothing if self.accept(";") else self.statement()

    def _if(self) -> Statement:
        self.take()
        condition, then = self._condition(), self._body()
        while self.kind in ("\n", ";") and self._else_follows():
            self.take()
        otherwise = self._body() if self.accept("else") else _nothing
        return lambda m: then(m) if is_true(condition(m)) else otherwise(m)

    def _else_follows(self) -> bool:
        place = self._at
        while self._tokens[place].kind in ("\n", ";"):
            place += 1
        return self._tokens[place].kind == "else"

    def _do(self) -> Statement:
        self.take()
        body = self._body()
        self.skip_newlines()
        self.accept(";")
        self.expect("while")
        again = _loop(self._condition(), body, _nothing)

        def run(machine: Machine) -> str:
            return "" if body(machine) == "break" else again(machine)

        return run

    def _for(self) -> Statement:
        self.take()
        self.expect("(")
        ahead = [token.kind for token in self._tokens[self._at : self._at + 4]]
        if ahead == ["name", "in", "name", ")"]:
            name = Target(self.take().text)
            self.take()
            array = self.take().text
            self.take()
            return _each(name, array, self._body())
        first = _nothing if self.kind == ";" else self._simple()
        self.expect(";")
        condition = _always if self.kind == ";" else self.expression()
        self.expect(";")
        last = _nothing if self.kind == ")" else self._simple()
        self.expect(")")
        loop = _loop(condition, self._body(), last)

        def run(machine: Machine) -> str:
            first(machine)
            return loop(machine)

        return run

    def _simple(self) -> Statement:
        match self.kind:
            case "print" | "printf":
                return self._print(self.take().kind)
            case "next":
                self.take()
                return _raise(Next)
            case "exit":
                self.take()
                return _exit(None if self.kind in _ENDS else self.expression())
            case "break" | "continue":
                word = self.take().kind
                return lambda _m: word
            case "delete":
                return self._delete()
        value = self.expression()

        def run(machine: Machine) -> str:
            machine.step()
            value(machine)
            return ""

        return run

    def _delete(self) -> Statement:
        self.take()
        name = self.expect("name").text
        index = self._subscript() if self.accept("[") else None

        def run(machine: Machine) -> str:
            array = machine.arrays.setdefault(name, {})
            if index is None:
                array.clear()
            else:
                array.pop(text(index(machine)), None)
            return ""

        return run

    def _print(self, word: str) -> Statement:
        values: list[Code] = []
        parenthesized = self.kind == "(" and self._is_whole_list()
        if parenthesized:
            self.take()
        while self.kind not in (*_ENDS, ")", ">", ">>"):
            values.append(self.expression(no_greater=not parenthesized))
            if not self.accept(","):
                break
            self.skip_newlines()
        if parenthesized:
            self.expect(")")
        file, append = None, False
        if self.kind in (">", ">>"):
            append = self.take().kind == ">>"
            file = self._concatenation(True)
        if word == "printf" and not values:
            raise BadUsage("cmd. line: printf without a format")
        return _printing(values, file, append=append, by_format=word == "printf")

    def _is_whole_list(self) -> bool:
        """Tell whether the parenthesis that opens here closes where the statement ends."""
        depth = 0
        for place in range(self._at, len(self._tokens)):
            depth += {"(": 1, ")": -1}.get(self._tokens[place].kind, 0)
            if depth == 0:
                return self._tokens[place + 1].kind in (*_ENDS, ">", ">>")
        return False


def _nothing(_machine: Machine) -> str:
    return ""


def _print_record(machine: Machine) -> str:
    machine.print(text(machine.field(0)) + text(machine.variables["ORS"]))
    return ""


def _all(body: list[Statement]) -> Statement:
    def run(machine: Machine) -> str:
        for one in body:
            how = one(machine)
            if how:
                return how
        return ""

    return run


def _loop(condition: Code, body: Statement, last: Statement) -> Statement:
    def run(machine: Machine) -> str:
        while is_true(condition(machine)):
            machine.step()
            if body(machine) == "break":
                break
            last(machine)
        return ""

    return run


def _each(name: Target, array: str, body: Statement) -> Statement:
    def run(machine: Machine) -> str:
        for key in list(machine.arrays.get(array, {})):
            name.set(machine, key)
            if body(machine) == "break":
                break
        return ""

    return run


def _raise(what: type[Exception]) -> Statement:
    def run(_machine: Machine) -> str:
        raise what

    return run


def _exit(status: Code | None) -> Statement:
    def run(machine: Machine) -> str:
        if status is not None:
            machine.status = int(number(status(machine))) & 255
        raise Exit

    return run


def _printing(values: list[Code], file: Code | None, *, append: bool, by_format: bool) -> Statement:
    def run(machine: Machine) -> str:
        machine.step()
        told = [value(machine) for value in values]
        if by_format:
            line = formatted(text(told[0]), told[1:])
        else:
            separator = text(machine.variables["OFS"])
            line = separator.join(map(text, told)) if told else text(machine.field(0))
            line += text(machine.variables["ORS"])
        machine.print(line, "" if file is None else text(file(machine)), append=append)
        return ""

    return run


def parse(source: str) -> Program:
    """Read a program's text; raises BadUsage."""
    return _Parser(tokens(source)).program()
