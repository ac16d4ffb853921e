"""Join a kernel socket and a connection of an emulated stack: octets both ways, nothing else.

Back-pressure crosses in both directions (a full emulated send buffer pauses reading the kernel's
socket, a full kernel socket leaves octets in the emulated receive window), and so does half-close:
a FIN on one side becomes a FIN on the other. What breaks on one side is reset on the other.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Final, cast

from componentbase.clock import Clock
from netstack.tcp.connection import TcpConnection

#: Octets that either direction may hold here, besides what the sockets hold.
BUFFER_OCTETS: Final = 256 * 1024
_LINGER_NONE: Final = struct.pack("ii", 1, 0)


class Splice(asyncio.Protocol):
    """The kernel's side of a splice; `attach` gives it the emulated side.

    *kick* lets the emulated stack send what it has to say.
    """

    def __init__(self, clock: Clock, kick: Callable[[], None]) -> None:
        self._clock, self._kick = clock, kick
        self._transport: asyncio.Transport | None = None
        self._connection: TcpConnection | None = None
        self._inbound = bytearray()  # From the kernel, not yet taken by the emulated side.
        self._kernel_ended = self._inbound_ended = self._outbound_ended = False
        self._kernel_full = self._reading_paused = False

    def attach(self, connection: TcpConnection) -> None:
        """Begin to carry octets to and from *connection*."""
        self._connection = connection
        connection.set_option(self._clock(), nodelay=True)  # Who writes has chosen the pieces.
        connection.on_change = self._changed
        self._changed()

    # From the kernel.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=BUFFER_OCTETS)

    def data_received(self, data: bytes) -> None:
        self._inbound += data
        self._push()
        self._kick()

    def eof_received(self) -> bool:
        self._kernel_ended = True
        self._push()
        self._close_if_ended()
        self._kick()
        return True  # Keep the other direction open.

    def pause_writing(self) -> None:
        self._kernel_full = True

    def resume_writing(self) -> None:
        self._kernel_full = False
        self._changed()
        self._kick()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        connection = self._connection
        if connection is None or connection.closed:
            return
        connection.on_change = None
        if error is not None or not (self._kernel_ended and self._outbound_ended):
            connection.abort(self._clock())
        else:
            connection.close(self._clock())
        self._kick()

    # From the emulated side.

    def _changed(self) -> None:
        connection, transport = self._connection, self._transport
        if connection is None or transport is None:
            return
        if connection.error is not None:
            self._reset(transport)
            return
        self._push()
        while connection.readable_octets and not self._kernel_full:
            transport.write(connection.read(BUFFER_OCTETS, self._clock()))
        if not self._outbound_ended and connection.end_of_stream:
            self._outbound_ended = True
            transport.write_eof()
        self._close_if_ended()

    def _close_if_ended(self) -> None:
        if self._outbound_ended and self._inbound_ended and self._transport is not None:
            self._transport.close()

    def _push(self) -> None:
        """Give the emulated side what it takes, and slow the kernel's side down meanwhile."""
        if not (self._inbound or self._kernel_ended or self._reading_paused):
            return
        connection, transport = self._connection, self._transport
        if connection is not None and connection.established and not self._inbound_ended:
            if self._inbound:
                accepted = connection.write(bytes(self._inbound), self._clock())
                del self._inbound[:accepted]
            if self._kernel_ended and not self._inbound:
                self._inbound_ended = True
                connection.shutdown_write(self._clock())
        if transport is None or self._kernel_ended:
            return
        full = len(self._inbound) >= BUFFER_OCTETS
        if full and not self._reading_paused:
            self._reading_paused = True
            transport.pause_reading()
        elif self._reading_paused and not full:
            self._reading_paused = False
            transport.resume_reading()

    def _reset(self, transport: asyncio.Transport) -> None:
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family == socket.AF_INET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        transport.abort()
