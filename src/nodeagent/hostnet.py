"""TCP connections from the node's own stack to its pods, through the datapath (contracts.md §6).

A kernel socket is never opened towards an emulated address: the datapath opens the connection and
lends its octets over `hostnet.sock`. Errors come back as OSError with the number that a kernel
would give, worded as Go words them, since probes show them to people.
"""

from __future__ import annotations

import asyncio
import errno
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from componentbase.unix import socket_path

_WORDS: Final = {
    "ECONNREFUSED": "connect: connection refused",
    "ETIMEDOUT": "i/o timeout",
    "EHOSTUNREACH": "connect: no route to host",
    "ENETUNREACH": "connect: network is unreachable",
    "ECONNRESET": "read: connection reset by peer",
}
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def join_host_port(host: str, port: object) -> str:
    """Return `10.244.1.5:80`, or `[fd00::5]:80` (Go's net.JoinHostPort)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class HostNet:
    """The node's stack as a connector."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @asynccontextmanager
    async def connect(self, address: str, port: int, timeout_s: float) -> AsyncIterator[Streams]:
        """Connect to *address*:*port*; raises OSError, TimeoutError."""
        reader, writer = await self._open()
        try:
            request = {"connect": [address, port], "timeout_s": timeout_s}
            writer.write(json.dumps(request).encode() + b"\n")
            answer = json.loads(await reader.readline() or b"{}")
            if not answer.get("ok"):
                code = str(answer.get("code") or "ECONNRESET")
                word = _WORDS.get(code) or str(answer.get("error") or "connection failed")
                number = getattr(errno, code, errno.ECONNRESET)
                raise OSError(number, f"dial tcp {join_host_port(address, port)}: {word}")
            yield reader, writer
        finally:
            writer.close()

    async def _open(self) -> Streams:
        connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connecting.setblocking(False)
        try:
            with socket_path(self._path) as address:
                connecting.connect(address)
        except OSError:
            connecting.close()
            raise
        return await asyncio.open_unix_connection(sock=connecting)
