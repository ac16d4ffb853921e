"""loop.sendfile and loop.sock_sendfile in a pod: read a piece, write it, wait until it has left.

There is no system call that could send a file by a stack in user space, so this is asyncio's own
fallback, and who forbids that gets asyncio's error.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import IO, Final

_PIECE_OCTETS: Final = 64 * 1024


async def pieces(file: IO[bytes], offset: int, count: int | None) -> AsyncIterator[bytes]:
    """Yield *file* from *offset* on, without blocking the loop; its position says how far."""
    check(file, offset, count)
    loop = asyncio.get_running_loop()
    if offset:
        file.seek(offset)
    left = count
    while left is None or left > 0:
        size = _PIECE_OCTETS if left is None else min(left, _PIECE_OCTETS)
        piece = await loop.run_in_executor(None, file.read, size)
        if not piece:
            return
        yield piece
        left = None if left is None else left - len(piece)


def check(file: IO[bytes], offset: int, count: int | None) -> None:
    """Raise the ValueError or TypeError that asyncio raises."""
    if "b" not in getattr(file, "mode", "b"):
        raise ValueError("file should be opened in binary mode")
    if count is not None:
        if not isinstance(count, int):
            raise TypeError(f"count must be a positive integer (got {count!r})")
        if count <= 0:
            raise ValueError(f"count must be a positive integer (got {count!r})")
    if not isinstance(offset, int):
        raise TypeError(f"offset must be a non-negative integer (got {offset!r})")
    if offset < 0:
        raise ValueError(f"offset must be a non-negative integer (got {offset!r})")


def refuse_without_fallback(fallback: bool) -> None:
    """Raise when only the system call would do."""
    if not fallback:
        raise asyncio.SendfileNotAvailableError("sendfile syscall is not supported")


async def to_transport(
    transport: asyncio.WriteTransport, file: IO[bytes], offset: int, count: int | None
) -> int:
    """Send *file* by *transport*; return how many octets."""
    if transport.is_closing():
        raise RuntimeError("Transport is closing")
    gate = _Gate(transport)
    total = 0
    try:
        async for piece in pieces(file, offset, count):
            await gate.opened()
            transport.write(piece)
            total += len(piece)
        return total
    finally:
        gate.restore()


class _Gate(asyncio.Protocol):
    """Stands in for a transport's protocol while a file is sent, to hear when to go on."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._protocol = transport.get_protocol()
        self._open = asyncio.Event()
        self._lost: Exception | None = None
        self._is_lost = False
        self._open.set()
        self._was_reading = isinstance(transport, asyncio.Transport) and transport.is_reading()
        if self._was_reading:
            transport.pause_reading()  # type: ignore[attr-defined]
        transport.set_protocol(self)
        if transport.get_write_buffer_size() > transport.get_write_buffer_limits()[1]:
            self._open.clear()

    async def opened(self) -> None:
        """Wait until more may be written; raises ConnectionError when the connection is gone."""
        await self._open.wait()
        if self._is_lost or self._transport.is_closing():
            raise self._lost or ConnectionError("Connection closed by peer")

    def pause_writing(self) -> None:
        self._open.clear()

    def resume_writing(self) -> None:
        self._open.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost, self._lost = True, exc
        self._open.set()
        self._protocol.connection_lost(exc)

    def restore(self) -> None:
        """Let the protocol have its transport back."""
        self._transport.set_protocol(self._protocol)
        if self._was_reading:
            self._transport.resume_reading()  # type: ignore[attr-defined]
        if not self._open.is_set():
            self._protocol.pause_writing()
