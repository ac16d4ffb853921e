"""One connection of a server, frame by frame, and asked by gRPC's own client."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from componentbase.grpc import frames, health, hpack
from componentbase.grpc.frames import BrokenConnection, FrameReader, Kind
from componentbase.grpc.server import ServerConnection
from componentbase.grpc.status import NOT_FOUND, UNIMPLEMENTED, Status


def answer(path: str, message: bytes) -> bytes | Status:
    if path != health.CHECK:
        return Status(UNIMPLEMENTED, f"unknown method {path}")
    if health.parse_request(message) == "gone":
        return Status(NOT_FOUND, "unknown service")
    return health.emit_response(health.ServingStatus.SERVING)


def asked(stream: int, message: bytes = b"") -> bytes:
    block = hpack.encode([(":method", "POST"), (":path", health.CHECK)])
    body = frames.emit_message(message)
    return frames.emit_headers(stream, block) + frames.emit(Kind.DATA, 1, stream, body)


def test_calls_are_answered_in_the_order_of_their_ends():
    connection = ServerConnection(answer)
    connection.receive(frames.PREFACE[:5])
    connection.receive(frames.PREFACE[5:] + frames.emit_settings() + asked(1) + asked(3))
    found = FrameReader().feed(connection.octets_to_send())
    ends = [each.stream for each in found if each.ends_stream()]
    assert ends == [1, 3]
    assert [each.payload for each in found if each.kind == Kind.DATA] == [b"\0\0\0\0\2\x08\x01"] * 2


def test_a_call_that_was_taken_back_or_is_no_message():
    connection = ServerConnection(answer)
    block = hpack.encode([(":path", health.CHECK)])
    octets = frames.emit_headers(1, block) + frames.emit(Kind.RST_STREAM, 0, 1, bytes(4))
    connection.receive(frames.PREFACE + octets + frames.emit_headers(3, block, end=True))
    (frame,) = [each for each in FrameReader().feed(connection.octets_to_send()) if each.stream]
    assert dict(hpack.Decoder().decode(frame.payload))["grpc-status"] == "13"


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        frames.PREFACE + frames.emit_headers(1, b"\x80"),
        frames.PREFACE
        + b"".join(frames.emit_headers(n, hpack.encode([])) for n in range(1, 300, 2)),
        frames.PREFACE
        + frames.emit_headers(1, hpack.encode([]))
        + frames.emit(Kind.DATA, 0, 1, b"x" * 16000) * 5,
    ],
)
def test_what_is_no_client_is_refused(octets):
    with pytest.raises(BrokenConnection):
        ServerConnection(answer).receive(octets)


class Server:
    """Serves at a port of the loopback until all clients are gone."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer, connection = writer, ServerConnection(answer)
        writer.write(connection.octets_to_send())
        while octets := await reader.read(4096):
            connection.receive(octets)
            writer.write(connection.octets_to_send())
        writer.close()
        await writer.wait_closed()
        self.gone.set()


@pytest.mark.asyncio
async def test_grpcs_own_client_is_answered():
    ours = Server()
    server = await asyncio.start_server(ours.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        check = channel.unary_unary(health.CHECK)
        for _ in range(3):
            assert await check(b"", timeout=10) == b"\x08\x01"
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await check(health.emit_request("gone"), timeout=10)
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
        assert raised.value.details() == "unknown service"
        with pytest.raises(grpc.aio.AioRpcError, match="unknown method"):
            await channel.unary_unary("/a.B/C")(b"", timeout=10)
    server.close()
    ours.writer.close()
    await asyncio.wait_for(ours.gone.wait(), 10)
    await server.wait_closed()
