"""Unmodified asyncio and aiohttp programs over two of our stacks."""

from __future__ import annotations

import asyncio
import errno
import gc
import hashlib
import socket
import ssl

import aiohttp
import pytest
from aiohttp import web

from .pods import CLIENT, SERVER, TwoPods

MEGABYTE = 1024 * 1024


async def _serve_aiohttp(pods: TwoPods, app: web.Application, port: int = 8080) -> web.AppRunner:
    pods.use(pods.server)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()
    pods.use(pods.client)
    return runner


def test_aiohttp_client_fetches_from_aiohttp_server():
    async def hello(request: web.Request) -> web.Response:
        return web.json_response({"remote": request.remote, "name": request.match_info["name"]})

    async def scenario(pods: TwoPods) -> None:
        app = web.Application()
        app.router.add_get("/hello/{name}", hello)
        runner = await _serve_aiohttp(pods, app)
        async with aiohttp.ClientSession() as session:
            for _ in range(3):
                async with session.get(f"http://{SERVER}:8080/hello/pod") as response:
                    assert response.status == 200
                    assert await response.json() == {"remote": CLIENT, "name": "pod"}
            async with session.get("http://web:8080/none") as response:
                assert response.status == 404
        await runner.cleanup()

    TwoPods().run(scenario)


def test_aiohttp_streams_megabytes_both_ways_with_back_pressure():
    body = bytes(range(256)) * (4 * MEGABYTE // 256)

    async def mirror(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in request.content.iter_chunked(64 * 1024):
            await response.write(chunk)
        await response.write_eof()
        return response

    async def pieces():
        for at in range(0, len(body), 100_000):
            yield body[at : at + 100_000]

    async def scenario(pods: TwoPods) -> None:
        app = web.Application(client_max_size=0)
        app.router.add_post("/", mirror)
        runner = await _serve_aiohttp(pods, app)
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://{SERVER}:8080/", data=pieces()) as response,
        ):
            received = hashlib.sha256()
            async for chunk in response.content.iter_any():
                received.update(chunk)
        assert received.digest() == hashlib.sha256(body).digest()
        await runner.cleanup()

    TwoPods().run(scenario, 60)


def test_a_reader_that_pauses_stops_the_writer():
    async def scenario(pods: TwoPods) -> None:
        accepted: asyncio.Future[asyncio.StreamReader] = pods.loop.create_future()
        kept = []  # A writer that nobody has any more closes its connection.

        def on_connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            kept.append(writer)
            accepted.set_result(reader)

        server = await asyncio.start_server(on_connect, "0.0.0.0", 9000, limit=4096)
        pods.use(pods.client)
        _, writer = await asyncio.open_connection(SERVER, 9000)
        block = bytes(64 * 1024)
        written = 0

        async def write_for_ever() -> None:
            nonlocal written
            while True:
                writer.write(block)
                await writer.drain()
                written += len(block)
                assert written < 64 * MEGABYTE, "nothing stopped the writer"

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(write_for_ever(), 0.3)
        reader = await accepted
        total = 0
        while total < written:
            total += len(await reader.read(256 * 1024))
        writer.close()
        server.close()
        kept[0].close()

    TwoPods().run(scenario)


def test_half_close_lets_the_answer_come():
    async def scenario(pods: TwoPods) -> None:
        async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            data = await reader.read()
            writer.write(str(len(data)).encode())
            writer.close()

        server = await asyncio.start_server(count, SERVER, 9000)
        pods.use(pods.client)
        reader, writer = await asyncio.open_connection(SERVER, 9000)
        assert writer.get_extra_info("peername") == (SERVER, 9000)
        assert writer.get_extra_info("sockname")[0] == CLIENT
        assert writer.get_extra_info("socket").getpeername() == (SERVER, 9000)
        writer.write(b"x" * 100_000)
        assert writer.can_write_eof()
        writer.write_eof()
        assert await reader.read() == b"100000"
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    TwoPods().run(scenario)


def test_an_answer_to_a_new_connection_is_three_packets():
    """SYN+ACK, all of the answer with the FIN, the last acknowledgment; none for each write."""
    said = []

    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(b"head ")
            self.transport.write(b"body")
            self.transport.close()

    async def scenario(pods):
        await pods.loop.create_server(Server, None, 80)
        pods.use(pods.client)
        for _ in range(3):  # The first asks by ARP, too.
            before = pods.server_interface.tx_packets
            reader, writer = await asyncio.open_connection(SERVER, 80)
            writer.write(b"question")
            assert await reader.read() == b"head body"
            writer.close()
            while pods.server_interface.host.tcp.context.waiting == len(said):
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)  # The turn of the loop in which the last one leaves.
            said.append(pods.server_interface.tx_packets - before)

    TwoPods().run(scenario)
    assert said[1:] == [3, 3]


def test_abort_resets_the_peer():
    async def scenario(pods: TwoPods) -> None:
        accepted: asyncio.Future[asyncio.StreamWriter] = pods.loop.create_future()
        await asyncio.start_server(lambda _r, w: accepted.set_result(w), "0.0.0.0", 9000)
        pods.use(pods.client)
        reader, _writer = await asyncio.open_connection(SERVER, 9000)
        (await accepted).transport.abort()
        with pytest.raises(ConnectionResetError):
            await reader.read()

    TwoPods().run(scenario)


