"""A kernel socket of a relay: what is read goes to a sink, what a sink has is written.

Octets are read into one buffer that all sides share and offered to the sink at once; what it does
not take is held, and nothing more is read until it has room. So each direction holds at most one
buffer, back-pressure is the kernel's own, and without congestion an octet is copied by nobody but
the kernel. End of stream and reset pass as what they are. (A reset that comes while nothing is read
or written is noticed at the next write.)
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

#: What is read at once, and at most held per direction.
BUFFER_OCTETS: Final = 256 * 1024
_LINGER_NONE: Final = struct.pack("ii", 1, 0)

Octets = bytes | memoryview


class Sink(Protocol):
    """Where a side's octets go, and where the octets come from that it writes."""

    def take(self, octets: Octets) -> int:
        """Take octets, or their first part; return how many. `more` follows when that is less."""
        ...

    def end(self) -> None:
        """Nothing comes any more; what goes the other way still does."""
        ...

    def more(self) -> None:
        """What was offered and not taken may be offered again."""
        ...

    def reset(self) -> None:
        """The other end is gone."""
        ...


class Side:
    """One of a relay's two sockets; it is the other's sink unless a wire is between them."""

    __slots__ = (
        "_buffer", "_end_passed", "_held", "_loop", "_on_closed", "_read_ended", "_reading",
        "_sink", "_socket", "_write_ended", "_writing", "closed", "octets",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, buffer: memoryview, on_closed: Callable[[], None]
    ) -> None:
        self._socket, self._buffer, self._on_closed = sock, buffer, on_closed
        self._loop = asyncio.get_running_loop()
        self._sink: Sink | None = None
        self._held: Octets = b""
        self._reading = self._writing = False
        self._read_ended = self._end_passed = self._write_ended = False
        self.closed = False
        self.octets = 0  # Read so far.
        with suppress(OSError):  # It may be gone already.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def join(self, sink: Sink) -> None:
        """Give *sink* what is read from now on, and first what is held."""
        self._sink = sink
        if self._end_passed:
            sink.end()
        else:
            self.more()

    # From the socket.

    def _readable(self) -> None:
        sink = self._sink
        assert sink is not None
        try:
            octets = self._socket.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError:
            self._broken()
            return
        if not octets:
            self._read_ended = True
            self._stop_reading()
            self._pass_end()
            return
        self.octets += octets
        taken = sink.take(self._buffer[:octets])
        if taken < octets and not self.closed:
            self._held = bytes(self._buffer[taken:octets])
            self._stop_reading()

    def more(self) -> None:
        """The sink has room."""
        sink = self._sink
        if self.closed or sink is None:
            return
        if self._held:
            self._held = self._held[sink.take(self._held) :]
            if self._held or self.closed:
                return
        if self._read_ended:
            self._pass_end()
        elif not self._reading:
            self._reading = True
            self._loop.add_reader(self._socket, self._readable)

    def _pass_end(self) -> None:
        if not self._end_passed and self._sink is not None:
            self._end_passed = True
            self._sink.end()
            self._close_if_over()

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._socket)

    # To the socket.

    def take(self, octets: Octets) -> int:
        """Write what the socket takes; ask for more when it can take more."""
        if self._writing:
            return 0
        if self.closed:
            return len(octets)
        try:
            sent = self._socket.send(octets)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._broken()
            return len(octets)
        if sent < len(octets):
            self._writing = True
            self._loop.add_writer(self._socket, self._writable)
        return sent

    def _writable(self) -> None:
        self._stop_writing()
        if self._sink is not None:
            self._sink.more()

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._socket)

    def end(self) -> None:
        """Send FIN behind what was written."""
        if self.closed or self._write_ended:
            return
        self._write_ended = True
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._broken()
        else:
            self._close_if_over()

    # The end.

    def _close_if_over(self) -> None:
        if self._end_passed and self._write_ended:
            self._close()

    def _broken(self) -> None:
        """The peer of this socket has reset the connection."""
        sink = self._sink
        self.reset()
        if sink is not None:
            sink.reset()

    def reset(self) -> None:
        """Send RST and be over."""
        if not self.closed:
            reset(self._socket)
            self._close()

    def _close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._stop_reading()
        self._stop_writing()
        self._socket.close()
        self._held = b""
        self._on_closed()


def reset(sock: socket.socket) -> None:
    """Make closing *sock* a reset."""
    with suppress(OSError):  # It may be gone already.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
