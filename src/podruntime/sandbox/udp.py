"""asyncio's datagram transport over a UdpSocket of the pod's own stack."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from asyncio.trsock import TransportSocket
from contextvars import Context
from typing import Final

from netstack.addresses import Endpoint
from podruntime.sandbox import owner
from podruntime.sandbox.endpoints import SockAddr, parse, sockaddr
from podruntime.sandbox.interface import NetworkInterface
from podruntime.sandbox.protocols import Fault, call, report
from podruntime.sandbox.stack_socket import StackSocket

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
        port: StackSocket,
        protocol: asyncio.DatagramProtocol,
        context: Context,
    ) -> None:
        self._loop, self._interface, self._context = loop, interface, context
        self._socket = udp = port.give_udp()
        interface.udp_sockets[udp] = None
        self._family = port.family
        self._remote = None if udp.remote is None else sockaddr(udp.remote, port.family)
        self._protocol = protocol
        self._closing = self._scheduled = False
        self._owner: owner.Owner | None = None
        #: The socket object that this was made of: it ends with the transport.
        self.keeps: socket.socket | None = None
        super().__init__(
            extra={
                "sockname": port.getsockname(),
                "peername": self._remote,
                "socket": TransportSocket(port),  # type: ignore[arg-type]
            }
        )

    def start(self) -> None:
        """Tell the protocol, then deliver what arrives."""
        self._owner = owner.adopt(self, self._context)
        call(self, "Exception in connection_made()", self._protocol.connection_made, self)
        self._socket.on_ready = self._ready
        self._ready()

    def _ready(self) -> None:
        if not self._scheduled and not self._closing:
            self._scheduled = True
            self._interface.soon(self._deliver, self._context)

    def _deliver(self) -> None:
        self._scheduled = False
        for _ in range(_RECEIVE_BATCH):
            if self._closing:
                return
            datagram = self._socket.receive()
            if datagram is None:
                self._report_error()
                return
            sender = sockaddr(datagram.remote, self._family)
            received = self._protocol.datagram_received
            if self._check(call(self, _RECEIVED, received, datagram.data, sender)):
                return
        self._ready()

    def _report_error(self) -> None:
        error = self._socket.error
        if error is not None:
            self._socket.error = None
            self._tell(error)

    def _tell(self, error: OSError) -> None:
        self._check(call(self, _ERROR, self._protocol.error_received, error))

    def _check(self, fault: Fault | None) -> bool:
        """Close the port if the protocol is at *fault*; return whether it is."""
        if fault is not None:
            self._end(fault.error)
        return fault is not None

    def sendto(  # type: ignore[override]
        self, data: bytes | bytearray | memoryview, addr: SockAddr | None = None
    ) -> None:
        """Send one datagram; errors are told to the protocol, as asyncio does."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if self._remote is not None and addr is not None and addr[:2] != self._remote[:2]:
            raise ValueError(f"Invalid address: must be None or {self._remote}")
        if self._closing:
            return
        try:
            self._send(bytes(data), addr)
        except OSError as error:
            self._tell(error)
        except (TypeError, ValueError, OverflowError) as error:
            # No address at all: asyncio ends the transport, and so do we.
            report("Fatal write error on datagram transport", error, self)
            self._end(error)
        self._interface.touch()

    def _send(self, data: bytes, addr: SockAddr | None) -> None:
        if len(data) > _DATAGRAM_OCTETS_MAX:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        target: Endpoint | None = None
        if self._remote is None:
            target = destination(addr, self._family)
        self._socket.send(data, target, self._interface.now())

    def is_closing(self) -> bool:
        """Return whether the port is closed."""
        return self._closing

    def close(self) -> None:
        """Close the port and tell the protocol."""
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._socket.on_ready = None
        self._socket.close()
        self._interface.udp_sockets.pop(self._socket, None)
        if self.keeps is not None:
            self.keeps.close()
        self._interface.touch()
        if self._owner is not None:
            self._owner.discard(self)
        self._loop.call_soon(self._protocol.connection_lost, error, context=self._context)

    def abort(self) -> None:
        """Close the port: nothing is buffered."""
        self._end(None)

    def release(self) -> None:
        """Close the port: its container has ended."""
        self._end(None)

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


_RECEIVED: Final = "Fatal error: protocol.datagram_received() call failed."
_ERROR: Final = "Fatal error: protocol.error_received() call failed."


def destination(addr: object, family: int) -> Endpoint:
    """Return where a datagram goes; raises what the socket module raises for *addr*."""
    if addr is None:
        raise OSError(errno.EDESTADDRREQ, os.strerror(errno.EDESTADDRREQ))
    if not isinstance(addr, tuple):
        name = socket.AddressFamily(family).name
        raise TypeError(f"{name} address must be tuple, not {type(addr).__name__}")
    host, port = addr[0], addr[1]
    if not isinstance(port, int):
        raise TypeError(f"{type(port).__name__!r} object cannot be interpreted as an integer")
    if not 0 <= port <= 0xFFFF:
        raise OverflowError("port must be 0-65535.")
    address = parse(str(host))
    if address is None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if address.version == 6 and family == socket.AF_INET:
        raise socket.gaierror(socket.EAI_ADDRFAMILY, "Address family for hostname not supported")
    return address, port
