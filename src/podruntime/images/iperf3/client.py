"""iperf3's client: it says what is tried, and ends it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from podruntime.images.iperf3.protocol import PATIENCE_S, BadPeer, Control, State, make_cookie
from podruntime.images.iperf3.report import Stream, header, results, summary, told_octets
from podruntime.images.iperf3.running import Connection, Flow, show_connected
from podruntime.images.process import Process

#: How often a receiving client looks whether enough has come.
_LOOK_S: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a test is to be."""

    host: str
    port: int
    time_s: int
    octets: int
    parallel: int
    length: int
    reverse: bool
    interval_s: float


async def run(process: Process, wishes: Wishes) -> int:
    """Do one test; raises BadPeer, OSError."""
    process.print(f"Connecting to host {wishes.host}, port {wishes.port}")
    cookie, connections = make_cookie(), list[Connection]()
    try:
        await _connect(wishes, cookie, connections)
        control = Control(*connections[0])
        await control.expect(State.PARAM_EXCHANGE)
        control.send(_parameters(wishes))
        await control.expect(State.CREATE_STREAMS)
        streams = [Stream(index) for index in range(wishes.parallel)]
        for stream in streams:
            await _connect(wishes, cookie, connections)
            show_connected(process, stream, connections[-1])
        await control.expect(State.TEST_START)
        await control.expect(State.TEST_RUNNING)
        took_s = await _measure(process, wishes, Flow(streams), connections)
        control.tell(State.TEST_END)
        await _settle(process, wishes, control, streams, took_s)
    finally:
        for _, writer in connections:
            writer.close()
    process.print("\niperf Done.")
    return 0


async def _connect(wishes: Wishes, cookie: bytes, connections: list[Connection]) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            connection = await asyncio.open_connection(wishes.host, wishes.port)
    except TimeoutError:
        raise BadPeer("unable to connect to server: Connection timed out") from None
    connections.append(connection)
    connection[1].write(cookie)


def _parameters(wishes: Wishes) -> dict[str, object]:
    found: dict[str, object] = {
        "tcp": True,
        "omit": 0,
        "time": 0 if wishes.octets else wishes.time_s,
        "num": wishes.octets,
        "blockcount": 0,
        "parallel": wishes.parallel,
        "len": wishes.length,
        "pacing_timer": 1000,
        "client_version": "3.12",
    }
    if wishes.reverse:
        found["reverse"] = True
    return found


async def _measure(
    process: Process, wishes: Wishes, flow: Flow, connections: list[Connection]
) -> float:
    """Let octets flow for as long as it was wished; return how long it took."""
    process.print(header())
    share = -(-wishes.octets // wishes.parallel)
    began = time.monotonic()
    flow.carry(connections[1:], sends=not wishes.reverse, length=wishes.length, octets_max=share)
    flow.show(process, wishes.interval_s)
    try:
        with suppress(TimeoutError):
            if wishes.octets and wishes.reverse:
                while sum(each.octets for each in flow.streams) < wishes.octets:
                    await asyncio.sleep(_LOOK_S)
            else:
                async with asyncio.timeout(None if wishes.octets else wishes.time_s):
                    await flow.done()
    finally:
        await flow.end()
    return time.monotonic() - began


async def _settle(
    process: Process,
    wishes: Wishes,
    control: Control,
    streams: list[Stream],
    took_s: float,
) -> None:
    """Exchange what both counted, and show it."""
    await control.expect(State.EXCHANGE_RESULTS)
    control.send(results(streams, took_s))
    told = told_octets(await control.receive())
    await control.expect(State.DISPLAY_RESULTS)
    own = [stream.octets for stream in streams]
    others = [told.get(stream.id, 0) for stream in streams]
    sent, received = (others, own) if wishes.reverse else (own, others)
    named = [(stream.socket, octets) for stream, octets in zip(streams, sent, strict=True)]
    for each in summary(named, received, took_s):
        process.print(each)
    control.tell(State.IPERF_DONE)
