"""One call, frame by frame, and against gRPC's own server."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from componentbase.grpc import frames, health, hpack
from componentbase.grpc.client import UnaryCall
from componentbase.grpc.frames import Kind

OK_HEAD = hpack.encode([(":status", "200"), ("content-type", "application/grpc")])
OK_TAIL = hpack.encode([("grpc-status", "0")])


def call(service: str = "") -> UnaryCall:
    message = health.emit_request(service)
    return UnaryCall(health.CHECK, message, authority="pod:5000", user_agent="kube-probe/1.32")


def test_an_answer_in_three_frames():
    asked = call()
    assert asked.octets_to_send().startswith(frames.PREFACE)
    assert not asked.connected
    asked.receive(frames.emit_settings())
    assert asked.connected
    assert asked.octets_to_send() == frames.emit(Kind.SETTINGS, frames.ACK, 0)
    asked.receive(frames.emit_headers(1, OK_HEAD))
    asked.receive(frames.emit(Kind.DATA, 0, 1, frames.emit_message(b"\x08\x01")))
    assert asked.outcome is None
    asked.receive(frames.emit_headers(1, OK_TAIL, end=True))
    assert asked.outcome.message == b"\x08\x01"


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "Unavailable desc = connection error: http2"),
        (frames.emit_headers(1, OK_HEAD), "begin with settings"),
        (frames.emit_settings() + frames.emit_headers(1, b"\x80"), "connection error: hpack"),
        (
            frames.emit_settings() + frames.emit_headers(1, OK_HEAD, end=True),
            "Internal desc = server closed the stream without sending trailers",
        ),
        (
            frames.emit_settings() + frames.emit(Kind.RST_STREAM, 0, 1, b"\0\0\0\7"),
            "RST_STREAM with error code: 7",
        ),
        (
            frames.emit_settings() + frames.emit(Kind.GOAWAY, 0, 0, bytes(7) + b"\x0b"),
            "goes away, code 11",
        ),
        (
            frames.emit_settings() + frames.emit(Kind.DATA, 0, 1, b"x" * 16000) * 5,
            "the answer is too large",
        ),
        (frames.emit_settings() + frames.emit_headers(1, OK_TAIL, end=True), "no message"),
    ],
)
def test_answers_that_are_none(octets, words):
    asked = call()
    asked.receive(octets)
    assert words in str(asked.outcome.status)


def test_the_end_of_the_connection_is_an_answer_only_if_there_was_none():
    asked = call()
    asked.receive(frames.emit_settings() + frames.emit(Kind.GOAWAY, 0, 0, b"\0\0\0\1\0\0\0\0"))
    assert asked.outcome is None  # This call it will still answer.
    asked.eof()
    text = "rpc error: code = Unavailable desc = error reading from server: EOF"
    assert str(asked.outcome.status) == text


class Service(grpc.GenericRpcHandler):
    """Health.Check of a server that we did not write."""

    def service(self, details):
        if details.method != health.CHECK:
            return None

        def check(request: bytes, context: grpc.ServicerContext) -> bytes:
            if request == health.emit_request("gone"):
                context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
            return b"\x08\x01"

        return grpc.unary_unary_rpc_method_handler(check)


async def ask(port: int, asked: UnaryCall) -> UnaryCall:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(10):
        while asked.outcome is None:
            writer.write(asked.octets_to_send())
            asked.receive(await reader.read(4096))
    writer.close()
    await writer.wait_closed()
    return asked


@pytest.mark.asyncio
async def test_grpcs_own_server_answers():
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Service(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        served = await ask(port, call())
        gone = await ask(port, call("gone"))
        other = UnaryCall("/a.B/C", b"", authority="x", user_agent="y")
        absent = await ask(port, other)
    finally:
        server.stop(0).wait()
    assert health.parse_response(served.outcome.message) == "SERVING"
    assert str(gone.outcome.status) == "rpc error: code = NotFound desc = unknown service"
    assert "code = Unimplemented" in str(absent.outcome.status)
