"""Our small HTTP server: framing, order, limits."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podruntime.images.http_client import BadUrl, Url
from podruntime.images.http_message import Body, MalformedMessage, take_head
from podruntime.images.http_server import HttpServer, Response

pytestmark = pytest.mark.asyncio


async def _talk(handler, octets: bytes) -> bytes:
    server = HttpServer(handler)
    await server.start(0, "127.0.0.1")
    reader, writer = await asyncio.open_connection(*server._server.sockets[0].getsockname())
    writer.write(octets)
    writer.write_eof()
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    await server.close()
    return answer


def _echo(request):
    return Response(body=request.body or request.target.encode())


async def test_pipelined_requests_are_answered_in_order():
    gate = asyncio.Event()

    async def slow():
        await gate.wait()
        return Response(body=b"slow")

    def answer(request):
        if request.path == "/slow":
            asyncio.get_running_loop().call_later(0.02, gate.set)
            return slow()
        return Response(body=b"fast")

    first = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
    octets = first + b"GET /f HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answers = await _talk(answer, octets)
    assert answers.index(b"slow") < answers.index(b"fast")
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert b"Connection: close" in answers


async def test_bodies_by_length_and_by_chunks():
    by_length = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    assert (await _talk(_echo, by_length)).endswith(b"\r\n\r\nhello")
    chunked = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: t\r\n\r\n"
    )
    assert (await _talk(_echo, chunked)).endswith(b"\r\n\r\nhello")


async def test_head_has_no_body_and_http_1_0_closes():
    answer = await _talk(_echo, b"HEAD /x HTTP/1.0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 2" in answer


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost: a\r\n : b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000, 431),
    ],
)
async def test_what_is_not_understood_is_refused(octets, status):
    answer = await _talk(_echo, octets)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in answer


async def test_a_handler_that_fails_answers_500():
    async def fail():
        raise RuntimeError("on purpose")

    answer = await _talk(lambda _request: fail(), b"GET / HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 ")


async def test_query_and_form_values():
    def answer(request):
        return Response(body=f"{request.path}|{request.value('a')}|{request.value('b')}".encode())

    octets = (
        b"POST /x%20y?a=1&b=%2F HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 3\r\n\r\na=2"
    )
    assert (await _talk(answer, octets)).endswith(b"/x y|2|/")


async def test_urls():
    assert Url.parse("web:8080/a?b=c") == Url("web", 8080, "/a?b=c")
    assert Url.parse("http://web") == Url("web", 80, "/")
    assert Url.parse("https://web/x") == Url("web", 443, "/x", "https")
    assert Url("web", 443, "/", "https").origin == "https://web"
    for text in ("ftp://web/", "http://", "http://web:x/"):
        with pytest.raises(BadUrl):
            Url.parse(text)


@given(st.binary(max_size=200))
async def test_any_octets_are_a_head_or_malformed(octets):
    try:
        take_head(bytearray(octets + b"\r\n\r\n"))
    except MalformedMessage:
        return


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), max_size=10))
async def test_a_chunked_body_survives_any_cut(data, sizes):
    encoded, at = b"", 0
    for size in [*sizes, 300]:
        if piece := data[at : at + size]:
            encoded += b"%x\r\n%s\r\n" % (len(piece), piece)
        at += size
    encoded += b"0\r\n\r\nnext"
    body, buffer = Body(chunked=True, length=None), bytearray()
    for octet in encoded:
        buffer.append(octet)
        body.feed(buffer)
    assert (bytes(body.octets), body.complete, bytes(buffer)) == (data, True, b"next")


async def test_draining_waits_until_a_slow_reader_has_everything():
    big = bytes(4 << 20)
    server = HttpServer(lambda _request: Response(body=big))
    await server.start(0, "127.0.0.1")
    port = server._server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        draining = asyncio.get_running_loop().create_task(server.drain())
        assert await idle_reader.read() == b"", "an idle connection is closed at once"
        assert not draining.done(), "the answer has not left yet"
        body = await reader.readexactly(len(big))
        assert (b"200 OK" in head, body) == (True, big)
        assert await reader.read() == b""
        await draining
    writer.close()
    idle_writer.close()
