"""From a connection that was accepted to one that is relayed: whom to dial, and who is next.

The target's own port is asked first, then, where the link is impaired, the handshake crosses the
wire; only after both is a relay made, so that a balancer's next target can be tried before the
dialler has noticed anything. Callbacks and one timer, no task: thousands may wait.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from componentbase.clock import monotonic
from netstack.tcp.connection import TcpConnection
from podwire.fabric.config import Address
from podwire.fabric.relay import Call, Relay
from podwire.fabric.rules import Rules
from podwire.fabric.side import reset
from podwire.fabric.wire import Wire
from podwire.fabric.wires import Wires

log = logging.getLogger(__name__)

#: How long a target may take while there is another to try, and the last one.
NEXT_AFTER_S: Final = 1.0
LAST_TIMEOUT_S: Final = 10.0
NO_ANSWER: Final = "no answer"
#: Lets sockets of one source address share a port as long as they have different targets.
_IP_BIND_ADDRESS_NO_PORT: Final = 24


class Exchange(Protocol):
    """What a dial needs of the fabric."""

    rules: Rules
    wires: Wires

    def relay(self, call: Call, sockets: tuple[socket.socket, socket.socket]) -> Relay:
        """Make a relay of two connected sockets."""
        ...

    def failed(self, call: Call, address: Address, error: str) -> None:
        """Hear that *address* cannot be reached."""
        ...


class Dial:
    """An accepted connection that looks for its other end."""

    def __init__(
        self,
        exchange: Exchange,
        accepted: tuple[socket.socket, str],
        targets: Sequence[tuple[Call, Address]],
        on_over: Callable[[Dial], None],
    ) -> None:
        """*accepted* is the dialler's socket and address; it is reset if no target answers."""
        self._exchange, self._on_over = exchange, on_over
        self._dialler, self._source = accepted
        self._targets = list(targets)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._socket: socket.socket | None = None  # Towards the target.
        self._wire: Wire | None = None
        self._near: TcpConnection | None = None
        self._far: TcpConnection | None = None

    def start(self) -> None:
        """Try the first target."""
        while self._targets:
            self._call, self._address = self._targets.pop(0)
            if self._connect():
                return
        reset(self._dialler)
        self._dialler.close()
        self._on_over(self)

    def close(self) -> None:
        """Give up: the fabric ends."""
        self._targets.clear()
        self._abandon("the fabric ends")

    # The target's own port.

    def _connect(self) -> bool:
        """Begin to connect; return False when that is refused at once."""
        try:
            sock = self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((self._source, 0))  # The target sees who dials.
        except OSError as error:
            log.warning("cannot dial for %s: %s", self._source, error)
            self._drop_socket()
            return False
        code = sock.connect_ex(self._address)
        if code not in (0, errno.EINPROGRESS):
            self._drop_socket()
            self._exchange.failed(self._call, self._address, os.strerror(code))
            return False
        self._set_timer(NEXT_AFTER_S if self._targets else LAST_TIMEOUT_S)
        self._loop.add_writer(sock, self._connected)
        return True

    def _connected(self) -> None:
        sock = self._socket
        assert sock is not None
        self._loop.remove_writer(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._abandon(os.strerror(code))
        elif self._exchange.rules.impaired(self._call.source, self._call.host):
            self._cross()
        else:
            self._finish().splice()

    # The handshake over the wire.

    def _cross(self) -> None:
        wires, call = self._exchange.wires, self._call
        self._wire = wire = wires.between(call.source, call.host)
        try:
            near = wire.connect(call.source, call.port, self._accepted, monotonic())
        except OSError as error:  # No port is free.
            self._abandon(str(error))
            return
        self._near = near
        near.on_change = self._crossed
        if not self._targets:
            self._stop_timer()  # TCP itself gives up, as on a real wire.
        wires.touch(wire)

    def _accepted(self, far: TcpConnection) -> None:
        self._far = far
        self._crossed()

    def _crossed(self) -> None:
        wire, near, far = self._wire, self._near, self._far
        assert wire is not None
        assert near is not None
        if near.error is not None:
            self._abandon(near.error.strerror or str(near.error))
        elif near.established and far is not None:
            self._near = None
            self._finish().cross(self._exchange.wires, wire, (near, far))

    # One target is over, or all of it.

    def _finish(self) -> Relay:
        self._stop_timer()
        assert self._socket is not None
        self._on_over(self)
        return self._exchange.relay(self._call, (self._dialler, self._socket))

    def _abandon(self, error: str) -> None:
        """Leave this target, whatever was begun, and try the next."""
        self._stop_timer()
        self._drop_socket()
        if self._wire is not None and self._near is not None:
            self._near.on_change = None
            self._wire.give_up(self._call.source, self._near, monotonic())
            if self._far is not None:
                self._far.abort(monotonic())
            self._exchange.wires.touch(self._wire)
        else:
            self._exchange.failed(self._call, self._address, error)
        self._wire = self._near = self._far = None
        self.start()

    def _drop_socket(self) -> None:
        if self._socket is not None:
            self._loop.remove_writer(self._socket)
            self._socket.close()
            self._socket = None

    def _set_timer(self, delay_s: float) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(delay_s, self._abandon, NO_ANSWER)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
