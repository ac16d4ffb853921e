"""Servers that break off, trickle, flood or say too much: one word for each, none of it ours."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager

import pytest

from loadgen.plan import LoadPlan
from loadgen.run import run_load

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nweb-1\n"
HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"


async def load(url, **change):
    plan = LoadPlan(**{"url": url, "rate": 50, "duration_s": 0.1, "timeout_s": 5.0, **change})
    async with asyncio.timeout(30):
        return await run_load(plan)


def abort(writer):
    """Send a RST instead of a FIN."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def breaks_off(writer):
    writer.write(HALF)
    writer.close()


async def resets(writer):
    writer.write(HALF)
    await writer.drain()
    abort(writer)


async def floods_the_head(writer):
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x: y\r\n" * 1000)
        await writer.drain()


async def never_comes_to_the_point(writer):
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        await writer.drain()


async def trickles_its_body(writer):
    writer.write(HALF)
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.3)


async def says_nothing(writer):
    await asyncio.sleep(60)


async def speaks_tls(writer):
    writer.write(b"\x15\x03\x01\x00\x02\x02\x46")


async def ends_without_a_length(writer):
    writer.write(b"HTTP/1.0 200 OK\r\n\r\nweb-1\n")
    writer.close()


async def closes_without_a_word(writer):
    """HTTP/1.1 without `connection: close`, and yet it closes after each answer."""
    writer.write(ANSWER)
    writer.close()


async def says_it_twice(writer):
    writer.write(ANSWER * 2)


async def has_trailers(writer):
    writer.write(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: sum\r\n\r\n"
        b"6;name=value\r\nweb-1\n\r\n0\r\nsum: 1\r\nmore: 2\r\n\r\n"
    )


async def says_to_go_on_first(writer):
    writer.write(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + ANSWER
    )


@asynccontextmanager
async def serving_by(answer):
    async def serve(reader, writer):
        try:
            while not writer.is_closing():
                await reader.readuntil(b"\r\n\r\n")
                await answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # The client has seen enough, or the test is over.
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    finally:
        listener.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "errors"),
    [
        (breaks_off, {"bad-response": 5}),
        (resets, {"reset": 5}),
        (floods_the_head, {"bad-response": 5}),
        (never_comes_to_the_point, {"bad-response": 5}),
        (speaks_tls, {"bad-response": 5}),
        (ends_without_a_length, {}),
        (closes_without_a_word, {}),
        (says_it_twice, {}),
        (has_trailers, {}),
        (says_to_go_on_first, {}),
    ],
)
async def test_what_became_of_it_has_one_word(answer, errors):
    async with serving_by(answer) as url:
        report = await load(url)
    assert (report.errors, report.unfinished) == (errors, 0)
    assert report.ok == 5 - sum(errors.values())
    assert not report.ok or report.backends == {"web-1": 5}


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", [trickles_its_body, says_nothing])
async def test_a_server_that_takes_its_time_is_out_of_it(answer):
    async with serving_by(answer) as url:
        report = await load(url, timeout_s=0.3)
    assert (report.errors, report.ok) == ({"timeout": 5}, 0)


class Datagrams(asyncio.DatagramProtocol):
    """Answers each datagram by `answer(datagram)`, from its own socket or from another one."""

    def __init__(self, answer, other=None):
        self._answer, self._other = answer, other

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, addr):
        for octets in self._answer(data):
            if self._other is None:
                self._transport.sendto(octets, addr)
            else:
                self._other.sendto(octets, addr)


@asynccontextmanager
async def datagrams(answer, other=None):
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Datagrams(answer, other), local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@pytest.mark.asyncio
async def test_a_datagram_that_comes_twice_counts_once():
    async with datagrams(lambda data: [data, data]) as port:
        report = await load(f"udp://127.0.0.1:{port}", connections=1)
    assert (report.sent, report.ok, report.errors) == (5, 5, {})


@pytest.mark.asyncio
async def test_an_answer_from_another_port_is_none():
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        async with datagrams(lambda data: [data], other) as port:
            report = await load(f"udp://127.0.0.1:{port}", timeout_s=0.3)
    assert report.errors == {"timeout": 5}


def dns(data, *, number=0, flags=0x8180):
    asked, _ = struct.unpack_from("!HH", data)
    return struct.pack("!HH", (asked + number) & 0xFFFF, flags) + data[4:]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "errors"),
    [
        (lambda data: [dns(data, number=1), dns(data)], {}),  # One that was not asked, first.
        (lambda data: [dns(data, number=1)], {"timeout": 5}),
        (lambda data: [dns(data, flags=0x8380)], {"truncated": 5}),
        (lambda data: [dns(data)[:7]], {"bad-response": 5}),
        (lambda data: [dns(data).replace(b"\x03web", b"\x03wob")], {"bad-response": 5}),
    ],
)
async def test_answers_of_odd_name_servers(answer, errors):
    async with datagrams(answer) as port:
        report = await load(f"dns://127.0.0.1:{port}/web", timeout_s=1.0 if errors else 5.0)
    assert report.errors == errors
