"""port-forward: a connection to a port of the pod's loopback, octet by octet both ways.

Upstream: containerd's and CRI-O's PortForward, which dial localhost in the pod's network
namespace, 127.0.0.1 first and then ::1, and word refusals like this.
"""

from __future__ import annotations

import asyncio
import os
from asyncio import StreamReader, StreamWriter
from typing import Final

from componentbase.rpc import RpcError
from componentbase.ways import until_all_end
from podruntime.sandbox.stream_link import READY

_CONNECT_S: Final = 30.0
_READ_OCTETS: Final = 64 * 1024
_PORT_MAX: Final = 65535


async def forward(port: int, reader: StreamReader, writer: StreamWriter) -> None:
    """Carry octets between the peer and *port*; raises RpcError when nothing listens there."""
    if not 0 < port <= _PORT_MAX:
        raise RpcError("InvalidArgument", f"{port} is no port")
    near_reader, near_writer = await _dial(port)
    try:
        writer.write(READY)
        await until_all_end(_carry(reader, near_writer), _carry(near_reader, writer))
    finally:
        near_writer.close()


async def _dial(port: int) -> tuple[StreamReader, StreamWriter]:
    said = []
    for version, address in (("4", "127.0.0.1"), ("6", "::1")):
        try:
            async with asyncio.timeout(_CONNECT_S):
                return await asyncio.open_connection(address, port)
        except (OSError, TimeoutError) as error:
            number = error.errno if isinstance(error, OSError) else None
            why = os.strerror(number).lower() if number else "i/o timeout"
            shown = f"[{address}]" if ":" in address else address
            said.append(f"IPv{version}: dial tcp{version} {shown}:{port}: connect: {why}")
    raise RpcError(
        "Unavailable",
        f"failed to connect to localhost:{port} inside the pod's network, {' '.join(said)}",
    )


async def _carry(source: StreamReader, target: StreamWriter) -> None:
    """Carry octets one way, and then the end."""
    while octets := await source.read(_READ_OCTETS):
        target.write(octets)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()
