"""Sockets that are given to uvloop are closed once, whenever their peer resets them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct

import pytest

pytest.importorskip("uvloop")

from componentbase.event_loop import Loop

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST.


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    ours.setblocking(False)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    return ours, theirs


async def _connect(sock: socket.socket, context: ssl.SSLContext | None) -> None:
    name = None if context is None else "peer"
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(
        asyncio.Protocol, sock=sock, ssl=context, server_hostname=name
    )
    transport.abort()


@pytest.mark.parametrize("encrypted", [True, False])
def test_a_reset_while_the_connection_is_made_leaves_no_descriptor(encrypted: bool) -> None:
    ours, theirs = _pair()
    theirs.close()  # Loopback: the reset has arrived when this returns.
    loop = Loop()
    try:
        loop.run_until_complete(_connect(ours, _context() if encrypted else None))
    except OSError:
        pass
    finally:
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    assert ours.fileno() == -1


def test_a_handshake_that_is_cut_off_leaves_no_descriptor() -> None:
    ours, theirs = _pair()
    loop = Loop()
    try:
        loop.call_later(0.01, theirs.close)
        with pytest.raises(ConnectionResetError):
            loop.run_until_complete(_connect(ours, _context()))
    finally:
        loop.close()
    assert ours.fileno() == -1


def test_a_connection_that_is_made_is_usable() -> None:
    ours, theirs = _pair()

    async def talk() -> bytes:
        reader, writer = await asyncio.open_connection(sock=ours)
        theirs.sendall(b"hello")
        heard = await reader.readexactly(5)
        writer.close()
        await writer.wait_closed()
        return heard

    loop = Loop()
    try:
        assert loop.run_until_complete(talk()) == b"hello"
    finally:
        loop.close()
        theirs.close()
    assert ours.fileno() == -1


def test_unix_sockets_likewise() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    async def talk() -> bytes:
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        theirs.close()
        heard = await reader.read()
        writer.close()
        return heard

    loop = Loop()
    try:
        assert loop.run_until_complete(talk()) == b""
    finally:
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    assert ours.fileno() == -1
