"""uvloop's event loop, with one mistake of its mended.

Who gives it a connected socket gives the file descriptor away: libuv closes it. uvloop 0.23 tells
the socket object so, except where the peer resets the connection in the very moment in which it is
made. That object closes the descriptor once more when it is garbage, seconds later and by its
number, which has become another connection's: its reader hears nothing ever again, no end and no
error. A server that starts, or that is overloaded, resets like this. (Upstream's issue 738 is the
same of a cancellation, and mended.)
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import SelectorEventLoop as UvLoop
else:
    from uvloop import Loop as UvLoop

Factory = Callable[[], asyncio.BaseProtocol]
Made = tuple[asyncio.BaseTransport, asyncio.BaseProtocol]


class Loop(UvLoop):
    """Whatever becomes of a socket that it is given, only libuv closes it."""

    async def create_connection(self, protocol_factory: Factory, *args: Any, **kwargs: Any) -> Made:  # type: ignore[override]
        making = super().create_connection(protocol_factory, *args, **kwargs)
        return await _made(making, kwargs.get("sock"))

    async def create_unix_connection(  # type: ignore[override]
        self, protocol_factory: Factory, *args: Any, **kwargs: Any
    ) -> Made:
        making = super().create_unix_connection(protocol_factory, *args, **kwargs)
        return await _made(making, kwargs.get("sock"))


async def _made(making: Any, sock: socket.socket | None) -> Made:
    """Await a connection; a *sock* whose descriptor is closed by now forgets it."""
    try:
        made: Made = await making
    except (OSError, asyncio.CancelledError):
        if sock is not None:
            sock.detach()
        raise
    if sock is not None and made[0].is_closing():
        sock.detach()
    return made