def test_nobody_listening_refuses():
    async def scenario(pods: TwoPods) -> None:
        pods.use(pods.client)
        with pytest.raises(
            ConnectionRefusedError, match=r"Connect call failed \('10.244.1.2', 81\)"
        ):
            await asyncio.open_connection(SERVER, 81)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.get(f"http://{SERVER}:81/")
            assert caught.value.os_error.errno == errno.ECONNREFUSED

    TwoPods().run(scenario)


def test_no_such_neighbour_is_no_route_to_host():
    async def scenario(pods: TwoPods) -> None:
        pods.use(pods.client)
        with pytest.raises(OSError, match="Connect call failed") as caught:
            await asyncio.open_connection("10.244.1.99", 80)
        assert caught.value.errno == errno.EHOSTUNREACH

    TwoPods().run(scenario)


def test_second_bind_is_address_in_use():
    async def scenario(pods: TwoPods) -> None:
        server = await asyncio.start_server(lambda _r, _w: None, "0.0.0.0", 80)
        assert server.sockets[0].getsockname() == ("0.0.0.0", 80)
        with pytest.raises(
            OSError, match=r"error while attempting to bind on address \('0.0.0.0', 80\)"
        ) as caught:
            await asyncio.start_server(lambda _r, _w: None, "0.0.0.0", 80)
        assert caught.value.errno == errno.EADDRINUSE
        server.close()
        again = await asyncio.start_server(lambda _r, _w: None, None, 80)
        again.close()

    TwoPods().run(scenario)


def test_loopback_and_names_of_the_pod():
    async def scenario(pods: TwoPods) -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        await asyncio.start_server(echo, "localhost", 7)
        reader, writer = await asyncio.open_connection("localhost", 7)
        writer.write(b"hello\n")
        assert await reader.read() == b"hello\n"
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("web", 7)

    TwoPods().run(scenario)


class _Collect(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.datagrams: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.datagrams.put_nowait((data, addr))

    def error_received(self, exc):
        self.errors.put_nowait(exc)


def test_datagrams_both_ways_and_port_unreachable():
    async def scenario(pods: TwoPods) -> None:
        server, served = await pods.loop.create_datagram_endpoint(
            _Collect, local_addr=("0.0.0.0", 53)
        )
        with pytest.raises(OSError, match="53") as caught:
            await pods.loop.create_datagram_endpoint(_Collect, local_addr=("0.0.0.0", 53))
        assert caught.value.errno == errno.EADDRINUSE
        pods.use(pods.client)
        client, asked = await pods.loop.create_datagram_endpoint(_Collect, remote_addr=(SERVER, 53))
        client.sendto(b"question")
        data, address = await served.datagrams.get()
        assert (data, address[0]) == (b"question", CLIENT)
        server.sendto(b"answer", address)
        assert await asked.datagrams.get() == (b"answer", (SERVER, 53))
        server.close()
        client.sendto(b"again")
        assert isinstance(await asked.errors.get(), ConnectionRefusedError)
        client.close()

    TwoPods().run(scenario)


def test_a_token_that_is_given_up_resets_its_connection():
    async def scenario(pods: TwoPods) -> None:
        accepted = pods.loop.create_future()
        await asyncio.start_server(lambda *pair: accepted.set_result(pair), "0.0.0.0", 80)
        pods.use(pods.client)
        token = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        token.setblocking(False)
        await pods.loop.sock_connect(token, (SERVER, 80))
        reader, writer = await accepted
        await pods.loop.sock_sendall(token, b"abc")
        assert await reader.readexactly(3) == b"abc"
        token.close()
        del token
        gc.collect()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    TwoPods().run(scenario)


def test_sock_recv_reads_to_the_end():
    async def scenario(pods: TwoPods) -> None:
        def say(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"bye")
            writer.close()

        await asyncio.start_server(say, "0.0.0.0", 80)
        pods.use(pods.client)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as token:
            token.setblocking(False)
            await pods.loop.sock_connect(token, (SERVER, 80))
            assert await pods.loop.sock_recv(token, 10) == b"bye"
            assert await pods.loop.sock_recv(token, 10) == b""

    TwoPods().run(scenario)


def test_a_protocol_that_raises_loses_its_connection():
    class Broken(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            raise RuntimeError("broken")

    async def scenario(pods: TwoPods) -> None:
        reported = []
        pods.loop.set_exception_handler(lambda _loop, context: reported.append(context))
        await pods.loop.create_server(Broken, "0.0.0.0", 80)
        pods.use(pods.client)
        reader, writer = await asyncio.open_connection(SERVER, 80)
        writer.write(b"x")
        assert await reader.read() == b""
        writer.close()
        assert str(reported[0]["exception"]) == "broken"

    TwoPods().run(scenario)


def _certificate(tmp_path):
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "web")])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("web")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "web.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_tls_between_pods(tmp_path):
    path = _certificate(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path)
    asking = ssl.create_default_context(cafile=str(path))

    async def scenario(pods: TwoPods) -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(200_000))
            await writer.drain()
            writer.close()
            await writer.wait_closed()
            served.set()

        served = asyncio.Event()
        await asyncio.start_server(echo, "0.0.0.0", 443, ssl=serving)
        pods.use(pods.client)
        reader, writer = await asyncio.open_connection("web", 443, ssl=asking)
        writer.write(b"s" * 200_000)
        assert await reader.readexactly(200_000) == b"s" * 200_000
        writer.close()
        await writer.wait_closed()
        await served.wait()

    TwoPods().run(scenario)
