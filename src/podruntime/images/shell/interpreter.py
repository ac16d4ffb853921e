"""Walks a script's tree. One Shell is one shell process: its variables, functions and status.

Every turn of a loop lets the event loop go on, so that `while true; do :; done` occupies a
container and not its siblings. As in Linux a shell that is PID 1 ignores SIGTERM unless it has a
trap; a trap runs when the command in the foreground has ended.
"""

from __future__ import annotations

import asyncio
import fnmatch
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from componentbase.tasks import Tasks
from podruntime.images.process import (
    NOT_FOUND,
    Input,
    NoInput,
    Octets,
    Output,
    Pipe,
    Process,
    find_program,
)
from podruntime.images.shell import parser
from podruntime.images.shell.expand import Expander, ExpansionError
from podruntime.images.shell.lexer import SyntaxError_, Word

_CALLS_MAX: Final = 100
_BROKEN_PIPE: Final = 141
_RANDOM_MAX: Final = 32_767
_NAMED_OPTIONS: Final = {"errexit": "e", "nounset": "u", "xtrace": "x"}


class ShellExit(Exception):
    """`exit`, or an error that ends a script."""

    def __init__(self, status: int) -> None:
        self.status = status


class LoopControl(Exception):
    """`break` and `continue`."""

    def __init__(self, levels: int, *, again: bool) -> None:
        self.levels, self.again = levels, again


class Return(Exception):
    """`return` from a function."""

    def __init__(self, status: int) -> None:
        self.status = status


Builtin = Callable[["Shell", Process], Awaitable[int]]


