"""asyncio's stream transport over a TcpConnection of the pod's own stack.

Same promises as asyncio's `_SelectorSocketTransport`: connection_made, then data, at most one
eof_received, and exactly one connection_lost; pause and resume in both directions; write_eof is
a half-close; close sends what was written, abort sends RST. The stack's window is the kernel's
socket buffer: what it does not take waits here and is what the write limits count.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio.trsock import TransportSocket
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import Final

from netstack.tcp.connection import TcpConnection
from podruntime.sandbox import owner
from podruntime.sandbox.endpoints import sockaddr
from podruntime.sandbox.flow import WriteFlow
from podruntime.sandbox.interface import NetworkInterface
from podruntime.sandbox.protocols import Fault, call
from podruntime.sandbox.stack_socket import StackSocket

log = logging.getLogger(__name__)

#: What one protocol gets before others have their turn, as asyncio's max_size.
_READ_OCTETS: Final = 256 * 1024
#: Writes into a lost connection before each is warned of (asyncio's number).
_LOST_WRITES_SILENT: Final = 5


class TcpTransport(asyncio.Transport):
    """One TCP connection, as asyncio's protocols and streams want to see it."""

    #: asyncio asks for this before it lets `start_tls` have a transport.
    _start_tls_compatible = True

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        interface: NetworkInterface,
        connection: TcpConnection,
        protocol: asyncio.BaseProtocol,
        context: Context,
    ) -> None:
        super().__init__()
        self._loop, self._interface, self._context = loop, interface, context
        self._connection = connection
        self._socket: StackSocket | None = None
        self._known: dict[str, object] = {}
        self._protocol = protocol
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)
        self._unwritten: deque[memoryview] = deque()
        self._flow = WriteFlow(self)
        self._reader_paused = False
        self._eof_seen = self._eof_wanted = False
        self._closing = self._finished = False
        self._scheduled = False
        self._lost_writes = 0
        self._owner = owner.adopt(self, context)
        #: Told once, when the connection has ended: the server that it belongs to.
        self.on_end: Callable[[TcpTransport], None] | None = None
        connection.set_option(interface.now(), nodelay=True)  # As asyncio does on every socket.
        connection.on_change = self._changed

    def start(self, *, at_once: bool = False) -> None:
        """Tell the protocol, then hand it what has already arrived: *at_once*, or soon."""
        # A protocol that raises here is reported and keeps its connection, as in asyncio.
        if call(self, "Exception in connection_made()", self._protocol.connection_made, self):
            self._changed()
        elif at_once:
            self._update()
        else:
            self._changed()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Return "peername", "sockname" or "socket", made when they are asked for."""
        if name not in self._known:
            connection = self._connection
            if name == "peername":
                self._known[name] = sockaddr(connection.remote)
            elif name == "sockname":
                self._known[name] = sockaddr(connection.local)
            elif name == "socket":
                self._socket = StackSocket.connected(self._interface, connection)
                self._known[name] = TransportSocket(self._socket)  # type: ignore[arg-type]
        return self._known.get(name, default)

    def __repr__(self) -> str:
        state = "closed" if self._finished else "closing" if self._closing else "open"
        near, far = self.get_extra_info("sockname"), self.get_extra_info("peername")
        return f"<{type(self).__name__} {state} sockname={near} peername={far}>"

    # --- what the stack says

    def _changed(self) -> None:
        if not self._scheduled and not self._finished:
            self._scheduled = True
            self._interface.soon(self._update, self._context)

    def _update(self) -> None:
        self._scheduled = False
        if self._finished:
            return
        connection = self._connection
        if self._unwritten:
            self._write_more()
        if connection.readable_octets:
            if not (self._reader_paused or self._closing):
                self._receive()
                if connection.readable_octets:
                    self._changed()  # The others have their turn first.
                    return
            elif connection.error is None or (self._reader_paused and not self._unwritten):
                return  # Nobody reads: an error is not noticed before what came ahead of it.
        if connection.error is not None:
            self._finish(connection.error)
        elif connection.end_of_stream and not (self._reader_paused or self._closing):
            self._deliver_eof()

    # --- reading

    def _receive(self) -> None:
        """Give the protocol one piece; a protocol that raises loses its connection."""
        if self._buffered:
            self._receive_into()
        else:
            data = self._connection.read(_READ_OCTETS, self._interface.now())
            self._interface.touch()  # The window has opened.
            received = self._protocol.data_received  # type: ignore[attr-defined]
            self._check(call(self, "Fatal error: protocol.data_received() call failed.",
                             received, data))  # fmt: skip

    def _receive_into(self) -> None:
        protocol = self._protocol
        assert isinstance(protocol, asyncio.BufferedProtocol)
        buffers: list[memoryview] = []

        def get_buffer() -> None:
            buffers.append(memoryview(protocol.get_buffer(-1)).cast("B"))
            if not len(buffers[0]):
                raise RuntimeError("get_buffer() returned an empty buffer")

        if self._check(call(self, "Fatal error: protocol.get_buffer() call failed.", get_buffer)):
            return
        data = self._connection.read(len(buffers[0]), self._interface.now())
        self._interface.touch()
        buffers[0][: len(data)] = data
        self._check(call(self, "Fatal error: protocol.buffer_updated() call failed.",
                         protocol.buffer_updated, len(data)))  # fmt: skip

    def _check(self, fault: Fault | None) -> bool:
        """End the connection if the protocol is at *fault*; return whether it is."""
        if fault is not None:
            self._force_close(fault.error)
        return fault is not None

    def _deliver_eof(self) -> None:
        if self._eof_seen:
            return
        self._eof_seen = True
        keeps: list[bool] = []

        def eof_received() -> None:
            keeps.append(bool(self._protocol.eof_received()))  # type: ignore[attr-defined]

        message = "Fatal error: protocol.eof_received() call failed."
        if not self._check(call(self, message, eof_received)) and not keeps[0]:
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
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if self._eof_wanted:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._closing:
            self._lost_write()
            return
        if not data:
            return
        view = memoryview(data).cast("B") if isinstance(data, memoryview) else memoryview(data)
        if not self._unwritten:
            taken = self._connection.write(view, self._interface.now(), more=True)
            self._interface.touch(self._connection)
            if taken == len(view):
                return
            view = view[taken:]
        # What nobody can change need not be copied.
        self._unwritten.append(view if type(data) is bytes else memoryview(bytes(view)))
        self._flow.grow(len(view))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send pieces one behind the other; they share segments without being joined first."""
        for data in list_of_data:
            self.write(data)

    def _lost_write(self) -> None:
        if self._finished:
            if self._lost_writes >= _LOST_WRITES_SILENT:
                log.warning("socket.send() raised exception.")
            self._lost_writes += 1

    def _write_more(self) -> None:
        written = 0
        now = self._interface.now()
        while self._unwritten:
            taken = self._connection.write(self._unwritten[0], now)
            written += taken
            if taken < len(self._unwritten[0]):
                self._unwritten[0] = self._unwritten[0][taken:]
                break
            self._unwritten.popleft()
        if written:
            self._interface.touch()
            self._flow.shrink(written)
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
        return self._flow.octets

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low and the high water mark."""
        return self._flow.low_water, self._flow.high_water

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when the protocol's pause_writing and resume_writing are called."""
        self._flow.set_limits(high, low)

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

    def _force_close(self, error: BaseException | None) -> None:
        """End now and say why (asyncio's TLS calls it so); without an error it is `abort`."""
        if error is None:
            self.abort()
        elif not self._finished:
            self._unwritten.clear()
            self._connection.close(self._interface.now())
            self._finish(error)

    def release(self) -> None:
        """Close as the kernel does when the process dies: our own buffer dies with it."""
        if not self._finished:
            self._unwritten.clear()
            self._finish(None)

    def _finish(self, error: BaseException | None) -> None:
        if self._finished:
            return
        self._finished = self._closing = True
        self._unwritten.clear()
        self._flow.octets = 0
        connection, now = self._connection, self._interface.now()
        connection.on_change = None
        if error is None and not connection.closed:
            if self._socket is not None and self._socket.options.resets_on_close:
                connection.abort(now)
            else:
                connection.close(now)
        self._interface.touch()
        if self._owner is not None:
            self._owner.discard(self)
        self._loop.call_soon(self._connection_lost, error, context=self._context)

    def _connection_lost(self, error: BaseException | None) -> None:
        try:
            self._protocol.connection_lost(error)  # type: ignore[arg-type]
        finally:
            if self.on_end is not None:
                self.on_end(self)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let *protocol* have what arrives from now on."""
        self._protocol = protocol
        self._buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who gets the data."""
        return self._protocol
