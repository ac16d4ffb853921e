"""asyncio's datagram transport over a UdpSocket of the pod's own stack."""

from __future__ import annotations

import asyncio
import errno
import os
from contextvars import Context
from ipaddress import AddressValueError, IPv4Address
from typing import Final

from netstack.udp import UdpSocket
from podruntime.sandbox import owner
from podruntime.sandbox.interface import NetworkInterface

#: The largest payload of a UDP datagram in IPv4 (RFC 768, RFC 791).
_DATAGRAM_OCTETS_MAX: Final = 65_507
#: How many datagrams are delivered before others have their turn.
_RECEIVE_BATCH: Final = 64


class UdpTransport(asyncio.DatagramTransport):
    """One UDP port, as asyncio's datagram protocols want to see it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        interface: NetworkInterface,
        socket: UdpSocket,
        protocol: asyncio.DatagramProtocol,
        remote: tuple[str, int] | None,
    ) -> None:
        interface.udp_sockets[socket] = None
        sockname = (str(socket.local[0]), socket.local[1])
        super().__init__(extra={"sockname": sockname, "peername": remote, "socket": None})
        self._loop, self._interface, self._socket = loop, interface, socket
        self._protocol, self._remote = protocol, remote
        self._context = Context()
        self._closing = self._scheduled = False
        self._owner: owner.Owner | None = None

    def start(self, context: Context) -> None:
        """Tell the protocol, then deliver what arrives."""
        self._context = context
        self._owner = owner.adopt(self, context)
        self._protocol.connection_made(self)
        self._socket.on_ready = self._ready
        self._ready()

    def _ready(self) -> None:
        if not self._scheduled and not self._closing:
            self._scheduled = True
            self._loop.call_soon(self._deliver, context=self._context)

    def _deliver(self) -> None:
        self._scheduled = False
        for _ in range(_RECEIVE_BATCH):
            if self._closing:
                return
            datagram = self._socket.receive()
            if datagram is None:
                self._report_error()
                return
            address, port = datagram.remote
            self._protocol.datagram_received(datagram.data, (str(address), port))
        self._ready()

    def _report_error(self) -> None:
        error = self._socket.error
        if error is not None:
            self._socket.error = None
            self._protocol.error_received(error)

    def sendto(  # type: ignore[override]
        self, data: bytes | bytearray | memoryview, addr: tuple[str, int] | None = None
    ) -> None:
        """Send one datagram; errors are told to the protocol, as asyncio does."""
        target = addr or self._remote
        if target is None:
            raise ValueError("sendto needs an address: the socket is not connected")
        if self._remote is not None and addr not in (None, self._remote):
            raise ValueError(f"Invalid address: must be None or {self._remote}")
        if self._closing:
            return
        if len(data) > _DATAGRAM_OCTETS_MAX:
            self._protocol.error_received(OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE)))
            return
        try:
            address = IPv4Address(target[0])
        except AddressValueError:
            raise ValueError(f"sendto needs an IPv4 address, not {target[0]!r}") from None
        try:
            self._socket.send(bytes(data), (address, target[1]), self._interface.now())
        except OSError as error:
            self._protocol.error_received(error)
        self._interface.touch()

    def is_closing(self) -> bool:
        """Return whether the port is closed."""
        return self._closing

    def close(self) -> None:
        """Close the port and tell the protocol."""
        if self._closing:
            return
        self._closing = True
        self._socket.on_ready = None
        self._socket.close()
        self._interface.udp_sockets.pop(self._socket, None)
        self._interface.touch()
        if self._owner is not None:
            self._owner.discard(self)
        self._loop.call_soon(self._protocol.connection_lost, None, context=self._context)

    def abort(self) -> None:
        """Close the port: nothing is buffered."""
        self.close()

    def release(self) -> None:
        """Close the port: its container has ended."""
        self.close()

    def get_write_buffer_size(self) -> int:
        """Return 0: a datagram is sent or dropped."""
        return 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let *protocol* have what arrives from now on."""
        assert isinstance(protocol, asyncio.DatagramProtocol)
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who gets the datagrams."""
        return self._protocol
