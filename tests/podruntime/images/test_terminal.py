"""A terminal's line discipline: what a person types, what programs read, what is shown."""

from __future__ import annotations

import asyncio
import signal

import pytest

from componentbase.tasks import Tasks
from podruntime.images.process import Octets
from podruntime.images.terminal import Terminal


@pytest.fixture
def screen():
    return Octets()


@pytest.fixture
def terminal(screen):
    return Terminal(screen)


def shown(screen) -> bytes:
    return screen.taken()


@pytest.mark.asyncio
async def test_line_is_echoed_and_read_whole(terminal, screen):
    terminal.type_(b"he")
    reading = Tasks().spawn(terminal.readline(), name="test")
    await asyncio.sleep(0)
    assert not reading.done()
    terminal.type_(b"llo\rmore\r")
    assert await reading == b"hello\n"
    assert await terminal.piece() == b"more\n"
    assert shown(screen) == b"hello\r\nmore\r\n"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("keys", "line", "echo"),
    [
        (b"ab\x7fc\r", b"ac\n", b"ab\b \bc\r\n"),
        ("aé\x7fb\r".encode(), b"ab\n", "aé\b \bb\r\n".encode()),
        (b"one two\x17x\r", b"one x\n", b"one two" + b"\b \b" * 3 + b"x\r\n"),
        (b"one\x15x\r", b"x\n", b"one" + b"\b \b" * 3 + b"x\r\n"),
        (b"\x7fa\r", b"a\n", b"a\r\n"),
        (b"\x01\x7f\r", b"\n", b"^A\b \b\b \b\r\n"),
    ],
    ids=["erase", "utf-8", "word", "line", "nothing", "control"],
)
async def test_lines_are_edited(terminal, screen, keys, line, echo):
    terminal.type_(keys)
    assert await terminal.readline() == line
    assert shown(screen) == echo


@pytest.mark.asyncio
async def test_end_of_file_ends_one_read(terminal):
    terminal.type_(b"abc\x04\x04")
    assert await terminal.read() == b"abc"
    terminal.type_(b"later\r")
    assert await terminal.readline() == b"later\n"
    terminal.hang_up()
    assert await terminal.read() == b""


def test_signals_are_for_the_foreground(terminal, screen):
    told = []
    terminal.type_(b"\x03")
    terminal.session = lambda number: told.append(("session", number))
    terminal.type_(b"lost\x03")
    with terminal.foreground(lambda number: told.append(("program", number))):
        terminal.type_(b"\x1c")
    terminal.type_(b"\x03")
    assert told == [
        ("session", signal.SIGINT),
        ("program", signal.SIGQUIT),
        ("session", signal.SIGINT),
    ]
    assert shown(screen) == b"^Clost^C^\\^C"


@pytest.mark.asyncio
async def test_raw_octets_come_as_they_are(terminal, screen):
    terminal.type_(b"ahead")
    with terminal.raw():
        terminal.type_(b"\x03\x7f")
        assert await terminal.piece() == b"ahead"
        assert await terminal.piece() == b"\x03\x7f"
    assert shown(screen) == b"ahead"


@pytest.mark.asyncio
async def test_what_nobody_reads_is_bounded(terminal, screen):
    terminal.type_(b"x" * 5000)
    assert shown(screen).count(b"\a") == 5000 - 4096
    terminal.type_(b"\r")
    for _ in range(20):
        terminal.type_(b"y" * 4096 + b"\r")
    waiting = Tasks().spawn(terminal.room(), name="test")
    await asyncio.sleep(0)
    assert not waiting.done()
    while not waiting.done():
        await terminal.piece()
        await asyncio.sleep(0)


def test_output_returns_the_carriage(terminal, screen):
    terminal.write(b"a\nb\n")
    assert shown(screen) == b"a\r\nb\r\n"
