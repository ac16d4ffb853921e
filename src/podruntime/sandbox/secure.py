"""TLS in pods: asyncio's own SSLProtocol over the pod's transports, with asyncio's rules."""

from __future__ import annotations

import asyncio
import ssl as tls
from asyncio.sslproto import SSLProtocol
from dataclasses import dataclass

Ssl = tls.SSLContext | bool | None


class _SmallProtocol(SSLProtocol):
    """asyncio's, with less memory: its buffer of zeros is resident, for each connection."""

    max_size = 64 * 1024  # Four of TLS' records; asyncio has 256 KB.

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the memory back at once: a failed handshake leaves a cycle for the collector,
        which counts objects and not octets."""
        super().connection_lost(exc)
        self._sslobj = None
        self._ssl_buffer = bytearray()
        self._ssl_buffer_view = memoryview(self._ssl_buffer)


@dataclass(frozen=True, slots=True)
class Tls:
    """How one side of a connection is to be secured; times of None are asyncio's defaults."""

    context: tls.SSLContext | None
    server_hostname: str | None = None
    handshake_timeout: float | None = None
    shutdown_timeout: float | None = None

    def protocol(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        done: asyncio.Future[None],
        *,
        server_side: bool = False,
        call_connection_made: bool = True,
    ) -> SSLProtocol:
        """Return what stands between *protocol* and its transport; *done* is the handshake."""
        return _SmallProtocol(
            loop,
            protocol,
            self.context,  # type: ignore[arg-type]
            done,
            server_side,
            self.server_hostname,
            call_connection_made,
            ssl_handshake_timeout=self.handshake_timeout,  # type: ignore[arg-type]
            ssl_shutdown_timeout=self.shutdown_timeout,
        )


def of_client(
    ssl: Ssl,
    host: str | None,
    server_hostname: str | None,
    handshake_timeout: float | None,
    shutdown_timeout: float | None,
) -> Tls | None:
    """Return how to secure a connection to *host*; raises ValueError as asyncio does."""
    if server_hostname is not None and not ssl:
        raise ValueError("server_hostname is only meaningful with ssl")
    if server_hostname is None and ssl:
        if not host:
            raise ValueError("You must set server_hostname when using ssl without a host")
        server_hostname = host
    _check_times(bool(ssl), handshake_timeout, shutdown_timeout)
    if not ssl:
        return None
    context = None if isinstance(ssl, bool) else ssl
    return Tls(context, server_hostname, handshake_timeout, shutdown_timeout)


def of_server(
    ssl: tls.SSLContext | None, handshake_timeout: float | None, shutdown_timeout: float | None
) -> Tls | None:
    """Return how to secure what is accepted; raises TypeError and ValueError as asyncio does."""
    if isinstance(ssl, bool):
        raise TypeError("ssl argument must be an SSLContext or None")
    _check_times(ssl is not None, handshake_timeout, shutdown_timeout)
    if ssl is None:
        return None
    return Tls(ssl, None, handshake_timeout, shutdown_timeout)


def _check_times(
    secured: bool, handshake_timeout: float | None, shutdown_timeout: float | None
) -> None:
    for name, seconds in (
        ("ssl_handshake_timeout", handshake_timeout),
        ("ssl_shutdown_timeout", shutdown_timeout),
    ):
        if seconds is None:
            continue
        if not secured:
            raise ValueError(f"{name} is only meaningful with ssl")
        if seconds <= 0:
            raise ValueError(f"{name} should be a positive number, got {seconds}")


def ignore_failure(done: asyncio.Future[None]) -> None:
    """Take note of how a handshake ended that nobody waits for."""
    if not done.cancelled():
        done.exception()


def upgradable(transport: object) -> bool:
    """Return whether asyncio's start_tls would take *transport*: it marks them so."""
    return bool(getattr(transport, "_start_tls_compatible", False))


async def start_tls(
    transport: asyncio.Transport,
    protocol: asyncio.BaseProtocol,
    how: Tls,
    *,
    server_side: bool,
) -> asyncio.Transport:
    """Put TLS between *transport* and *protocol*; return the transport to use from now on."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    secured = how.protocol(
        loop, protocol, done, server_side=server_side, call_connection_made=False
    )
    transport.pause_reading()
    transport.set_protocol(secured)
    made = loop.call_soon(secured.connection_made, transport)
    resumed = loop.call_soon(transport.resume_reading)
    finished = False
    try:
        await done
        finished = True
    finally:
        if not finished:
            transport.close()
            made.cancel()
            resumed.cancel()
    return secured._app_transport
