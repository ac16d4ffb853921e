"""Connects to webhooks: to loopback by the kernel, to the cluster's addresses by a node.

No kernel socket is ever opened towards an emulated address (docs/internals/contracts.md, 1). The
kubelet of a node that is ready dials it from the node's own stack, so that a ClusterIP leads to an
endpoint as it does for every process of the node; what follows are messages of a WebSocket, which
stand behind one end of a pair of sockets.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from typing import Final
from urllib.parse import quote

import aiohttp

from componentbase.tasks import Tasks
from componentbase.ways import until_all_end
from controlplane.apiserver import keys
from controlplane.apiserver.cacher import Cacher
from controlplane.apiserver.kubelet_proxy import KubeletProxy, Target
from controlplane.apiserver.routes.pods import kubelet_address
from kubeapi.objects import Object, is_condition_true
from kubeapi.resources import NODES
from kubeapi.status import StatusError

#: How many nodes are asked to dial: one may be cut off and not known to be yet.
_NODES_MAX: Final = 3
_READ_OCTETS: Final = 64 * 1024


class Dialer:
    """Connects, and carries octets until both sides have ended."""

    def __init__(self, cacher: Cacher, kubelets: KubeletProxy, rng: random.Random) -> None:
        self._cacher, self._kubelets, self._rng = cacher, kubelets, rng
        self._tasks = Tasks()

    async def close(self) -> None:
        await self._tasks.close()

    async def dial(self, address: str, port: int) -> socket.socket:
        """Return a connection; raises OSError."""
        parsed = ipaddress.ip_address(address)
        if parsed.is_loopback:
            family = socket.AF_INET6 if parsed.version == 6 else socket.AF_INET
            return await _by_kernel(family, address, port)
        why = "no node is ready to dial it"
        for node in self._ready_nodes():
            try:
                return await self._by_node(node, address, port)
            except StatusError as error:
                why = error.message.removeprefix("Internal error occurred: ")
        raise OSError(f"dial tcp {address}:{port}: {why}")

    def _ready_nodes(self) -> list[Object]:
        stored = self._cacher.cache(NODES).below(keys.prefix(NODES, ""))
        ready = [each.object for each in stored if is_condition_true(each.object, "Ready")]
        return self._rng.sample(ready, min(len(ready), _NODES_MAX))

    async def _by_node(self, node: Object, address: str, port: int) -> socket.socket:
        kubelet, kubelet_port = kubelet_address(node)
        path = f"/dial/{quote(address, safe='')}"
        target = Target(address=kubelet, port=kubelet_port, path=path)
        stream = await self._kubelets.stream(target, [("port", str(port))])
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._tasks.spawn(_carry(stream, theirs), name=f"webhook at {address}:{port}")
        return ours


async def _by_kernel(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    connecting = socket.socket(family, socket.SOCK_STREAM)
    connecting.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connecting, (address, port))
    except OSError as error:
        connecting.close()
        raise OSError(f"dial tcp {address}:{port}: {error.strerror or error}") from None
    except asyncio.CancelledError:
        connecting.close()
        raise
    return connecting


async def _carry(stream: aiohttp.ClientWebSocketResponse, theirs: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=theirs)

    async def up() -> None:
        while octets := await reader.read(_READ_OCTETS):
            await stream.send_bytes(octets)
        await stream.send_bytes(b"")  # Nothing more comes this way.

    async def down() -> None:
        async for message in stream:
            if message.type is not aiohttp.WSMsgType.BINARY or not message.data:
                break
            writer.write(message.data)
            await writer.drain()
        writer.write_eof()

    try:
        await until_all_end(up(), down())
    finally:
        writer.close()
        await stream.close()
