"""Unmodified programs of others, each with its peer in the other pod."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import suppress

import aiohttp
import aiosmtplib
import asyncpg
import dns.asyncquery
import dns.asyncresolver
import dns.message
import dns.rdatatype
import hypercorn.asyncio
import hypercorn.config
import pytest
import redis.asyncio
import uvicorn
from aiohttp import web
from aiosmtpd.smtp import SMTP

from podruntime.images.filesystem import FileSystem
from podruntime.sandbox.owner import CURRENT

from .pods import CLIENT, SERVER, TwoPods
from .servers import HttpTwo, NameServer, postgres, resp

pytestmark = pytest.mark.usefixtures("boundary")


# --- aiohttp


async def _site(pods: TwoPods, ssl_context=None) -> web.AppRunner:
    async def upload(request: web.Request) -> web.Response:
        total = 0
        async for chunk in request.content.iter_any():
            total += len(chunk)
        text = f"{total} {request.headers.get('Transfer-Encoding')} {request.secure}"
        return web.Response(text=text)

    async def talk(request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse(compress=True)
        await answer.prepare(request)
        async for message in answer:
            if message.type is aiohttp.WSMsgType.TEXT:
                await answer.send_str(message.data.upper())
            else:
                await answer.send_bytes(message.data[::-1])
        return answer

    async def count(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for number in range(5):
            await answer.write(b"%d\n" % number)
            await asyncio.sleep(0.001)
        return answer

    async def refuse(request: web.Request) -> None:
        raise web.HTTPExpectationFailed(text="no, thank you")

    pods.use(pods.server)
    app = web.Application(client_max_size=0)
    app.router.add_put("/upload", upload)
    app.router.add_get("/talk", talk)
    app.router.add_get("/count", count)
    app.router.add_put("/refuse", upload, expect_handler=refuse)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, None, 443 if ssl_context else 80, ssl_context=ssl_context).start()
    pods.use(pods.client)
    return runner


async def _visit(pods: TwoPods, base: str, **how) -> None:
    async def pieces():
        for _ in range(40):
            yield b"x" * 5000

    async with aiohttp.ClientSession(base) as session:
        for _ in range(2):
            async with session.put("/upload", data=pieces(), **how) as answer:
                assert (await answer.text()).split()[:2] == ["200000", "chunked"]
        async with session.put("/upload", data=b"y" * 100_000, expect100=True, **how) as answer:
            assert (await answer.text()).startswith("100000 None")
        async with session.put("/refuse", data=b"z" * 100_000, expect100=True, **how) as answer:
            assert answer.status == 417
        async with session.get("/count", **how) as answer:
            assert [line async for line in answer.content] == [b"%d\n" % n for n in range(5)]
        kept = [each for group in session.connector._conns.values() for each, _ in group]
        assert len(kept) == 1, "one connection was kept and used again"
        async with session.ws_connect("/talk", compress=15, **how) as socket:
            await socket.send_str("hello")
            assert await socket.receive_str() == "HELLO"
            await socket.send_bytes(bytes(range(256)) * 1000)
            assert await socket.receive_bytes() == bytes(range(255, -1, -1)) * 1000
            await socket.ping()


def test_aiohttp_uploads_streams_and_talks():
    async def scenario(pods: TwoPods) -> None:
        runner = await _site(pods)
        await _visit(pods, f"http://{SERVER}")
        await runner.cleanup()

    TwoPods().run(scenario)


def test_aiohttp_does_the_same_with_tls(serving, asking):
    async def scenario(pods: TwoPods) -> None:
        runner = await _site(pods, serving)
        await _visit(pods, "https://web", ssl=asking)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get("https://web/count")
        await runner.cleanup()

    TwoPods().run(scenario)


def test_aiohttp_sends_a_file_and_serves_on_a_socket(tmp_path):
    file = tmp_path / "big.bin"
    file.write_bytes(bytes(range(256)) * 2000)

    async def scenario(pods: TwoPods) -> None:
        import socket

        pods.use(pods.server)
        app = web.Application()
        app.router.add_static("/files", tmp_path)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((SERVER, 0))
        await web.SockSite(runner, sock).start()
        port = sock.getsockname()[1]
        pods.use(pods.client)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{SERVER}:{port}/files/big.bin") as answer,
        ):
            assert await answer.read() == file.read_bytes()
        await runner.cleanup()

    TwoPods().run(scenario)


# --- ASGI servers


class _Asgi:
    """An ASGI application that notes its lifespan."""

    def __init__(self) -> None:
        self.life: list[str] = []

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                self.life.append(message["type"])
                await send({"type": "lifespan.startup.complete"})
            self.life.append(message["type"])
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = f"{scope['http_version']} {scope['client'][0]} {scope['server'][0]}".encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("given", ["port", "socket"])
def test_uvicorn_serves_and_shuts_down_gracefully(given):
    async def scenario(pods: TwoPods) -> None:
        app = _Asgi()
        config = uvicorn.Config(app, host="0.0.0.0", port=8000, log_level=logging.CRITICAL)
        server = uvicorn.Server(config)
        sockets = [config.bind_socket()] if given == "socket" else None
        serving = pods.loop.create_task(server.serve(sockets))
        while not server.started:
            await asyncio.sleep(0.005)
        pods.use(pods.client)
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                async with session.get(f"http://{SERVER}:8000/") as answer:
                    assert await answer.text() == f"1.1 {CLIENT} {SERVER}"
        assert app.life == ["lifespan.startup"]
        owner = CURRENT.get()
        assert owner is not None
        assert owner.signals.deliver(signal.SIGTERM), "it has asked for the signal"
        await serving
        assert app.life == ["lifespan.startup", "lifespan.shutdown"]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(SERVER, 8000)

    TwoPods().run(scenario)


def _hypercorn(bind: str, **fields: object) -> hypercorn.config.Config:
    config = hypercorn.config.Config()
    config.bind, config.accesslog, config.errorlog = [bind], None, None
    config.graceful_timeout = 1
    for name, value in fields.items():
        setattr(config, name, value)
    return config


async def _hypercorn_serves(app: _Asgi, config: hypercorn.config.Config) -> asyncio.Task[None]:
    task = asyncio.get_running_loop().create_task(hypercorn.asyncio.serve(app, config))
    while not app.life:
        await asyncio.sleep(0.005)
    for _ in range(5):
        await asyncio.sleep(0.002)  # Its sockets are listening a few turns later.
    return task


def test_hypercorn_serves_and_shuts_down_gracefully():
    async def scenario(pods: TwoPods) -> None:
        app = _Asgi()
        serving = await _hypercorn_serves(app, _hypercorn("0.0.0.0:8000"))
        pods.use(pods.client)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{SERVER}:8000/") as answer,
        ):
            assert await answer.text() == f"1.1 {CLIENT} {SERVER}"
        owner = CURRENT.get()
        assert owner is not None
        assert owner.signals.deliver(signal.SIGTERM)
        await serving
        assert app.life == ["lifespan.startup", "lifespan.shutdown"]

    TwoPods().run(scenario)


def test_hypercorn_speaks_http_2_over_tls(certificate, asking):
    async def scenario(pods: TwoPods) -> None:
        app = _Asgi()
        config = _hypercorn("0.0.0.0:443", certfile=str(certificate), keyfile=str(certificate))
        serving = await _hypercorn_serves(app, config)
        pods.use(pods.client)
        asking.set_alpn_protocols(["h2"])
        _, client = await pods.loop.create_connection(HttpTwo, "web", 443, ssl=asking)
        bodies = await asyncio.gather(*(client.get("/") for _ in range(10)))
        assert bodies == [f"2 {CLIENT} {SERVER}".encode()] * 10
        client.transport.close()
        await client.lost
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving

    TwoPods().run(scenario)


# --- names


def test_dnspython_resolves_by_udp_and_tcp(tmp_path):
    async def scenario(pods: TwoPods) -> None:
        owner = CURRENT.get()
        assert owner is not None
        served = await NameServer.start({"web.example.com": ["203.0.113.7"] * 60})
        pods.use(pods.client)
        resolv_conf = f"nameserver {SERVER}\nsearch example.com\n"
        owner.files = FileSystem(str(tmp_path), {"/etc/resolv.conf": resolv_conf})
        resolver = dns.asyncresolver.Resolver()  # It reads /etc/resolv.conf by itself.
        assert [str(each) for each in resolver.nameservers] == [SERVER]
        found = await resolver.resolve("web", "A", search=True)
        assert {each.address for each in found} == {"203.0.113.7"}
        assert served.asked_by == {"udp", "tcp"}, "what is cut off is asked again by TCP"
        query = dns.message.make_query("web.example.com", "A")
        answer = await dns.asyncquery.tcp(query, SERVER, timeout=5)
        assert answer.answer[0].rdtype == dns.rdatatype.A
        answer, by_tcp = await dns.asyncquery.udp_with_fallback(query, SERVER, timeout=5)
        assert by_tcp
        with pytest.raises(dns.asyncresolver.NXDOMAIN):
            await resolver.resolve("nobody.example.com", "A")
        served.close()

    TwoPods().run(scenario)


# --- clients of databases and mail


def test_redis_py_sets_gets_and_pipelines():
    async def scenario(pods: TwoPods) -> None:
        server = await asyncio.start_server(resp, "0.0.0.0", 6379)
        pods.use(pods.client)
        client = redis.asyncio.Redis(host="web", socket_keepalive=True, socket_timeout=5)
        assert await client.ping()
        await client.set("name", "v" * 300_000)
        assert await client.get("name") == b"v" * 300_000
        assert await client.get("none") is None
        async with client.pipeline(transaction=False) as pipeline:
            for number in range(100):
                pipeline.incrby("count", number)
            assert (await pipeline.execute())[-1] == 4950
        many = await asyncio.gather(*(client.incrby("count", 1) for _ in range(50)))
        assert max(many) == 5000
        await client.aclose()
        server.close()

    TwoPods().run(scenario)


@pytest.mark.parametrize("tls", [False, True])
def test_asyncpg_connects_and_fetches(tls, serving, asking):
    async def scenario(pods: TwoPods) -> None:
        server = await asyncio.start_server(postgres(serving), "0.0.0.0", 5432)
        pods.use(pods.client)
        connection = await asyncpg.connect(
            host="web",
            user="lab",
            password="secret",
            database="lab",
            ssl=asking if tls else False,
            timeout=10,
        )
        assert await connection.fetchval("SELECT 1") == "SELECT 1"
        rows = await connection.fetch("SELECT $1::text", "hello")
        assert [tuple(row) for row in rows] == [("hello",)]
        assert await connection.execute("SET x = 1") == "SELECT 1"
        with pytest.raises(asyncpg.PostgresSyntaxError, match="no such thing"):
            await connection.fetch("FAIL")
        await connection.close()
        server.close()
        server = await asyncio.start_server(postgres(serving), CLIENT, 5432)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(host=CLIENT, user="lab", password="wrong", ssl=False)
        server.close()

    TwoPods().run(scenario)


class _Mailbox:
    def __init__(self) -> None:
        self.letters: list[tuple[str, bytes]] = []

    async def handle_DATA(self, server, session, envelope) -> str:
        self.letters.append((session.peer[0], envelope.content))
        return "250 OK"


def test_aiosmtplib_sends_mail_to_aiosmtpd_with_starttls(serving, asking):
    async def scenario(pods: TwoPods) -> None:
        mailbox = _Mailbox()
        server = await pods.loop.create_server(
            lambda: SMTP(mailbox, tls_context=serving, require_starttls=True, hostname="web"),
            "0.0.0.0",
            25,
        )
        pods.use(pods.client)
        client = aiosmtplib.SMTP(
            hostname="web", port=25, start_tls=True, tls_context=asking, timeout=10
        )
        async with client:
            assert client.get_transport_info("ssl_object") is not None
            for number in range(3):
                letter = f"Subject: {number}\r\n\r\n" + "line\r\n" * 5000
                await client.sendmail("a@example.com", ["b@example.com"], letter)
        assert [peer for peer, _ in mailbox.letters] == [CLIENT] * 3
        assert all(len(content) > 30_000 for _, content in mailbox.letters)
        server.close()

    TwoPods().run(scenario)
