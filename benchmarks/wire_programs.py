"""What runs at both ends of the wire: in pods as `python://` images, and on plain loopback.

`python -m benchmarks.wire_programs serve|measure ADDRESS` is the reference without a wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import uvloop
from aiohttp import web

_SINK_PORT, _ECHO_PORT, SITE_PORT, _AIOHTTP_PORT = 5201, 5207, 5280, 5290
_CONNECTIONS: Final = 32
_ASKING_S: Final = 3.0
_OCTETS: Final = 64 * 1024 * 1024
_CHUNK: Final = bytes(256 * 1024)
_ROUNDS: Final = 500
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def serve(arguments: list[str]) -> None:
    """Take whatever is sent, echo lines and answer requests, at the first argument or anywhere."""
    host = arguments[0] if arguments else None
    handlers = {_SINK_PORT: _sink, _ECHO_PORT: _echo, SITE_PORT: _site}
    for port, handler in handlers.items():
        await asyncio.start_server(_until_reset(handler), host, port)
    application = web.Application()
    application.router.add_get("/", lambda _request: _answered())
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, host, _AIOHTTP_PORT).start()
    await asyncio.Event().wait()


def _until_reset(handler: Handler) -> Handler:
    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionResetError):
            await handler(reader, writer)

    return serve_one


async def _sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    total = 0
    while octets := await reader.read(len(_CHUNK)):
        total += len(octets)
    writer.write(b"%d\n" % total)
    writer.close()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


async def _site(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        if line == b"\r\n":
            writer.write(_ANSWER)
    writer.close()


async def _answered() -> web.Response:
    return web.Response(text="ok")


async def measure(arguments: list[str]) -> int:
    """Send to the first argument and ask it; print what was reached as JSON."""
    host = arguments[0]
    delays_us = await _round_trips(host)
    gbit_s = [await _goodput(host) for _ in range(3)]
    result = {
        "gbit_s": statistics.median(gbit_s),
        "rtt_us": statistics.median(delays_us),
        "requests_per_s": await _requests_per_s(host),
    }
    print(json.dumps(result), flush=True)
    return 0


async def goodput(arguments: list[str]) -> int:
    """Send to the first argument only; print the median as JSON."""
    reached = [await _goodput(arguments[0]) for _ in range(5)]
    print(json.dumps({"gbit_s": statistics.median(reached)}), flush=True)
    return 0


async def _goodput(host: str) -> float:
    reader, writer = await asyncio.open_connection(host, _SINK_PORT)
    began = time.monotonic()
    for _ in range(_OCTETS // len(_CHUNK)):
        writer.write(_CHUNK)
        await writer.drain()
    writer.write_eof()
    if int(await reader.readline()) != _OCTETS:
        raise SystemExit("octets were lost")
    took_s = time.monotonic() - began
    writer.close()
    return 8 * _OCTETS / took_s / 1e9


async def _requests_per_s(host: str) -> float:
    """Let aiohttp's client ask aiohttp's server over kept connections, as fast as it goes."""
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        end = time.monotonic() + _ASKING_S

        async def ask() -> int:
            answered = 0
            while time.monotonic() < end:
                async with session.get(f"http://{host}:{_AIOHTTP_PORT}/") as response:
                    answered += len(await response.read()) == 2
            return answered

        return sum(await asyncio.gather(*(ask() for _ in range(_CONNECTIONS)))) / _ASKING_S


async def _round_trips(host: str) -> list[float]:
    reader, writer = await asyncio.open_connection(host, _ECHO_PORT)
    delays = []
    for _ in range(_ROUNDS):
        began = time.monotonic()
        writer.write(b"x" * 63 + b"\n")
        await reader.readline()
        delays.append(1e6 * (time.monotonic() - began))
    writer.close()
    return delays


if __name__ == "__main__":
    uvloop.run({"serve": serve, "measure": measure}[sys.argv[1]](sys.argv[2:]))