class Shell:
    """Runs scripts in one process."""

    def __init__(
        self, process: Process, arguments: list[str], builtins: dict[str, Builtin]
    ) -> None:
        self.process, self.arguments = process, arguments
        self._own_process = process  # What the container knows, whatever is redirected now.
        self.name = "sh"
        self.variables = dict(process.env)
        self.arrays: dict[str, list[str]] = {}
        self.exported = dict.fromkeys(process.env)
        self.functions: dict[str, parser.Command] = {}
        self.status = 0
        self.options = {"e": False, "x": False, "u": False}
        self.pipefail = False
        self.traps: dict[str, str] = {}
        self.terminated = asyncio.Event()
        self.background = Tasks()
        self.jobs: list[asyncio.Task[int]] = []
        self._builtins = builtins
        self._calls = self._conditions = 0
        self._expander = Expander(self, process.files, self._substitute)

    @property
    def builtin_names(self) -> tuple[str, ...]:
        """Return what the shell itself can do."""
        return tuple(self._builtins)

    def handle_terminate(self) -> None:
        """Let SIGTERM run the trap instead of being ignored."""
        self._own_process.on_terminate = self.terminated.set

    def hand_over(self, successor: Process) -> None:
        """Let signals reach *successor*, which runs in the shell's place from now on (exec)."""
        own = self._own_process
        own.argv = successor.argv

        def terminate() -> None:
            if successor.on_terminate is not None:
                successor.on_terminate()
                own.terminated_with = successor.terminated_with

        own.on_terminate = terminate

    # --- variables, as expansion sees them

    def get(self, name: str) -> str | None:
        """Return a variable's or special parameter's value."""
        if name.isdigit():
            index = int(name)
            everything = [self.name, *self.arguments]
            return everything[index] if index < len(everything) else None
        match name:
            case "?":
                return str(self.status)
            case "#":
                return str(len(self.arguments))
            case "@" | "*":
                return " ".join(self.arguments)
            case "$":
                return "1"
            case "!":
                return str(len(self.jobs) + 1)
            case "-":
                return "".join(option for option, on in self.options.items() if on)
            case "PWD":
                return self.process.cwd
            case "RANDOM":
                return str(secrets.randbelow(_RANDOM_MAX + 1))
        if name not in self.variables and self.options["u"]:
            raise ExpansionError(f"{name}: parameter not set")
        return self.variables.get(name)

    def set(self, name: str, value: str) -> None:
        """Assign a variable."""
        self.variables[name] = value

    def elements(self, name: str) -> list[str]:
        """Return an array's elements; a variable is an array of one."""
        if name in self.arrays:
            return self.arrays[name]
        value = self.variables.get(name)
        return [] if value is None else [value]

    async def _substitute(self, script: str) -> str:
        output = Octets()
        shell = self.subshell(replace(self.process, stdout=output))
        self.status = await shell.run_script(script)
        return output.taken().decode(errors="replace").replace("\0", "")

    def subshell(self, process: Process) -> Shell:
        """Return a copy whose changes stay its own."""
        shell = Shell(process, list(self.arguments), self._builtins)
        shell.variables, shell.exported = dict(self.variables), dict(self.exported)
        shell.arrays = dict(self.arrays)
        shell.functions, shell.options = dict(self.functions), dict(self.options)
        shell.status, shell._calls = self.status, self._calls
        shell.pipefail = self.pipefail
        return shell

    def set_named_option(self, name: str, *, on: bool) -> None:
        """Carry out `set -o NAME`; what the shell does not have is passed over."""
        if name == "pipefail":
            self.pipefail = on
        elif name in _NAMED_OPTIONS:
            self.options[_NAMED_OPTIONS[name]] = on

    # --- scripts and lists

    async def run_script(self, script: str) -> int:
        """Run a whole script and return its status; an error in it is told on stderr."""
        try:
            tree = parser.parse(script)
        except SyntaxError_ as error:
            self.complain(str(error))
            return 2
        try:
            await self.run(tree)
        except ShellExit as end:
            self.status = end.status
        except (LoopControl, Return):
            pass  # Outside of a loop or function they end the list.
        return await self.leave()

    async def leave(self) -> int:
        """Run the trap of the end, and return the shell's status."""
        if "EXIT" in self.traps:
            await self.subshell(self.process).run_script(self.traps.pop("EXIT"))
        return self.status

    def complain(self, text: str) -> None:
        """Write an error as ash words it."""
        self.process.complain(f"{self.name}: {text}")

    async def run(self, sequence: parser.Sequence) -> int:
        """Run lists in order."""
        for and_or, in_background in sequence.items:
            if in_background:
                shell = self.subshell(replace(self.process, stdin=NoInput()))
                job = shell._run_apart(parser.Sequence(((and_or, False),)))
                self.jobs.append(self.background.spawn(job, name="sh &"))
                self.status = 0
            else:
                await self._and_or(and_or)
            await self._run_traps()
        return self.status

    async def _run_apart(self, sequence: parser.Sequence) -> int:
        """Run a list in this (sub)shell to its end, however it ends."""
        try:
            return await self.run(sequence)
        except (ShellExit, Return) as end:
            return end.status
        except LoopControl:
            return self.status

    async def _run_traps(self) -> None:
        if self.terminated.is_set():
            self.terminated.clear()
            await self.run(parser.parse(self.traps.get("TERM", ":")))

    async def _and_or(self, and_or: parser.AndOr) -> None:
        guarded = bool(and_or.rest) or and_or.first.negated
        self._conditions += guarded
        try:
            await self._pipeline(and_or.first)
            for operator, pipeline in and_or.rest:
                if (operator == "&&") == (self.status == 0):
                    await self._pipeline(pipeline)
        finally:
            self._conditions -= guarded
        if self.options["e"] and self.status and not self._conditions and not guarded:
            raise ShellExit(self.status)

    async def _pipeline(self, pipeline: parser.Pipeline) -> None:
        if len(pipeline.commands) == 1:
            self.status = await self.command(pipeline.commands[0])
        else:
            self.status = await self._piped(pipeline.commands)
        if pipeline.negated:
            self.status = int(not self.status)

    async def _piped(self, commands: tuple[parser.Command, ...]) -> int:
        """Run *commands* side by side, each in a subshell, and return the last one's status."""
        tasks, stdin = Tasks(), self.process.stdin
        running: list[asyncio.Task[int]] = []
        for index, command in enumerate(commands):
            pipe = Pipe() if index + 1 < len(commands) else None
            stdout: Output = self.process.stdout if pipe is None else pipe
            shell = self.subshell(replace(self.process, stdin=stdin, stdout=stdout))
            running.append(tasks.spawn(_stage(shell, command, stdin, pipe), name="sh |"))
            stdin = stdin if pipe is None else pipe
        try:
            await asyncio.wait(running)
        finally:
            await tasks.close()
        statuses = [_status(each) for each in running]
        failed = [status for status in statuses if status] if self.pipefail else []
        return (failed or statuses)[-1]

    # --- commands

    async def command(self, command: parser.Command) -> int:
        """Run one command and return its status."""
        match command:
            case parser.Simple():
                return await self._simple(command)
            case parser.Redirected(inner, redirects):
                return await self._redirected(redirects, lambda: self.command(inner))
            case parser.Group():
                if command.subshell:
                    return await self.subshell(self.process)._run_apart(command.body)
                return await self.run(command.body)
            case parser.Function(name, body):
                self.functions[name] = body
                return 0
            case parser.If():
                return await self._if(command)
            case parser.Case():
                return await self._case(command)
            case parser.While() | parser.For():
                return await self._loop(command)

    async def _condition(self, sequence: parser.Sequence) -> bool:
        self._conditions += 1
        try:
            return await self.run(sequence) == 0
        finally:
            self._conditions -= 1

    async def _if(self, command: parser.If) -> int:
        for condition, body in command.branches:
            if await self._condition(condition):
                return await self.run(body)
        return 0 if command.otherwise is None else await self.run(command.otherwise)

    async def _case(self, command: parser.Case) -> int:
        subject = await self._expander.text(command.word)
        for patterns, body in command.items:
            for pattern in patterns:
                if fnmatch.fnmatchcase(subject, await self._expander.pattern(pattern)):
                    self.status = 0
                    return await self.run(body)
        return 0

    async def _loop(self, command: parser.While | parser.For) -> int:
        values: list[str] = []
        if isinstance(command, parser.For):
            words = command.words
            values = self.arguments if words is None else await self._expander.fields(words)
            values = values[::-1]
        status = 0
        while True:
            await asyncio.sleep(0)
            if isinstance(command, parser.While):
                if await self._condition(command.condition) == command.until:
                    return status
            elif values:
                self.set(command.name, values.pop())
            else:
                return status
            try:
                status = await self.run(command.body)
            except LoopControl as control:
                if control.levels > 1:
                    raise LoopControl(control.levels - 1, again=control.again) from None
                status = 0
                if not control.again:
                    return status

    async def _simple(self, command: parser.Simple) -> int:
        self._expander.cwd = self.process.cwd
        try:
            words = await self._expander.fields(command.words)
            values = [(name, await self._expander.text(v)) for name, v in command.assignments]
            for name, elements in command.arrays:
                self.arrays[name] = await self._expander.fields(elements)
                values.append((name, (self.arrays[name] or [""])[0]))
        except ExpansionError as error:
            self.complain(str(error))
            raise ShellExit(2) from None
        if self.options["x"] and words:
            self.process.complain(f"+ {' '.join(words)}")
        if not words:
            had_substitution = self.status if command.assignments else 0
            self.variables.update(values)
            return await self._redirected(command.redirects, _nothing(had_substitution))
        return await self._redirected(command.redirects, lambda: self._call(words, values))

    async def _call(self, words: list[str], values: list[tuple[str, str]]) -> int:
        name = words[0]
        if name in self.functions:
            self.variables.update(values)
            return await self._call_function(name, words[1:])
        if name in self._builtins:
            self.variables.update(values)
            return await self._builtins[name](self, replace(self.process, argv=words))
        program = find_program(self.process.programs, name)
        if program is None:
            self.complain(f"{name}: not found")
            return NOT_FOUND
        child = self.process.child(words)
        child.env = {k: self.variables[k] for k in self.exported if k in self.variables}
        child.env.update(values)
        try:
            return await program(child)
        except BrokenPipeError:
            return _BROKEN_PIPE

    async def _call_function(self, name: str, arguments: list[str]) -> int:
        if self._calls >= _CALLS_MAX:
            self.complain(f"{name}: too many nested calls")
            return 2
        self._calls += 1
        saved, self.arguments = self.arguments, arguments
        try:
            return await self.command(self.functions[name])
        except Return as end:
            return end.status
        finally:
            self.arguments = saved
            self._calls -= 1

    # --- redirections

    async def _redirected(
        self, redirects: tuple[parser.Redirect, ...], run: Callable[[], Awaitable[int]]
    ) -> int:
        """Run with other streams, and put the old ones back."""
        if not redirects:
            return await run()
        saved = self.process
        self.process = replace(saved)
        try:
            for redirect in redirects:
                await self._redirect(redirect)
            status = await run()
            saved.cwd = self.process.cwd
            return status
        except (OSError, SyntaxError_) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self.complain(f"can't open {getattr(error, 'filename', '')}: {reason}")
            return 1
        finally:
            self.process = saved

    async def _redirect(self, redirect: parser.Redirect) -> None:
        target = await self._expander.text(redirect.target)
        process = self.process
        match redirect.operator:
            case "<<":
                process.stdin = Octets(target.encode())
            case "<":
                process.stdin = Octets(process.files.read(process.path(target)))
            case ">&" if target in ("1", "2"):
                self._set(redirect.fd, process.stdout if target == "1" else process.stderr)
            case ">" | ">>":
                self._set(redirect.fd, self._open(target, append=redirect.operator == ">>"))
            case "&>" | ">&":
                process.stdout = process.stderr = self._open(target, append=False)

    def _set(self, fd: int, output: Output) -> None:
        if fd == 2:
            self.process.stderr = output
        else:
            self.process.stdout = output

    def _open(self, target: str, *, append: bool) -> Output:
        match target:
            case "/dev/stdout" | "/proc/1/fd/1" | "/proc/self/fd/1":
                return self.process.stdout
            case "/dev/stderr" | "/proc/1/fd/2" | "/proc/self/fd/2":
                return self.process.stderr
        return FileOutput(self.process, self.process.path(target), append=append)

    async def text(self, each: Word) -> str:
        """Expand a word to one text."""
        return await self._expander.text(each)


