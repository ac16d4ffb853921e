"""Programs for pods: ordinary asyncio and aiohttp code that knows nothing of Podwire."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import time

from aiohttp import ClientSession, TCPConnector, WSMsgType, web

_OCTETS_MAX = 64 * 1024 * 1024


def site() -> web.Application:
    """Serve bodies, digests and a WebSocket echo."""
    application = web.Application(client_max_size=_OCTETS_MAX)
    application.router.add_post("/digest", _digest)
    application.router.add_get("/zeros/{octets}", _zeros)
    application.router.add_get("/echo", _echo)
    return application


async def _digest(request: web.Request) -> web.Response:
    return web.Response(text=hashlib.sha256(await request.read()).hexdigest())


async def _zeros(request: web.Request) -> web.Response:
    return web.Response(body=bytes(int(request.match_info["octets"])))


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


async def visit(arguments: list[str]) -> int:
    """Use the site at the first argument in every way, and print what it was like."""
    base = f"http://{arguments[0]}:8080"
    async with ClientSession(connector=TCPConnector(limit=200)) as session:
        body = bytes(range(256)) * 40_960  # 10 MiB
        began = time.monotonic()
        async with session.post(base + "/digest", data=body) as answer:
            up = await answer.text() == hashlib.sha256(body).hexdigest()
        sent = time.monotonic()
        async with session.get(f"{base}/zeros/{len(body)}") as answer:
            down = len(await answer.read()) == len(body)
        received = time.monotonic()

        async def fetch() -> int:
            async with session.get(base + "/zeros/1000") as each:
                return len(await each.read())

        many = await asyncio.gather(*(fetch() for _ in range(100)))
        async with session.ws_connect(base + "/echo") as socket:
            echoes = []
            for number in range(20):
                await socket.send_str(f"word {number}")
                echoes.append(await socket.receive_str())
    result = {
        "up": up,
        "down": down,
        "many": many == [1000] * 100,
        "echoes": echoes == [f"word {number}" for number in range(20)],
        "up_mbit_s": round(8 * len(body) / (sent - began) / 1e6),
        "down_mbit_s": round(8 * len(body) / (received - sent) / 1e6),
    }
    print(json.dumps(result), flush=True)
    return 0


async def echo() -> None:
    """Echo lines at port 7."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "0.0.0.0", 7)
    await server.serve_forever()


async def chat(arguments: list[str]) -> int:
    """Send lines to the echo server at the first argument; print how long an answer takes."""
    reader, writer = await asyncio.open_connection(arguments[0], 7)
    delays = []
    for number in range(200):
        began = time.monotonic()
        # Two small writes before the answer: what Nagle's algorithm would hold back.
        writer.write(b"line ")
        await asyncio.sleep(0)
        writer.write(b"%d\n" % number)
        if await reader.readline() != b"line %d\n" % number:
            return 1
        delays.append(time.monotonic() - began)
    writer.close()
    print(json.dumps({"p50_ms": 1000 * sorted(delays)[100]}), flush=True)
    return 0


async def ask_api_server() -> int:
    """Ask the API server by its Service, without a certificate; print the status line."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("10.96.0.1", 443, ssl=context)
    writer.write(b"GET /api HTTP/1.1\r\nHost: kubernetes\r\nConnection: close\r\n\r\n")
    print((await reader.readline()).decode(), flush=True)
    writer.close()
    return 0
