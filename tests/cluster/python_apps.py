"""Programs for pods: ordinary asyncio and aiohttp code that knows nothing of Podwire."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
import tempfile
import time
from typing import Any

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
    answer = web.WebSocketResponse()
    await answer.prepare(request)
    async for message in answer:
        if message.type is WSMsgType.TEXT:
            await answer.send_str(message.data)
    return answer


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
        async with session.ws_connect(base + "/echo") as talk:
            echoes = []
            for number in range(20):
                await talk.send_str(f"word {number}")
                echoes.append(await talk.receive_str())
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


async def ask_api_server(_arguments: list[str], env: dict[str, str]) -> int:
    """Ask the API server by its Service, trusting $CA; print the status line."""
    context = ssl.create_default_context(cadata=env["CA"])
    host, port = env["KUBERNETES_SERVICE_HOST"], int(env["KUBERNETES_SERVICE_PORT"])
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    writer.write(b"GET /api HTTP/1.1\r\nHost: kubernetes\r\nConnection: close\r\n\r\n")
    print((await reader.readline()).decode(), flush=True)
    writer.close()
    return 0


# --- programs of others: an ASGI application under uvicorn and hypercorn, and a client of both


async def _asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            print(message["type"], flush=True)
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = f"{scope['http_version']} {scope['scheme']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def with_uvicorn() -> None:
    """Serve at port 8000 until told to stop."""
    import uvicorn

    await uvicorn.Server(uvicorn.Config(_asgi, host="0.0.0.0", port=8000)).serve()
    print("stopped", flush=True)


async def with_hypercorn(_arguments: list[str], env: dict[str, str]) -> None:
    """Serve HTTP/2 over TLS at port 8443 until told to stop; the certificate comes by $PEM."""
    import hypercorn.asyncio
    import hypercorn.config

    config = hypercorn.config.Config()
    config.bind = ["0.0.0.0:8443"]
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
        pem.write(env["PEM"])
        pem.flush()
        config.certfile = config.keyfile = pem.name
        await hypercorn.asyncio.serve(_asgi, config)
    print("stopped", flush=True)


async def browse(arguments: list[str]) -> int:
    """Ask both servers, whose addresses are the arguments; print what they speak."""
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with ClientSession() as session:
        async with session.get(f"http://{arguments[0]}:8000/") as answer:
            one = await answer.text()
        async with session.get(f"https://{arguments[1]}:8443/", ssl=context) as answer:
            other = await answer.text()
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(arguments[1], 8443, ssl=context)
    spoken = writer.get_extra_info("ssl_object").selected_alpn_protocol()
    writer.close()
    with open("/etc/resolv.conf") as file:
        servers = [line.split()[1] for line in file if line.startswith("nameserver")]
    names = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    result = {"uvicorn": one, "hypercorn": other, "alpn": spoken, "dns": servers}
    print(json.dumps({**result, "localhost": names[0][4][0]}), flush=True)
    return 0
