"""A small HTTP server on loopback that can be told to misbehave."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # For the modules that stand beside the tests.

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nweb-1\n"

Answer = Callable[[int], "bytes | float | None"]


class Server:
    """Answers request number n with `answer(n)`: octets, None to hang up, a float to wait."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.connections = self.requests = 0
        self.heads: list[bytes] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                self.requests += 1
                answer = self._answer(self.requests)
                if isinstance(answer, float):
                    await asyncio.sleep(answer)
                    answer = ANSWER
                if answer is None:
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # The client has seen enough, or the test is over.
        finally:
            writer.close()


@pytest.fixture
def serving():
    @asynccontextmanager
    async def start(
        answer: Answer = lambda _number: ANSWER,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> AsyncIterator[Server]:
        server = Server(answer)
        listener = await asyncio.start_server(server.serve, host, 0, ssl=tls)
        server.url = f"http://{host}:{listener.sockets[0].getsockname()[1]}/"
        try:
            yield server
        finally:
            listener.close()

    return start
