"""What the python:// images of the tests run, inside pods."""

from __future__ import annotations

import _socket
import asyncio
import contextlib
import logging
import os
import socket
import sys
import time

import aiohttp
from aiohttp import web


async def broken() -> None:
    await asyncio.sleep(0)
    raise ValueError("broken on purpose")


def report(args: list[str], env: dict[str, str]) -> int:
    print(f"args={args} X={env['X']} environ={os.environ['X']} host={socket.gethostname()}")
    logging.getLogger("report").warning("logged")
    return 5


async def listen() -> int:
    """Say what is typed, which only threads can wait for."""
    try:
        sys.stdin.readline()
    except BlockingIOError as error:
        print(error.strerror)
    print("name?", flush=True)
    name = await asyncio.to_thread(input)
    print(f"hello {name}, {sys.stdin.isatty()}")
    rest = await asyncio.to_thread(sys.stdin.read)
    print(f"then {rest!r}")
    return 3


async def burn(args: list[str]) -> None:
    """Use the CPU for so many seconds of it, then wait."""
    until = time.process_time() + float(args[0])
    while time.process_time() < until:
        await asyncio.sleep(0)
    print("burnt", flush=True)
    await asyncio.Event().wait()


async def leave() -> None:
    sys.exit(9)


def application() -> web.Application:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text=f"hello from aiohttp to {request.remote}")

    app = web.Application()
    app.router.add_get("/", hello)
    return app


async def fetch(args: list[str]) -> None:
    async with aiohttp.ClientSession() as session, session.get(args[0]) as response:
        print(response.status, await response.text())


def escape() -> None:
    """Try to leave the pod by the kernel's sockets."""
    refused = 0
    for attempt in (_connect, _bind, _sendto, _lookup):
        try:
            attempt()
        except OSError:
            refused += 1
    print(f"{refused} of 4 refused")


def _connect() -> None:
    with socket.socket() as one:
        one.connect(("127.0.0.1", 9))


def _bind() -> None:
    with contextlib.closing(_socket.socket()) as one:  # Not socket.socket: that is the pod's.
        one.bind(("127.0.0.1", 0))


def _sendto() -> None:
    with contextlib.closing(_socket.socket(type=socket.SOCK_DGRAM)) as one:
        one.sendto(b"x", ("127.0.0.1", 9))


def _lookup() -> None:
    socket.getaddrinfo("localhost", 80)


def hang() -> None:
    """Hold the pod's event loop."""
    print("hanging")
    time.sleep(60)


no_program = "a text"


async def ephemeral_port():
    """Print the port that a socket gets which asks for none."""
    server = await asyncio.start_server(lambda *_: None, port=0)
    print(server.sockets[0].getsockname()[1])
    server.close()


async def local() -> None:
    """Answer at both loopback addresses."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nlocal")
        await writer.drain()
        writer.close()

    servers = [await asyncio.start_server(answer, host, 80) for host in ("127.0.0.1", "::1")]
    await asyncio.gather(*(server.serve_forever() for server in servers))
