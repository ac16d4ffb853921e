"""A terminal: what the kernel's line discipline does between a person and programs (n_tty).

By default lines are edited here and arrive whole: erase (DEL), word (^W) and line (^U), end of
file (^D), and ^C and ^\\, which are signals for who is in the foreground. A program that edits
lines itself asks for octets as they come (`raw`). Output goes out with CR before each LF.
Job control (^Z) is left out, and so is flow control by ^S and ^Q.
"""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from podruntime.images.process import Output

#: How long a line may become (Linux: N_TTY_BUF_SIZE); more rings the bell.
_LINE_MAX: Final = 4096
#: How much may wait unread before `room` waits.
_UNREAD_MAX: Final = 64 * 1024


class Key(IntEnum):
    """What a keyboard sends, as far as somebody acts on it."""

    HOME_OF_LINE = 0x01
    BACK = 0x02
    INTERRUPT = 0x03
    EOF = 0x04
    END_OF_LINE = 0x05
    FORWARD = 0x06
    BACKSPACE = 0x08
    TAB = 0x09
    NEWLINE = 0x0A
    KILL_REST = 0x0B
    CLEAR = 0x0C
    RETURN = 0x0D
    NEXT = 0x0E
    PREVIOUS = 0x10
    KILL_LINE = 0x15
    ERASE_WORD = 0x17
    ESCAPE = 0x1B
    QUIT = 0x1C
    DELETE = 0x7F


_SIGNALS: Final[Mapping[int, int]] = {Key.INTERRUPT: signal.SIGINT, Key.QUIT: signal.SIGQUIT}
_SPACE: Final = 0x20

#: Takes a signal for a program in the foreground.
Foreground = Callable[[int], None]


class Terminal:
    """An input and output of programs; `type_` is what the person does."""

    def __init__(self, screen: Output) -> None:
        self._screen = screen
        self.rows, self.columns = 24, 80
        self._line = bytearray()
        self._ready: deque[bytes] = deque()
        self._unread = 0
        self._raw = self._hung_up = False
        self._changed = asyncio.Event()
        self._foreground: list[Foreground] = []
        #: Who has the signals while nobody is in the foreground: the session's first program.
        self.session: Foreground | None = None

    # --- the person's side

    def type_(self, octets: bytes) -> None:
        """Take what the person's keyboard sends."""
        if self._raw:
            self._push(octets)
            return
        for octet in octets:
            self._key(octet)

    def _key(self, octet: int) -> None:
        match octet:
            case _ if octet in _SIGNALS:
                self._line.clear()
                self.echo(_shown(octet))
                self._interrupt(_SIGNALS[octet])
            case Key.BACKSPACE | Key.DELETE:
                self._erase(self._line[-1:])
            case Key.KILL_LINE:
                self._erase(self._line)
            case Key.ERASE_WORD:
                kept = bytes(self._line).rstrip(b" ").rpartition(b" ")
                self._erase(self._line[len(kept[0]) + len(kept[1]) :])
            case Key.EOF:
                self._complete()  # What there is of a line is read at once; nothing is the end.
            case Key.RETURN | Key.NEWLINE:
                self._line.append(Key.NEWLINE)
                self.echo(b"\n")
                self._complete()
            case _ if len(self._line) >= _LINE_MAX:
                self.echo(b"\a")
            case _:
                self._line.append(octet)
                self.echo(_shown(octet))

    def _erase(self, octets: bytearray | bytes) -> None:
        """Take the end of the line back, whole characters of it."""
        gone = bytes(octets)
        del self._line[len(self._line) - len(gone) :]
        while gone[:1] and 0x80 <= gone[0] < 0xC0 and self._line:
            gone = bytes([self._line.pop()]) + gone
        width = sum(len(_shown(o)) for o in gone if not 0x80 <= o < 0xC0)
        self.echo(b"\b \b" * width)

    def _complete(self) -> None:
        line = bytes(self._line)
        self._line.clear()
        self._push(line)

    def _push(self, octets: bytes) -> None:
        self._ready.append(octets)
        self._unread += len(octets)
        self._changed.set()

    def _interrupt(self, number: int) -> None:
        taker = self._foreground[-1] if self._foreground else self.session
        if taker is not None:
            taker(number)

    def hang_up(self) -> None:
        """The person is gone: everything reads the end from now on."""
        self._hung_up = True
        self._changed.set()

    def resize(self, columns: int, rows: int) -> None:
        """Take the size of the person's window."""
        self.columns, self.rows = columns, rows

    async def room(self) -> None:
        """Wait while too much is unread."""
        while self._unread > _UNREAD_MAX and not self._hung_up:
            await self._wait()

    # --- the programs' side

    @contextmanager
    def foreground(self, taker: Foreground) -> Iterator[None]:
        """Let *taker* have the signals of keys for a while."""
        self._foreground.append(taker)
        try:
            yield
        finally:
            self._foreground.remove(taker)

    @contextmanager
    def raw(self) -> Iterator[None]:
        """Hand octets on as they come, without echo."""
        before, self._raw = self._raw, True
        if self._line:
            self._complete()  # What was typed ahead.
        try:
            yield
        finally:
            self._raw = before

    def echo(self, octets: bytes) -> None:
        """Show *octets* to the person; one who is gone sees nothing."""
        try:
            self.write(octets)
        except BrokenPipeError:
            self.hang_up()

    def write(self, data: bytes) -> None:
        """Show what a program writes."""
        self._screen.write(data.replace(b"\n", b"\r\n"))

    async def drain(self) -> None:
        """Wait until it makes sense to write more."""
        await self._screen.drain()

    async def piece(self) -> bytes:
        """Return the next line, or in raw mode what has come; b"" is the end."""
        while not self._ready and not self._hung_up:
            await self._wait()
        if not self._ready:
            return b""
        octets = self._ready.popleft()
        self._unread -= len(octets)
        self._changed.set()
        return octets

    async def readline(self) -> bytes:
        """Return the next line."""
        line = bytearray()
        while piece := await self.piece():
            first, newline, rest = piece.partition(b"\n")
            line += first + newline
            if newline:
                self._put_back(rest)
                break
        return bytes(line)

    def _put_back(self, rest: bytes) -> None:
        if rest:
            self._ready.appendleft(rest)
            self._unread += len(rest)

    async def read(self) -> bytes:
        """Return everything up to the end."""
        octets = bytearray()
        while piece := await self.piece():
            octets += piece
        return bytes(octets)

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def _shown(octet: int) -> bytes:
    """Return how a key is echoed: control characters as ^X."""
    if (octet >= _SPACE and octet != Key.DELETE) or octet in (Key.TAB, Key.NEWLINE):
        return bytes([octet])
    return b"^" + bytes([octet ^ 0x40])
