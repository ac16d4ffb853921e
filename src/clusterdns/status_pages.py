"""The small pages beside the answers: /health, /ready, /metrics, as CoreDNS has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

#: A path to a page: its status and its text.
Page = Callable[[], tuple[int, str]]

_HEAD_S: Final = 5.0
_HEAD_MAX: Final = 16 * 1024
_WORDS: Final = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}


class StatusPages:
    """A server of a few pages at one port, one request a connection."""

    def __init__(self, pages: dict[str, Page]) -> None:
        self._pages = pages
        self._server: asyncio.Server | None = None

    async def start(self, host: str | None, port: int) -> None:
        """Listen; raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=_HEAD_MAX)

    @property
    def port(self) -> int:
        """Return the port that is listened on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_S):
                head = await reader.readuntil(b"\r\n\r\n")
            words = head.split(b"\r\n", 1)[0].split()
            path = words[1].decode("latin-1").partition("?")[0] if len(words) > 1 else ""
            status, text = self._pages.get(path, lambda: (404, "404 page not found\n"))()
            body = text.encode()
            writer.write(
                f"HTTP/1.1 {status} {_WORDS[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + (b"" if words[0] == b"HEAD" else body)
            )
            await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError):  # Gone, slow, or too long.
            pass
        finally:
            writer.close()
