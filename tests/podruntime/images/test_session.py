"""A shell that reads as it goes: at a terminal and from a pipe."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from componentbase.tasks import Tasks
from podruntime.images.process import Octets, Pipe
from podruntime.images.shell.builtins import sh
from podruntime.images.terminal import Terminal

from .processes import process, run


class Person:
    """Sits at the terminal of a shell."""

    def __init__(self, files: dict[str, str] | None = None) -> None:
        self._screen = Octets()
        self.terminal = Terminal(self._screen)
        made = process(["sh"], env={"HOME": "/root"}, files=files)
        streams = {"stdin": self.terminal, "stdout": self.terminal, "stderr": self.terminal}
        self.process = replace(made, **streams, terminal=self.terminal)
        self._seen = 0

    async def __aenter__(self) -> Person:
        self.shell = Tasks().spawn(sh(self.process), name="test")
        await self.until("# ")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.shell.cancel()
        await asyncio.wait([self.shell])

    def type(self, keys: str) -> None:
        self._seen = len(self._screen.taken())
        self.terminal.type_(keys.encode())

    async def until(self, mark: str) -> str:
        """Return what is shown since the last keys, as soon as it holds *mark*."""
        async with asyncio.timeout(10):
            while mark not in (shown := self._screen.taken()[self._seen :].decode()):
                await asyncio.sleep(0.005)
        return shown

    async def ask(self, line: str) -> str:
        """Type a command; return what it writes."""
        self.type(f"{line}\r")
        shown = await self.until("# ")
        return shown.partition("\r\n")[2].rpartition("\r\n")[0]


@pytest.mark.asyncio
async def test_commands_are_run_and_remembered():
    async with Person() as person:
        assert await person.ask("x=4; echo $((x * 2))") == "8"
        assert await person.ask("cd /root") == ""
        person.type("pwd\r")
        assert "~ # " in await person.until("~ # ")
        assert await person.ask("false") == ""
        assert await person.ask("echo $? $x") == "1 4"
        assert await person.ask("\x1b[A\x1b[A\x1b[Aecho") != ""
        person.type("exit 3\r")
        assert await person.shell == 3


@pytest.mark.asyncio
async def test_commands_of_many_lines_are_asked_for():
    async with Person() as person:
        person.type("for i in 1 2\r")
        await person.until("> ")
        person.type("do echo n$i\rdone\r")
        assert "n1\r\nn2\r\n" in await person.until("# ")
        person.type("cat <<E\rhello $HOME\rE\r")
        assert "\nhello /root\r\n" in await person.until("# ")
        assert "syntax error" in await person.ask("echo )")
        assert await person.ask("echo $?") == "2"


@pytest.mark.asyncio
async def test_interrupt_ends_the_command_and_not_the_shell():
    async with Person() as person:
        person.type("echo go; sleep 1000\r")
        await person.until("go\r\n")
        person.type("\x03")
        await person.until("# ")
        assert await person.ask("echo $?") == "130"
        person.type("for i in 1 2\r")
        await person.until("> ")
        person.type("\x03")
        await person.until("^C\r\n/ # ")
        person.type("ping 10.244.1.1\r")
        await person.until("seq=0")
        person.type("\x03")
        assert "packets transmitted" in await person.until("# ")


@pytest.mark.asyncio
async def test_program_reads_lines_of_the_terminal():
    async with Person() as person:
        person.type("cat; echo done\r")
        await asyncio.sleep(0)
        person.type("hello\r")
        await person.until("hello\r\nhello\r\n")
        person.type("\x04")
        assert "done\r\n" in await person.until("# ")
        person.type("\x04")
        assert await person.shell == 0


@pytest.mark.asyncio
async def test_names_are_completed():
    async with Person(files={"/data/some-file": "inside\n"}) as person:
        assert await person.ask("hostn\t") == "pod-1"
        assert await person.ask("cat /da\tso\t") == "inside"
        person.type("PS1='\\u@\\h:\\w\\$ '\r")
        assert "root@pod-1:/# " in await person.until("root@pod-1:/# ")


@pytest.mark.asyncio
async def test_terminal_is_known_to_programs():
    async with Person() as person:
        person.terminal.resize(100, 30)
        assert await person.ask("stty size; tty") == "30 100\r\n/dev/pts/0"
    assert (await run(["tty"]))[:2] == (1, "not a tty\n")


@pytest.mark.asyncio
async def test_pipe_is_read_command_by_command():
    pipe = Pipe()
    made = replace(process(["sh"]), stdin=pipe)
    running = Tasks().spawn(sh(made), name="test")
    pipe.write(b"echo one\n")
    async with asyncio.timeout(10):
        while made.stdout.taken() != b"one\n":
            await asyncio.sleep(0.005)
    pipe.write(b"read x\nline for read\necho got $x; if true\nthen exit 5\nfi\n")
    assert await running == 5
    assert made.stdout.taken() == b"one\ngot line for read\n"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        (b"echo a\necho b", 0, "a\nb\n"),
        (b"trap 'echo bye' EXIT\necho a\n", 0, "a\nbye\n"),
        (b"if true\n", 2, ""),
        (b"echo a; )\necho never\n", 2, ""),
        (b"echo 'x\ny'\nbreak\necho z\n", 0, "x\ny\nz\n"),
        (b"cat <<E\nno end", 0, "no end\n"),
    ],
    ids=["no-newline", "trap", "incomplete", "wrong", "quotes", "here-document"],
)
async def test_scripts_on_stdin(script, status, said):
    found = await run(["sh"], stdin=script)
    assert (found[0], found[1]) == (status, said), found
