"""gRPC probes through a real hostnet socket, of a server that we did not write, and of none.

Upstream: pkg/probe/grpc/grpc_test.go, TestGrpcProber_Probe, whose rows and words these are.
"""

from __future__ import annotations

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import grpc
import pytest

from componentbase.grpc import health
from nodeagent.hostnet import HostNet
from nodeagent.kubelet.grpc_action import check

pytestmark = pytest.mark.asyncio


class Service(grpc.GenericRpcHandler):
    """Health.Check, or nothing, as it was told."""

    def __init__(self, answer: bytes | grpc.StatusCode) -> None:
        self.answer = answer

    def service(self, details):
        if details.method != health.CHECK or self.answer is grpc.StatusCode.UNIMPLEMENTED:
            return None
        return grpc.unary_unary_rpc_method_handler(self.check)

    def check(self, _request: bytes, context: grpc.ServicerContext) -> bytes:
        if isinstance(self.answer, grpc.StatusCode):
            context.abort(self.answer, "unknown service")
        return self.answer


class Lender:
    """Connects whatever it is asked to a port of the loopback, as the datapath does to a pod."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.open: list[asyncio.Task[None]] = []

    async def serve(self, reader, writer) -> None:
        self.open.append(asyncio.current_task())
        await reader.readline()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.write(json.dumps({"error": "no", "code": "ECONNREFUSED"}).encode() + b"\n")
            writer.close()
            return
        writer.write(b'{"ok": true}\n')
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while octets := await reader.read(4096):
        writer.write(octets)
    writer.close()
    await writer.wait_closed()


@asynccontextmanager
async def hostnet(tmp_path, port: int):
    lender, path = Lender(port), tmp_path / "hostnet.sock"
    server = await asyncio.start_unix_server(lender.serve, str(path))
    try:
        yield HostNet(path)
    finally:
        server.close()
        if lender.open:
            await asyncio.wait(lender.open, timeout=5)
        await asyncio.sleep(0)


POD = ("10.244.1.5", 5000)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"\x08\x01", ""),
        (b"\x08\x02", 'service unhealthy (responded with "NOT_SERVING")'),
        (b"", 'service unhealthy (responded with "UNKNOWN")'),
        (
            grpc.StatusCode.UNIMPLEMENTED,
            "error: this server does not implement the grpc health protocol "
            "(grpc.health.v1.Health): Method not found!",
        ),
        (
            grpc.StatusCode.NOT_FOUND,
            "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service",
        ),
    ],
)
async def test_what_servers_answer(tmp_path, answer, words):
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Service(answer),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        async with hostnet(tmp_path, port) as net:
            assert await check(net, POD, "x", 10) == words
    finally:
        server.stop(0).wait()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def only_settings(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\0\0\0\4\0\0\0\0\0")
    await silent(reader, writer)


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (silent, 'timeout: failed to connect service "10.244.1.5:5000" within 200ms: '),
        (only_settings, "timeout: health rpc did not complete within 200ms"),
    ],
)
async def test_what_takes_too_long(tmp_path, serve, words):
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with hostnet(tmp_path, server.sockets[0].getsockname()[1]) as net:
        assert re.match(re.escape(words), await check(net, POD, "", 0.2))
    server.close()
    await server.wait_closed()


async def test_a_port_where_nobody_listens_is_tried_until_the_time_is_up(tmp_path):
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with hostnet(tmp_path, port) as net:
        told = await check(net, POD, "", 0.1)
    at = '"10.244.1.5:5000" within 100ms'
    assert told == f"timeout: failed to connect service {at}: context deadline exceeded"
