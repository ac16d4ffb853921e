"""asyncio's stream transport over a TcpConnection of the pod's own stack.

Same promises as asyncio's `_SelectorSocketTransport`: connection_made, then data, at most one
eof_received, and exactly one connection_lost; pause and resume in both directions; write_eof is
a half-close; close sends what was written, abort sends RST. The stack's window is the kernel's
socket buffer: what it does not take waits here and is what the write limits count.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from typing import Final

from netstack.tcp.connection import TcpConnection
from podruntime.sandbox import owner
from podruntime.sandbox.interface import NetworkInterface

_READ_OCTETS: Final = 256 * 1024
_HIGH_WATER: Final = 64 * 1024


class TcpTransport(asyncio.Transport):
    """One TCP connection, as asyncio's protocols and streams want to see it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        interface: NetworkInterface,
        connection: TcpConnection,
        protocol: asyncio.BaseProtocol,
        context: Context,
    ) -> None:
        self._loop, self._interface, self._context = loop, interface, context
        self._connection = connection
        self._protocol = protocol
        super().__init__(extra=_extra(connection))
        self._unwritten: deque[memoryview] = deque()
        self._unwritten_octets = 0
        self._low_water, self._high_water = _HIGH_WATER // 4, _HIGH_WATER
        self._writer_paused = self._reader_paused = False
        self._eof_seen = self._eof_wanted = False
        self._closing = self._finished = False
        self._scheduled = False
        self._owner = owner.adopt(self, context)
        connection.set_option(interface.now(), nodelay=True)  # As asyncio does on every socket.
        connection.on_change = self._changed

    def start(self, *, at_once: bool = False) -> None:
        """Tell the protocol, then hand it what has already arrived: *at_once*, or soon."""
        self._protocol.connection_made(self)
        if at_once:
            self._update()
        else:
            self._changed()

    # --- what the stack says

    def _changed(self) -> None:
        if not self._scheduled and not self._finished:
            self._scheduled = True
            self._loop.call_soon(self._update, context=self._context)

    def _update(self) -> None:
        self._scheduled = False
        if self._finished:
            return
        error = self._connection.error
        if error is not None:
            self._finish(error)
            return
        self._write_more()
        self._read_more()

    # --- reading

    def _read_more(self) -> None:
        connection = self._connection
        while not (self._reader_paused or self._closing) and connection.readable_octets:
            octets = self._receive()
            self._interface.touch()  # The window has opened.
            if octets == 0:
                return
        if self._reader_paused or self._closing or self._eof_seen:
            return
        if connection.end_of_stream and not connection.readable_octets:
            self._eof_seen = True
            self._deliver_eof()

    def _receive(self) -> int:
        """Give the protocol one piece; a protocol that raises loses its connection."""
        delivered = False
        try:
            if isinstance(self._protocol, asyncio.BufferedProtocol):
                octets = self._receive_into(self._protocol)
            else:
                data = self._connection.read(_READ_OCTETS, self._interface.now())
                octets = len(data)
                if data:
                    assert isinstance(self._protocol, asyncio.Protocol)
                    self._protocol.data_received(data)
            delivered = True
        finally:
            if not delivered:
                self.abort()
        return octets

    def _receive_into(self, protocol: asyncio.BufferedProtocol) -> int:
        buffer = memoryview(protocol.get_buffer(-1)).cast("B")
        data = self._connection.read(len(buffer), self._interface.now())
        buffer[: len(data)] = data
        if data:
            protocol.buffer_updated(len(data))
        return len(data)

    def _deliver_eof(self) -> None:
        assert isinstance(self._protocol, asyncio.Protocol | asyncio.BufferedProtocol)
        if not self._protocol.eof_received():
            self.close()

    def is_reading(self) -> bool:
        """Return whether the protocol wants data."""
        return not (self._reader_paused or self._closing)

    def pause_reading(self) -> None:
        """Let what arrives fill the stack's window, so that the peer stops."""
        self._reader_paused = True

    def resume_reading(self) -> None:
        """Deliver again."""
        if self._reader_paused:
            self._reader_paused = False
            self._changed()

    # --- writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*, keeping what the window does not take yet."""
        assert not self._eof_wanted, "write after write_eof"
        if self._closing or not data:
            return
        view = memoryview(data)
        if not self._unwritten:
            taken = self._connection.write(view, self._interface.now(), more=True)
            self._interface.touch(self._connection)
            if taken == len(view):
                return
            view = view[taken:]
        self._unwritten.append(memoryview(bytes(view)))
        self._unwritten_octets += len(view)
        if self._unwritten_octets > self._high_water and not self._writer_paused:
            self._writer_paused = True
            self._protocol.pause_writing()

    def _write_more(self) -> None:
        if not self._unwritten:
            return
        while self._unwritten:
            taken = self._connection.write(self._unwritten[0], self._interface.now())
            self._unwritten_octets -= taken
            if taken < len(self._unwritten[0]):
                self._unwritten[0] = self._unwritten[0][taken:]
                break
            self._unwritten.popleft()
        self._interface.touch()
        if self._writer_paused and self._unwritten_octets <= self._low_water:
            self._writer_paused = False
            self._protocol.resume_writing()
        if not self._unwritten:
            self._all_written()

    def _all_written(self) -> None:
        if self._closing:
            self._finish(None)
        elif self._eof_wanted:
            self._connection.shutdown_write(self._interface.now())

    def can_write_eof(self) -> bool:
        """Return True: TCP has a half-close."""
        return True

    def write_eof(self) -> None:
        """Send FIN after what was written; go on reading."""
        if self._closing or self._eof_wanted:
            return
        self._eof_wanted = True
        if not self._unwritten:
            self._connection.shutdown_write(self._interface.now())
            self._interface.touch()

    def get_write_buffer_size(self) -> int:
        """Return how many octets wait for room in the stack's send buffer."""
        return self._unwritten_octets

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low and the high water mark."""
        return self._low_water, self._high_water

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when the protocol's pause_writing and resume_writing are called."""
        if high is None:
            high = _HIGH_WATER if low is None else 4 * low
        low = high // 4 if low is None else low
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._low_water, self._high_water = low, high

    # --- the end

    def is_closing(self) -> bool:
        """Return whether `close` or `abort` was called, or the connection is gone."""
        return self._closing

    def close(self) -> None:
        """Send what was written, then FIN; read nothing more."""
        if self._closing:
            return
        self._closing = True
        if not self._unwritten:
            self._finish(None)

    def abort(self) -> None:
        """Send RST and forget what was not sent."""
        if not self._finished:
            self._connection.abort(self._interface.now())
            self._finish(None)

    def release(self) -> None:
        """Close as the kernel does when the process dies: our own buffer dies with it."""
        if not self._finished:
            self._unwritten.clear()
            self._finish(None)

    def _finish(self, error: OSError | None) -> None:
        if self._finished:
            return
        self._finished = self._closing = True
        self._unwritten.clear()
        self._unwritten_octets = 0
        self._connection.on_change = None
        if error is None:
            self._connection.close(self._interface.now())
        self._interface.touch()
        if self._owner is not None:
            self._owner.discard(self)
        self._loop.call_soon(self._protocol.connection_lost, error, context=self._context)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let *protocol* have what arrives from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who gets the data."""
        return self._protocol


def _extra(connection: TcpConnection) -> dict[str, object]:
    """Return what get_extra_info knows; there is no kernel socket to hand out."""
    (local, local_port), (remote, remote_port) = connection.local, connection.remote
    return {
        "sockname": (str(local), local_port),
        "peername": (str(remote), remote_port),
        "socket": None,
    }
