"""Between a side and a wire: an end of a connection of the wire's stacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from componentbase.clock import Clock
from netstack.tcp.connection import TcpConnection
from podwire.fabric.side import Octets, Side

_READ_OCTETS: Final = 256 * 1024


class Leg:
    """The sink of *side* that stands for the far host. *touch* lets the wire carry packets."""

    __slots__ = ("_clock", "_connection", "_ended", "_held", "_on_closed", "_side", "_touch")

    def __init__(
        self,
        side: Side,
        connection: TcpConnection,
        *,
        clock: Clock,
        touch: Callable[[], None],
        on_closed: Callable[[], None],
    ) -> None:
        self._side, self._connection = side, connection
        self._clock, self._touch, self._on_closed = clock, touch, on_closed
        self._held = b""  # Read from the connection, not yet taken by the side.
        self._ended = False

    def start(self) -> None:
        """Begin to carry octets both ways."""
        connection = self._connection
        connection.set_option(self._clock(), nodelay=True)  # Who writes has chosen the pieces.
        connection.on_change = self._changed
        self._side.join(self)
        self._changed()

    @property
    def closed(self) -> bool:
        return self._connection.closed

    # From the side.

    def take(self, octets: Octets) -> int:
        taken = self._connection.write(octets, self._clock())
        self._touch()
        return taken

    def end(self) -> None:
        self._connection.shutdown_write(self._clock())
        self._touch()

    def more(self) -> None:
        self._pump()

    def reset(self) -> None:
        """Tell the far host: its end of the connection dies, if the wire lets it hear."""
        self._connection.abort(self._clock())
        self._touch()

    # From the wire.

    def _changed(self) -> None:
        connection = self._connection
        if connection.error is not None:
            self._side.reset()
        else:
            self._pump()
            if connection.writable_octets:
                self._side.more()
        if connection.closed:
            connection.on_change = None
            self._on_closed()

    def _pump(self) -> None:
        connection, side = self._connection, self._side
        if self._held:
            self._held = self._held[side.take(self._held) :]
        while connection.readable_octets and not self._held:
            octets = connection.read(_READ_OCTETS, self._clock())
            self._held = octets[side.take(octets) :]
            self._touch()  # The window has opened.
        if connection.end_of_stream and not self._held and not self._ended:
            self._ended = True
            side.end()
