"""TLS clients between accept and the end of their handshake.

asyncio's own servers tell a protocol of a TLS connection only when the handshake is over, so who
connects and says nothing would count nowhere. Here a connection counts from accept, as one of
`connections_max`, has `handshake_s` for its handshake, and is handed to its protocol then.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from ingresscontroller.frontend import ClientConnection, Decide
from ingresscontroller.gateway import Gateway


class TlsEntrance(asyncio.Protocol):
    """One connection that is not secured yet; `enter` makes the protocol that gets it then."""

    def __init__(
        self, gateway: Gateway, context: ssl.SSLContext, enter: Callable[[], asyncio.Protocol]
    ) -> None:
        self._gateway, self._context, self._enter = gateway, context, enter
        self._early = bytearray()  # What came with the handshake's last octets: one read at most.
        self._entered: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._gateway.take(self):
            self._gateway.tasks.spawn(self._shake_hands(), name="handshake")
        else:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._entered is not None:
            self._entered.data_received(data)
        else:
            self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._gateway.leave(self)
        if self._entered is not None:
            self._entered.connection_lost(exc)

    async def _shake_hands(self) -> None:
        gateway = self._gateway
        try:
            secured = await asyncio.get_running_loop().start_tls(
                self.transport,
                self,
                self._context,
                server_side=True,
                ssl_handshake_timeout=gateway.limits.handshake_s,
            )
        except OSError:  # TLS' errors are some of these, and so is the time that is over.
            secured = None
        gateway.leave(self)
        if secured is None:
            gateway.metrics.refused["no TLS handshake"] += 1
            return
        self._entered = entered = self._enter()
        secured.set_protocol(entered)
        entered.connection_made(secured)
        if self._early and not secured.is_closing():
            entered.data_received(bytes(self._early))

    def check(self, now: float) -> None:
        """Do nothing: asyncio ends a handshake that takes too long."""

    def end_if_idle(self) -> None:
        """Do nothing: a handshake is under way."""


def accepting(
    gateway: Gateway, decide: Decide, context: ssl.SSLContext | None = None
) -> Callable[[], asyncio.Protocol]:
    """Return what makes a protocol for each accepted connection; with *context* by TLS."""

    def enter() -> asyncio.Protocol:
        return ClientConnection(gateway, decide, secure=context is not None)

    return enter if context is None else lambda: TlsEntrance(gateway, context, enter)
