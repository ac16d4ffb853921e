"""One address for several API servers: in each node's container, and one for kubectl.

What kubespray and k3s put on every node: whichever master dies, nodes go on with the others, and no
single balancer can take them all down. The fabric does the same on one machine, where it also shows
targets who dials; between containers that is neither possible nor needed, so this one is plain
TCP. Which target is next, and when its connections must end, is decided by the fabric's balancer.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import sys
from pathlib import Path
from typing import Final

import msgspec

from componentbase import process
from componentbase.tasks import Tasks
from podwire.fabric import balancer, config
from podwire.fabric.balancer import Finding, Target
from podwire.fabric.config import Address
from podwire.fabric.health import HealthChecks

log = logging.getLogger(__name__)

#: More connections at a time are reset; a cluster of this size has some dozens.
CONNECTIONS_MAX: Final = 1024
_CONNECT_S: Final = 1.0
_CHUNK_OCTETS: Final = 64 * 1024


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that `python -m podwire.compose.balancer` reads; *ca* is for asking /readyz."""

    log_file: str
    name: str
    balancer: config.Balancer
    ca: str


class ApiBalancer:
    """Listens, and hands each connection to a live API server."""

    def __init__(self, given: Config) -> None:
        self._given = given
        self._targets = {entry.address: Target(entry) for entry in given.balancer.targets}
        self._balancer = balancer.Balancer(given.balancer, list(self._targets.values()))
        self._relayed: dict[asyncio.StreamWriter, Target] = {}  # Connections to API servers.
        self._connections = 0

    async def run(self) -> None:
        """Serve until cancelled; raises OSError when the address cannot be had."""
        context = ssl.create_default_context(cafile=self._given.ca)
        checks = HealthChecks(context, self._heard)
        host, port = self._given.balancer.listen
        server = await asyncio.start_server(self._accepted, host, port)
        try:
            checks.watch(self._targets)
            await server.serve_forever()
        finally:
            server.close()
            await checks.close()

    def _heard(self, address: Address, finding: Finding) -> None:
        checked = self._targets[address]
        was_live = checked.live
        checked.heard(finding)
        if checked.live != was_live:
            log.info("%s: %s", checked.entry.host, finding.error or "ready")
        for upstream, target in list(self._relayed.items()):
            if balancer.must_end(target, checked, lambda _host: True):
                upstream.transport.abort()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= CONNECTIONS_MAX:
            log.warning("%s connections: one more is turned away", self._connections)
            writer.transport.abort()
            return
        self._connections += 1
        try:
            await self._serve(reader, writer)
        finally:
            self._connections -= 1
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for target in self._balancer.order(lambda _host: True):
            try:
                async with asyncio.timeout(_CONNECT_S):
                    ends = await asyncio.open_connection(*target.entry.address)
            except OSError:  # TimeoutError is one.
                continue
            await self._relay(target, (reader, writer), ends)
            return

    async def _relay(
        self,
        target: Target,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Carry octets both ways until both ways have ended, or either was cut."""
        tasks = Tasks()
        self._relayed[far[1]] = target
        try:
            await asyncio.wait(
                [
                    tasks.spawn(_pump(near[0], far[1]), name="to the API server"),
                    tasks.spawn(_pump(far[0], near[1]), name="from the API server"),
                ]
            )
        finally:
            del self._relayed[far[1]]
            far[1].transport.abort()
            near[1].transport.abort()
            await tasks.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry octets one way, and then the end of the stream; a cut ends both ways."""
    try:
        while octets := await reader.read(_CHUNK_OCTETS):
            writer.write(octets)
            await writer.drain()
        if not writer.is_closing():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


def main(argv: list[str]) -> int:
    """Balance as the configuration file in *argv* says."""
    if len(argv) != 1:
        print("usage: python -m podwire.compose.balancer CONFIG.json", file=sys.stderr)
        return 2
    given = process.load_config(Config, Path(argv[0]))
    return process.run(given.name, Path(given.log_file), lambda: ApiBalancer(given).run())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
