"""When what came in is answered: in the same turn where nobody waits, together where tasks do."""

from __future__ import annotations

import asyncio

import pytest

from netstack.offload import SuperFrame

from .pods import SERVER, TwoPods


class Answering(asyncio.Protocol):
    """Answers as it hears."""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@pytest.fixture
def pods():
    return TwoPods()


async def _stepped(pods, reader, writer):
    """Exchange a line; return how often the server sent, and in how many turns of the loop."""
    interface, sent, turns = pods.server_interface, [], [0]
    transmit, receive = interface._transmit, interface.drained
    loop, heard_at = asyncio.get_running_loop(), []

    def count_turns() -> None:
        turns[0] += 1
        if not sent:
            loop.call_soon(count_turns)

    def drained() -> None:
        heard_at.append(turns[0])
        receive()

    def note(frames) -> None:
        sent.append((turns[0] - heard_at[-1], len(frames)))
        transmit(frames)

    interface._transmit, interface.drained = note, drained
    loop.call_soon(count_turns)
    writer.write(b"line\n")
    assert await reader.readline() == b"line\n"
    interface._transmit, interface.drained = transmit, receive
    return sent


def test_protocol_answers_in_the_turn_it_hears(pods):
    async def scenario(pods):
        loop = asyncio.get_running_loop()
        pods.use(pods.server)
        await loop.create_server(Answering, "0.0.0.0", 80)
        pods.use(pods.client)
        reader, writer = await asyncio.open_connection(SERVER, 80)
        await _stepped(pods, reader, writer)
        assert await _stepped(pods, reader, writer) == [(0, 1)]
        writer.close()

    pods.run(scenario)


def test_task_answers_one_turn_later_with_its_acknowledgment(pods):
    async def answer(reader, writer):
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async def scenario(pods):
        pods.use(pods.server)
        await asyncio.start_server(answer, "0.0.0.0", 80)
        pods.use(pods.client)
        reader, writer = await asyncio.open_connection(SERVER, 80)
        await _stepped(pods, reader, writer)
        assert await _stepped(pods, reader, writer) == [(1, 1)]
        writer.close()

    pods.run(scenario)


def test_what_many_say_in_one_turn_leaves_in_parts_and_no_message_in_two(pods):
    """The first of them are on their way before the last have spoken."""

    async def scenario(pods):
        accepted: list[asyncio.StreamWriter] = []
        pods.use(pods.server)
        await asyncio.start_server(lambda _, writer: accepted.append(writer), "0.0.0.0", 80)
        pods.use(pods.client)
        streams = [await asyncio.open_connection(SERVER, 80) for _ in range(20)]
        while len(accepted) < 20:
            await asyncio.sleep(0)
        interface, sent = pods.server_interface, []
        transmit = interface._transmit

        def note(frames) -> None:
            sent.append(len(frames))
            transmit(frames)

        interface.flush()
        interface._transmit = note
        for writer in accepted:
            writer.write(b"li")
            writer.write(b"ne\n")
        assert sent == [16]
        for reader, _ in streams:
            assert await reader.readline() == b"line\n"
        assert sent == [16, 4]
        for writer in [*accepted, *(writer for _, writer in streams)]:
            writer.close()

    pods.run(scenario)


def test_exit_in_a_protocol_does_not_silence_the_others(pods):
    class Exiting(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            raise SystemExit(3)

    async def scenario(pods):
        loop = asyncio.get_running_loop()
        pods.use(pods.server)
        await loop.create_server(Exiting, "0.0.0.0", 80)
        await loop.create_server(Answering, "0.0.0.0", 81)
        pods.use(pods.client)
        streams = [await asyncio.open_connection(SERVER, port) for port in (80, 81)]
        interface, frames = pods.server_interface, []
        receive = interface.receive
        interface.receive = lambda more, **_: frames.extend(more)
        for _, writer in streams:
            writer.write(b"line\n")
        while len(frames) < 2:
            await asyncio.sleep(0)
        interface.receive = receive
        receive(frames, partial=True)  # Both in one batch.
        with pytest.raises(SystemExit):
            interface.drained()
        assert await streams[1][0].readline() == b"line\n"
        for _, writer in streams:
            writer.close()

    pods.run(scenario)


def test_link_that_comes_back_without_offload_gets_ordinary_frames(pods):
    """A stream goes on while the link, restarted twice, agrees to offload or not."""
    octets, kinds = bytes(range(256)) * 8192, []

    async def scenario(pods):
        ended, progress = asyncio.Event(), asyncio.Event()
        heard = bytearray()

        async def listen(reader, writer):
            while data := await reader.read(1 << 16):
                heard.extend(data)
                progress.set()
            writer.close()
            ended.set()

        pods.use(pods.server)
        await asyncio.start_server(listen, "0.0.0.0", 80)
        pods.use(pods.client)
        _, writer = await asyncio.open_connection(SERVER, 80)
        interface, transmit = pods.client_interface, pods.client_interface._transmit

        def note(frames) -> None:
            kinds[-1].update(map(type, frames))
            transmit(frames)

        for offload in (True, False, True):
            kinds.append(set())
            interface.attach(note, offload=offload)
            writer.write(octets)
            while len(heard) < len(kinds) * len(octets):
                await progress.wait()
                progress.clear()
        writer.close()
        await ended.wait()
        assert heard == 3 * octets

    pods.run(scenario)
    assert SuperFrame in kinds[0]
    assert kinds[1] == {bytes}
    assert SuperFrame in kinds[2]
