"""TLS in pods: upgrades in the middle, certificates, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import ssl
from asyncio.sslproto import SSLProtocol
from contextlib import suppress

import pytest

from .pods import SERVER, TwoPods


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


def test_tls_carries_megabytes_and_knows_its_peers(serving, asking):
    async def scenario(pods: TwoPods) -> None:
        await asyncio.start_server(_echo, "0.0.0.0", 443, ssl=serving)
        pods.use(pods.client)
        reader, writer = await asyncio.open_connection("web", 443, ssl=asking)
        for name in ("peername", "sockname", "socket", "cipher", "peercert", "ssl_object"):
            assert writer.get_extra_info(name) is not None, name
        assert writer.get_extra_info("sslcontext") is asking
        assert writer.get_extra_info("peername") == (SERVER, 443)
        block = bytes(range(256)) * 4096
        writer.write(block)
        assert await reader.readexactly(len(block)) == block
        assert not writer.can_write_eof()
        writer.close()
        await writer.wait_closed()

    TwoPods().run(scenario)


def test_a_certificate_that_is_wrong_ends_both_sides(serving, asking):
    async def scenario(pods: TwoPods) -> None:
        reported = []
        pods.loop.set_exception_handler(lambda _loop, context: reported.append(context))
        await asyncio.start_server(_echo, "0.0.0.0", 443, ssl=serving)
        pods.use(pods.client)
        with pytest.raises(ssl.SSLCertVerificationError, match="self-signed certificate"):
            await asyncio.open_connection("web", 443, ssl=True)
        with pytest.raises(ssl.SSLCertVerificationError, match=r"Hostname mismatch|not valid for"):
            await asyncio.open_connection("web", 443, ssl=asking, server_hostname="other")
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            await asyncio.open_connection(SERVER, 443, ssl=asking)
        assert reported == [], "a client's doubts are no error of the server"

    TwoPods().run(scenario)


def test_a_stranger_to_tls_is_refused_and_others_are_served(serving, asking):
    async def scenario(pods: TwoPods) -> None:
        await asyncio.start_server(_echo, "0.0.0.0", 443, ssl=serving)
        pods.use(pods.client)
        reader, writer = await asyncio.open_connection("web", 443)
        writer.write(b"GET / HTTP/1.0\r\n\r\n" * 10)
        with suppress(ConnectionResetError):
            await reader.read()
        writer.close()
        reader, writer = await asyncio.open_connection("web", 443, ssl=asking)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        writer.close()

    TwoPods().run(scenario)


def test_a_handshake_that_is_not_answered_times_out(serving, asking):
    async def scenario(pods: TwoPods) -> None:
        kept = []
        silent = await asyncio.start_server(lambda *pair: kept.append(pair), "0.0.0.0", 444)
        await asyncio.start_server(_echo, "0.0.0.0", 443, ssl=serving, ssl_handshake_timeout=0.05)
        pods.use(pods.client)
        with pytest.raises(ConnectionAbortedError, match=r"SSL handshake is taking longer than"):
            await asyncio.open_connection("web", 444, ssl=asking, ssl_handshake_timeout=0.05)
        silent.close_clients()
        kept[0][1].close()
        reader, writer = await asyncio.open_connection("web", 443)
        with suppress(ConnectionResetError):
            assert await reader.read() == b"", "the server gives up, too"
        writer.close()

    TwoPods().run(scenario)


@pytest.mark.parametrize("upgrader", ["client", "server"])
def test_a_stream_is_upgraded_in_the_middle(upgrader, serving, asking):
    async def scenario(pods: TwoPods) -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.readline() == b"STARTTLS\n"
            writer.write(b"GO\n")
            await writer.start_tls(serving)
            await _echo(reader, writer)

        async def turned(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """The accepting side is the client of TLS."""
            assert await reader.readline() == b"STARTTLS\n"
            writer.write(b"GO\n")
            transport = await pods.loop.start_tls(
                writer.transport,
                writer.transport.get_protocol(),
                asking,
                server_hostname="web",
            )
            assert transport is not None
            writer._transport = transport
            reader._transport = transport
            await _echo(reader, writer)

        handler = talk if upgrader == "client" else turned
        await asyncio.start_server(handler, "0.0.0.0", 25)
        pods.use(pods.client)
        reader, writer = await asyncio.open_connection("web", 25)
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"GO\n"
        if upgrader == "client":
            await writer.start_tls(asking, server_hostname="web")
        else:
            transport = await pods.loop.start_tls(
                writer.transport, writer.transport.get_protocol(), serving, server_side=True
            )
            writer._transport = reader._transport = transport
        assert writer.get_extra_info("ssl_object") is not None
        writer.write(b"s" * 300_000)
        await writer.drain()
        assert await reader.readexactly(300_000) == b"s" * 300_000
        writer.close()

    TwoPods().run(scenario)


def test_start_tls_refuses_what_asyncio_refuses(asking):
    async def scenario(pods: TwoPods) -> None:
        await asyncio.start_server(_echo, "0.0.0.0", 25)
        pods.use(pods.client)
        _, writer = await asyncio.open_connection("web", 25)
        protocol = writer.transport.get_protocol()
        with pytest.raises(TypeError, match=r"instance of ssl\.SSLContext"):
            await pods.loop.start_tls(writer.transport, protocol, True)
        with pytest.raises(TypeError):
            await pods.loop.start_tls(asyncio.Transport(), protocol, asking)
        writer.close()

    TwoPods().run(scenario)


def test_an_end_without_close_notify_is_an_end(serving, asking):
    async def scenario(pods: TwoPods) -> None:
        async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"half of")
            await writer.drain()
            await reader.readexactly(2)
            inner = writer.transport._ssl_protocol._transport
            inner.close()  # FIN, where close_notify was due.
            writer.close()

        async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(1)
            writer.transport.abort()

        pods.use(pods.server)
        await asyncio.start_server(cut, "0.0.0.0", 443, ssl=serving)
        await asyncio.start_server(reset, "0.0.0.0", 444, ssl=serving)
        pods.use(pods.client)
        reader, writer = await asyncio.open_connection("web", 443, ssl=asking)
        assert await reader.readexactly(7) == b"half of"
        writer.write(b"ok")
        assert await reader.read() == b""
        writer.close()

        reader, writer = await asyncio.open_connection("web", 444, ssl=asking)
        writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    TwoPods().run(scenario)


def test_a_slow_reader_stops_a_tls_writer(serving, asking):
    async def scenario(pods: TwoPods) -> None:
        accepted: asyncio.Future[asyncio.StreamReader] = pods.loop.create_future()

        def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.set_result((reader, writer))

        await asyncio.start_server(hold, "0.0.0.0", 443, ssl=serving, limit=4096)
        pods.use(pods.client)
        _, writer = await asyncio.open_connection("web", 443, ssl=asking)
        written = 0

        async def write_for_ever() -> None:
            nonlocal written
            while True:
                writer.write(bytes(65536))
                await writer.drain()
                written += 65536
                assert written < 64 << 20, "nothing stopped the writer"

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(write_for_ever(), 0.3)
        reader, there = await accepted
        while written > 0:
            written -= len(await reader.read(1 << 20))
        writer.transport.abort()
        there.transport.abort()

    TwoPods().run(scenario)


def test_what_a_lost_connection_leaves_is_small_before_the_collector_comes(asking):
    async def scenario(pods: TwoPods) -> None:
        async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        await asyncio.start_server(reset, "0.0.0.0", 443)
        pods.use(pods.client)
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                with pytest.raises(ConnectionError):
                    await asyncio.open_connection("web", 443, ssl=asking)
            left = [each for each in gc.get_objects() if isinstance(each, SSLProtocol)]
        finally:
            gc.enable()
        assert left, "nothing is left at all: this test looks at nothing"
        assert all(not each._ssl_buffer and each._sslobj is None for each in left)

    TwoPods().run(scenario)
