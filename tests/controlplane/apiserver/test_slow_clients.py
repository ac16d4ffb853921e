"""Clients that hold a place and do nothing lose it: no head, no reading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web

from controlplane.apiserver import sending, server
from controlplane.apiserver.exchange import Answer, Stream, answer_error
from controlplane.apiserver.negotiation import Accepted
from kubeapi.status import StatusError

ENDLESS = b"x" * (1 << 20)


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield ENDLESS


async def answer(http: web.BaseRequest) -> web.StreamResponse:
    assert isinstance(http.protocol, server._Handler)
    http.protocol.head_came()
    return await sending.send_stream(http, Stream(chunks=endless(), content_type="text/plain"))


@pytest.mark.asyncio
async def test_a_connection_that_asks_nothing_is_closed(monkeypatch):
    monkeypatch.setattr(server, "HEAD_WAIT_S", 0.05)
    http = server._Server(answer)
    listener = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0)
    async with listener:
        where = listener.sockets[0].getsockname()[:2]
        reader, writer = await asyncio.open_connection(*where)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")  # A head that never ends.
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await http.shutdown(1.0)


async def little(http: web.BaseRequest) -> web.StreamResponse:
    assert isinstance(http.protocol, server._Handler)
    http.protocol.head_came()
    return await sending.finish(http, Answer(body=b"ok", content_type="text/plain"))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("bound", "then"), [("HEAD_WAIT_S", b"GET / HTTP/1.1\r\nHo"), ("IDLE_S", b"")]
)
async def test_a_later_request_has_its_time_too(monkeypatch, bound, then):
    monkeypatch.setattr(server, bound, 0.1)
    http = server._Server(little)
    listener = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0)
    async with listener:
        where = listener.sockets[0].getsockname()[:2]
        reader, writer = await asyncio.open_connection(*where)
        for _ in range(3):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await asyncio.wait_for(reader.readuntil(b"ok"), 5)).startswith(b"HTTP/1.1 200")
        writer.write(then)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await http.shutdown(1.0)


@pytest.mark.asyncio
async def test_a_reader_that_stalls_is_dropped(monkeypatch):
    monkeypatch.setattr(sending, "STALL_MAX_S", 0.1)
    http = server._Server(answer)
    listener = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0)
    async with listener:
        where = listener.sockets[0].getsockname()[:2]
        reader, writer = await asyncio.open_connection(*where, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readexactly(100)
        # Nothing is read from here on; the server gives up, and the connection is reset.
        async with asyncio.timeout(5):
            while http.connections:
                await asyncio.sleep(0.01)
        writer.close()
        await http.shutdown(1.0)


async def reading(http: web.BaseRequest) -> web.StreamResponse:
    assert isinstance(http.protocol, server._Handler)
    http.protocol.head_came()
    try:
        await server._read_body(http)
    except StatusError as error:
        return await sending.finish(http, answer_error(error, Accepted()))
    raise AssertionError("the body never came")


@pytest.mark.asyncio
async def test_a_body_that_does_not_come_is_told_and_waited_for_no_longer(monkeypatch):
    monkeypatch.setattr(server, "BODY_WAIT_S", 0.05)
    http = server._Server(reading)
    listener = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0)
    async with listener:
        where = listener.sockets[0].getsockname()[:2]
        reader, writer = await asyncio.open_connection(*where)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 408 ")
        told = await asyncio.wait_for(reader.readuntil(b"seconds"), 5)
        assert b"the body did not come within" in told
        writer.close()
        await http.shutdown(1.0)


LARGE = bytes(range(256)) * 4096


async def large(http: web.BaseRequest) -> web.StreamResponse:
    assert isinstance(http.protocol, server._Handler)
    http.protocol.head_came()
    return await sending.finish(http, Answer(body=LARGE, content_type="text/plain"))


@pytest.mark.asyncio
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_large_answer_arrives_whole_and_the_connection_goes_on(encoding):
    http = server._Server(large)
    listener = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0)
    async with listener, ClientSession() as session:
        host, port = listener.sockets[0].getsockname()[:2]
        for _ in range(2):
            headers = {"Accept-Encoding": encoding}
            async with session.get(f"http://{host}:{port}/", headers=headers) as answer:
                assert await answer.read() == LARGE
                assert answer.headers.get("Content-Encoding", "identity") == encoding
        assert len(http.connections) == 1
    await http.shutdown(1.0)


@pytest.mark.asyncio
async def test_who_reads_nothing_of_a_large_answer_is_dropped(monkeypatch):
    monkeypatch.setattr(sending, "STALL_MAX_S", 0.1)
    monkeypatch.setattr(f"{__name__}.LARGE", b"x" * (64 << 20))
    http = server._Server(large)
    listener = await asyncio.get_running_loop().create_server(http, "127.0.0.1", 0)
    async with listener:
        where = listener.sockets[0].getsockname()[:2]
        reader, writer = await asyncio.open_connection(*where, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await reader.readline()
        async with asyncio.timeout(5):
            while http.connections:
                await asyncio.sleep(0.01)
        writer.close()
        await http.shutdown(1.0)
