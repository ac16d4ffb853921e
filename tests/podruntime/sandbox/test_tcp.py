"""The stream transport as protocols see it: order, limits, pauses, faults, and the end."""

from __future__ import annotations

import asyncio
import logging

import pytest

from .pods import CLIENT, SERVER, TwoPods

MEGABYTE = 1 << 20


class Note(asyncio.Protocol):
    """Notes what happens to it."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.data = bytearray()
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.happened.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        if "data" not in self.happened:
            self.happened.append("data")

    def eof_received(self) -> bool | None:
        self.happened.append("eof")
        return None

    def pause_writing(self) -> None:
        self.happened.append("pause")

    def resume_writing(self) -> None:
        self.happened.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.happened.append("lost")
        self.lost.set_result(exc)


async def _pair(pods: TwoPods, kind: type[Note] = Note) -> tuple[Note, Note]:
    """Return the protocols of one connection: the server's and the client's."""
    accepted: asyncio.Future[Note] = pods.loop.create_future()

    def factory() -> Note:
        made = kind()
        accepted.set_result(made)
        return made

    pods.use(pods.server)
    server = await pods.loop.create_server(factory, SERVER, 0)
    pods.use(pods.client)
    port = server.sockets[0].getsockname()[1]
    _, client = await pods.loop.create_connection(Note, SERVER, port)
    there = await accepted
    await asyncio.sleep(0)  # The turn in which it is told of its transport.
    return there, client


def test_a_conversation_from_made_to_lost():
    async def scenario(pods: TwoPods) -> None:
        there, here = await _pair(pods)
        assert here.transport.get_extra_info("peername")[0] == SERVER
        assert there.transport.get_extra_info("peername")[0] == CLIENT
        assert here.transport.get_extra_info("no such thing", 7) == 7
        here.transport.writelines([b"one ", bytearray(b"two "), memoryview(b"three")])
        here.transport.close()
        assert here.transport.is_closing()
        assert await there.lost is None
        assert there.data == b"one two three"
        assert there.happened == ["made", "data", "eof", "lost"]
        assert here.happened == ["made", "lost"]
        assert "closed" in repr(here.transport)

    TwoPods().run(scenario)


def test_writing_in_vain(caplog: pytest.LogCaptureFixture):
    async def scenario(pods: TwoPods) -> None:
        _, here = await _pair(pods)
        transport = here.transport
        for wrong in ("text", 7, None):
            with pytest.raises(TypeError, match="must be a bytes-like object, not"):
                transport.write(wrong)
        transport.write(b"")
        transport.write_eof()
        transport.write_eof()
        with pytest.raises(RuntimeError, match=r"Cannot call write\(\) after write_eof\(\)"):
            transport.write(b"more")
        await here.lost
        _, here = await _pair(pods)
        here.transport.abort()
        here.transport.abort()
        await here.lost
        for _ in range(7):
            here.transport.write(b"x")

    with caplog.at_level(logging.WARNING):
        TwoPods().run(scenario)
    assert [each.message for each in caplog.records] == ["socket.send() raised exception."] * 2


def test_limits_pause_and_resume_the_writer_once_each():
    async def scenario(pods: TwoPods) -> None:
        there, here = await _pair(pods)
        transport = here.transport
        assert transport.get_write_buffer_limits() == (16384, 65536)
        there.transport.pause_reading()
        there.transport.pause_reading()
        assert not there.transport.is_reading()
        transport.write(bytes(4 * MEGABYTE))
        await asyncio.sleep(0.05)
        assert here.happened == ["made", "pause"]
        size = transport.get_write_buffer_size()
        assert MEGABYTE < size < 4 * MEGABYTE, "two buffers of the stacks have their megabytes"
        assert there.data == b""
        there.transport.resume_reading()
        there.transport.resume_reading()
        while len(there.data) < 4 * MEGABYTE:
            await asyncio.sleep(0.001)
        assert here.happened == ["made", "pause", "resume"]
        assert transport.get_write_buffer_size() == 0
        transport.set_write_buffer_limits(high=100)
        assert transport.get_write_buffer_limits() == (25, 100)
        transport.set_write_buffer_limits(low=10)
        assert transport.get_write_buffer_limits() == (10, 40)
        transport.set_write_buffer_limits(high=0)
        for high, low in ((1, 2), (-1, -2), (5, -1)):
            with pytest.raises(ValueError, match="must be >= low"):
                transport.set_write_buffer_limits(high, low)
        transport.close()
        await there.lost

    TwoPods().run(scenario)


def test_what_was_written_leaves_before_close_and_not_with_abort():
    async def scenario(pods: TwoPods) -> None:
        there, here = await _pair(pods)
        here.transport.write(b"x" * 5 * MEGABYTE)
        here.transport.close()
        here.transport.write(b"too late")
        assert await there.lost is None
        assert len(there.data) == 5 * MEGABYTE
        there, here = await _pair(pods)
        here.transport.write(b"x" * 5 * MEGABYTE)
        here.transport.abort()
        assert await here.lost is None
        assert isinstance(await there.lost, ConnectionResetError)
        assert len(there.data) < 5 * MEGABYTE

    TwoPods().run(scenario)


def test_what_came_before_a_reset_is_read_first():
    async def scenario(pods: TwoPods) -> None:
        there, here = await _pair(pods)
        there.transport.pause_reading()
        here.transport.write(b"last words")
        await asyncio.sleep(0.01)
        here.transport.abort()
        await asyncio.sleep(0.01)
        assert there.happened == ["made"], "who does not read does not notice"
        there.transport.resume_reading()
        assert isinstance(await there.lost, ConnectionResetError)
        assert there.data == b"last words"

    TwoPods().run(scenario)


class _Half(Note):
    def eof_received(self) -> bool:
        super().eof_received()
        return True


def test_a_half_closed_connection_can_still_write():
    async def scenario(pods: TwoPods) -> None:
        there, here = await _pair(pods, _Half)
        here.transport.write_eof()
        while "eof" not in there.happened:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert there.happened == ["made", "eof"]
        there.transport.write(b"x" * MEGABYTE)
        there.transport.close()
        assert await here.lost is None
        assert len(here.data) == MEGABYTE

    TwoPods().run(scenario)


@pytest.mark.parametrize("method", ["connection_made", "data_received", "eof_received"])
def test_a_protocol_that_raises_is_reported_and_loses_its_connection(method):
    mistake = RuntimeError("broken")

    def broken(*_: object) -> None:
        raise mistake

    kind = type("Broken", (Note,), {method: broken})

    async def scenario(pods: TwoPods) -> None:
        reported = []
        pods.loop.set_exception_handler(lambda _loop, context: reported.append(context))
        there, here = await _pair(pods, kind)
        here.transport.write(b"x")
        here.transport.write_eof()
        lost = await there.lost
        assert [each["exception"] for each in reported] == [mistake]
        if method == "connection_made":
            assert lost is None, "as in asyncio, it keeps its connection until the peer ends it"
            return
        assert lost is mistake
        assert reported[0]["message"] == f"Fatal error: protocol.{method}() call failed."
        assert reported[0]["protocol"] is there
        assert await here.lost is None

    TwoPods().run(scenario)


def test_mistakes_in_flow_control_are_reported_and_forgiven():
    def broken(_self: object) -> None:
        raise RuntimeError("broken")

    async def scenario(pods: TwoPods) -> None:
        reported = []
        pods.loop.set_exception_handler(lambda _loop, context: reported.append(context["message"]))
        there, here = await _pair(pods)
        mistaken = type("Broken", (Note,), {"pause_writing": broken, "resume_writing": broken})
        here.transport.set_protocol(mistaken())
        here.transport.write(b"x" * 5 * MEGABYTE)
        while len(there.data) < 5 * MEGABYTE:
            await asyncio.sleep(0.001)
        assert reported == [
            "protocol.pause_writing() failed",
            "protocol.resume_writing() failed",
        ]
        here.transport.close()

    TwoPods().run(scenario)


class _Buffered(asyncio.BufferedProtocol):
    """Reads by 1,000 octets."""

    size = 1000

    def __init__(self) -> None:
        self.buffer = bytearray(self.size)
        self.data = bytearray()
        self.lost = asyncio.get_running_loop().create_future()
        self.happened = ["made"]

    def connection_made(self, transport) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        assert nbytes <= len(self.buffer)
        self.data += self.buffer[:nbytes]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


class _Empty(_Buffered):
    size = 0


def test_a_buffered_protocol_reads_into_its_own_buffer():
    async def scenario(pods: TwoPods) -> None:
        there, here = await _pair(pods, _Buffered)
        here.transport.write(bytes(range(250)) * 1000)
        here.transport.write_eof()
        assert await there.lost is None
        assert there.data == bytes(range(250)) * 1000
        reported = []
        pods.loop.set_exception_handler(lambda _loop, context: reported.append(context["message"]))
        there, here = await _pair(pods, _Empty)
        here.transport.write(b"x")
        assert isinstance(await there.lost, RuntimeError)
        assert reported == ["Fatal error: protocol.get_buffer() call failed."]
        here.transport.close()

    TwoPods().run(scenario)


def test_a_protocol_can_be_exchanged_for_a_buffered_one():
    async def scenario(pods: TwoPods) -> None:
        there, here = await _pair(pods)
        here.transport.write(b"first")
        while there.data != b"first":
            await asyncio.sleep(0)
        other = _Buffered()
        there.transport.set_protocol(other)
        assert there.transport.get_protocol() is other
        here.transport.write(b"second")
        while other.data != b"second":
            await asyncio.sleep(0)
        here.transport.close()

    TwoPods().run(scenario)
