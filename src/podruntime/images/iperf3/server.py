"""iperf3's server: one test at a time, who else comes is told so."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

from componentbase.tasks import Tasks
from podruntime.images.iperf3.protocol import (
    COOKIE_OCTETS,
    PATIENCE_S,
    BadPeer,
    Control,
    State,
)
from podruntime.images.iperf3.report import LINE, Stream, header, line, results
from podruntime.images.iperf3.running import Connection, Flow, show_connected
from podruntime.images.process import Process

_STREAMS_MAX: Final = 128
_LENGTH_MAX: Final = 1 << 20
_TEST_MAX_S: Final = 86_400.0
_RULE: Final = "-" * 59


@dataclass(slots=True)
class _Test:
    """A test that runs: whose cookie, and the streams that have come."""

    cookie: bytes
    wanted: int = 0
    connections: list[Connection] = field(default_factory=list)
    complete: asyncio.Event = field(default_factory=asyncio.Event)


class Server:
    """What listens at a port."""

    def __init__(self, process: Process, port: int, interval_s: float) -> None:
        self._process, self._port, self._interval_s = process, port, interval_s
        self._test: _Test | None = None
        self._count = 0
        self._tasks = Tasks()
        self._ended = asyncio.Event()

    async def run(self, *, one_off: bool) -> int:
        """Serve until cancelled, or with *one_off* one test."""
        listening = await asyncio.start_server(self._accept, None, self._port)
        try:
            while True:
                self._count += 1
                self._process.print(
                    f"{_RULE}\nServer listening on {self._port} (test #{self._count})\n{_RULE}"
                )
                await self._process.stdout.drain()
                await self._ended.wait()
                self._ended.clear()
                if one_off:
                    return 0
        finally:
            listening.close()
            await self._tasks.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                cookie = await reader.readexactly(COOKIE_OCTETS)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            writer.close()
            return
        test = self._test
        if test is None:
            await self._serve(_Test(cookie), (reader, writer))
        elif cookie == test.cookie and len(test.connections) < test.wanted:
            test.connections.append((reader, writer))
            if len(test.connections) == test.wanted:
                test.complete.set()
        else:
            Control(reader, writer).tell(State.ACCESS_DENIED)
            writer.close()

    async def _serve(self, test: _Test, connection: Connection) -> None:
        self._test = test
        host, port = connection[1].get_extra_info("peername")[:2]
        self._process.print(f"Accepted connection from {host}, port {port}")
        try:
            await self._conduct(test, Control(*connection))
        except BadPeer as error:
            self._process.complain(f"iperf3: error - {error}")
        finally:
            self._test = None
            for _, writer in (connection, *test.connections):
                writer.close()
            self._ended.set()

    async def _conduct(self, test: _Test, control: Control) -> None:
        control.tell(State.PARAM_EXCHANGE)
        wishes = await control.receive()
        test.wanted, length = _number(wishes, "parallel", 1), _number(wishes, "len", 128 * 1024)
        if "tcp" not in wishes or not (
            1 <= test.wanted <= _STREAMS_MAX and 1 <= length <= _LENGTH_MAX
        ) or wishes.get("bidirectional"):  # fmt: skip
            control.tell(State.SERVER_TERMINATE)
            raise BadPeer("a test that is not served here was asked for")
        control.tell(State.CREATE_STREAMS)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await test.complete.wait()
        except TimeoutError:
            raise BadPeer("unable to receive stream connections") from None
        control.tell(State.TEST_START)
        flow = Flow([Stream(index) for index in range(test.wanted)])
        for stream, connection in zip(flow.streams, test.connections, strict=True):
            show_connected(self._process, stream, connection)
        control.tell(State.TEST_RUNNING)
        took_s = await self._measure(test, control, flow, wishes, length)
        control.tell(State.EXCHANGE_RESULTS)
        await control.receive()
        control.send(results(flow.streams, took_s))
        control.tell(State.DISPLAY_RESULTS)
        self._show(flow, took_s, sent=bool(wishes.get("reverse")))
        await control.expect(State.IPERF_DONE)

    async def _measure(
        self, test: _Test, control: Control, flow: Flow, wishes: dict[str, object], length: int
    ) -> float:
        """Let octets flow until the client says that it is enough."""
        self._process.print(header())
        share = -(-_number(wishes, "num", 0) // test.wanted)
        began = time.monotonic()
        flow.carry(
            test.connections,
            sends=bool(wishes.get("reverse")),
            length=length,
            octets_max=share,
        )
        flow.show(self._process, self._interval_s)
        try:
            await control.expect(State.TEST_END, within_s=_TEST_MAX_S)
        finally:
            await flow.end()
        return time.monotonic() - began

    def _show(self, flow: Flow, took_s: float, *, sent: bool) -> None:
        self._process.print(f"{LINE}\n{header()}")
        whose = "sender" if sent else "receiver"
        for stream in flow.streams:
            shown = line(stream.socket, 0, took_s, stream.octets)
            self._process.print(f"{shown}                  {whose}")


def _number(wishes: dict[str, object], name: str, default: int) -> int:
    value = wishes.get(name, default)
    return value if isinstance(value, int) and value >= 0 else default
