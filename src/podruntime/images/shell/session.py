"""A shell that reads commands as they come: from a person at a terminal, or from a pipe.

A command begins when its last line is there, so one that reads its standard input gets the lines
behind it. At a terminal ^C ends what runs in the foreground and never the shell.
"""

from __future__ import annotations

import asyncio
import posixpath
import signal
from typing import Final

from componentbase.tasks import Tasks
from podruntime.images.process import Input
from podruntime.images.shell import parser
from podruntime.images.shell.interpreter import LoopControl, Return, Shell, ShellExit
from podruntime.images.shell.lexer import Incomplete, SyntaxError_
from podruntime.images.shell.line_editor import Edited, Ending, LineEditor
from podruntime.images.terminal import Terminal

_PS2: Final = "> "
_SIGNALLED: Final = 128


class CommandReader:
    """Puts lines together until they are a command."""

    def __init__(self) -> None:
        self.pending = ""

    def add(self, line: str) -> parser.Sequence | None:
        """Return the tree when *line* completes one; raises SyntaxError_."""
        script, self.pending = self.pending + line, ""
        try:
            return parser.parse(script, whole=False)
        except Incomplete:
            self.pending = script
            return None


async def run_lines(shell: Shell, lines: Input) -> int:
    """Run what comes on a pipe, to its end or to `exit`."""
    reader = CommandReader()
    try:
        while line := await lines.readline():
            tree = reader.add(line.decode(errors="replace"))
            if tree is not None:
                await _run(shell, tree)
        if reader.pending:
            await _run(shell, parser.parse(reader.pending))
    except SyntaxError_ as error:
        shell.complain(str(error))
        shell.status = 2
    except ShellExit as end:
        shell.status = end.status
    return await shell.leave()


async def _run(shell: Shell, tree: parser.Sequence) -> None:
    """Run one command; raises ShellExit."""
    try:
        await shell.run(tree)
    except (LoopControl, Return):
        return  # Outside of a loop or function they end the list.


class Session:
    """A person at a terminal."""

    def __init__(self, shell: Shell, terminal: Terminal) -> None:
        self._shell, self._terminal = shell, terminal
        self._editor = LineEditor(self._offers)

    async def run(self) -> int:
        """Read and run commands to the end."""
        shell, reader = self._shell, CommandReader()
        with self._terminal.foreground(_ignore):
            while True:
                line = await self._line(_PS2 if reader.pending else self._prompt())
                if line.ending is Ending.INTERRUPT:
                    reader.pending, shell.status = "", _SIGNALLED + signal.SIGINT
                    continue
                if line.ending is Ending.END_OF_FILE:
                    self._terminal.echo(b"\n")
                    return await shell.leave()
                try:
                    tree = reader.add(line.text + "\n")
                    if tree is not None:
                        await self._foreground(tree)
                except SyntaxError_ as error:
                    shell.complain(str(error))
                    shell.status = 2
                except ShellExit as end:
                    shell.status = end.status
                    return await shell.leave()

    def _prompt(self) -> str:
        cwd, home = self._shell.process.cwd, self._shell.variables.get("HOME", "")
        shown = "~" if cwd == home else cwd
        wanted = self._shell.variables.get("PS1", r"\w \$ ")
        host = self._shell.process.hostname
        for mark, text in ((r"\w", shown), (r"\h", host), (r"\u", "root"), (r"\$", "#")):
            wanted = wanted.replace(mark, text)
        return wanted

    async def _line(self, prompt: str) -> Edited:
        terminal = self._terminal
        with terminal.raw():
            shown, edited = self._editor.begin(prompt, terminal.columns)
            terminal.echo(shown)
            while edited is None:
                octets = await terminal.piece()
                if not octets:
                    return Edited(Ending.END_OF_FILE)
                shown, edited = self._editor.feed(octets)
                terminal.echo(shown)
        return edited

    async def _foreground(self, tree: parser.Sequence) -> None:
        """Run a command that ^C ends; raises ShellExit."""
        tasks, interrupted = Tasks(), 0

        def interrupt(number: int) -> None:
            nonlocal interrupted
            interrupted = number
            task.cancel()

        task = tasks.spawn(_outcome(self._shell, tree), name="sh")
        try:
            with self._terminal.foreground(interrupt):
                await asyncio.wait([task])
        finally:
            await tasks.close()
        if task.cancelled():
            self._shell.status = _SIGNALLED + interrupted
            self._terminal.echo(b"\n")
            return
        end = task.result()
        if end is not None:
            raise end

    def _offers(self, before: str) -> list[str]:
        """Return what may stand for the last word: a program's name, or a file's."""
        *others, word = before.split(" ")
        if not any(others) and "/" not in word:
            names = {*self._shell.process.programs, *self._shell.builtin_names}
            return sorted(name for name in names if name.startswith(word))
        process = self._shell.process
        directory, _, start = word.rpartition("/")
        path = process.path(f"{directory}/" if "/" in word else ".")
        if not process.files.is_directory(path):
            return []
        prefix = word[: len(word) - len(start)]
        return [
            prefix + name + ("/" if process.files.is_directory(posixpath.join(path, name)) else "")
            for name in process.files.list(path)
            if name.startswith(start) and (start or not name.startswith("."))
        ]


def _ignore(_number: int) -> None:
    """A shell that waits for a line is not ended by a signal of keys."""


async def _outcome(shell: Shell, tree: parser.Sequence) -> ShellExit | None:
    """Run a command; return what ends the shell, if it does."""
    try:
        await _run(shell, tree)
    except ShellExit as end:
        return end
    return None