class FileOutput:
    """An output that goes to a file of the container."""

    def __init__(self, process: Process, path: str, *, append: bool) -> None:
        self._files, self._path = process.files, path
        self._files.write(path, b"", append=append)

    def write(self, data: bytes) -> None:
        """Append *data*."""
        self._files.write(self._path, data, append=True)

    async def drain(self) -> None:
        """Return at once."""


async def _stage(shell: Shell, command: parser.Command, stdin: Input, pipe: Pipe | None) -> int:
    """Run one command of a pipeline; its end ends the pipes on both its sides."""
    try:
        return await shell._run_apart(
            parser.Sequence(((parser.AndOr(parser.Pipeline((command,), False), ()), False),))
        )
    except BrokenPipeError:
        return _BROKEN_PIPE
    finally:
        if pipe is not None:
            pipe.end()
        if isinstance(stdin, Pipe) and stdin is not pipe:
            stdin.break_()


def _status(ended: asyncio.Task[int]) -> int:
    error = ended.exception()
    return error.status if isinstance(error, ShellExit) else ended.result()


def _nothing(status: int) -> Callable[[], Awaitable[int]]:
    async def run() -> int:
        return status

    return run


def strerror(error: OSError) -> str:
    """Return the kernel's words for *error*."""
    return error.strerror or os.strerror(error.errno or 0)
