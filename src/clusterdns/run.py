"""The server as a program: read the Corefile, listen, watch, reload, end in order.

It is called by name, with what a process has: arguments, environment, an event that SIGTERM sets.
What it says goes to standard output, as CoreDNS' does. A Corefile that makes no sense ends it with
status 1 when it starts; later it goes on with the one that it has, and says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from clusterdns import query, settings
from clusterdns.answering import Answering, Pending
from clusterdns.chain import Chain
from clusterdns.corefile import CorefileError
from clusterdns.forwarding import Forwarder, Full
from clusterdns.index import Index
from clusterdns.loops import LoopFound, Loops
from clusterdns.metrics import Metrics
from clusterdns.query import RCODE_NAMES, TYPE_NAMES, Query
from clusterdns.server import Server
from clusterdns.settings import ServerBlock
from clusterdns.status_pages import StatusPages
from clusterdns.watching import Watching
from componentbase.clock import monotonic
from componentbase.tasks import Tasks
from kubeapi.client import KubeconfigError, RestClient, in_cluster_config

VERSION: Final = "1.11.3"
_RESOLV_CONF: Final = "/etc/resolv.conf"
#: How long loops are looked for while nobody answers, and how often (CoreDNS: 30 s, 1 s).
_LOOP_S, _LOOP_AGAIN_S = 30.0, 1.0


async def serve(
    arguments: Sequence[str], environment: Mapping[str, str], stop: asyncio.Event
) -> int:
    """Run until *stop* is set; return the exit status."""
    path = _option(arguments, "conf", "Corefile")
    if _option(arguments, "version", "no") != "no":
        _say(f"CoreDNS-{VERSION}")
        return 0
    program = _Program(path, environment)
    try:
        await program.start()
    except (CorefileError, KubeconfigError) as error:
        _say(str(error))
        return 1
    except OSError as error:
        _say(f"{error.filename or path}: {error.strerror or error}")
        return 1
    try:
        await program.run(stop)
    except LoopFound as error:
        _say(str(error))
        return 1
    finally:
        await program.close()
    return 0


def _option(arguments: Sequence[str], name: str, default: str) -> str:
    """Return a flag as Go's package reads it: -name VALUE, --name=VALUE."""
    for at, word in enumerate(arguments):
        flag, equals, value = word.lstrip("-").partition("=")
        if word.startswith("-") and flag == name:
            return value if equals else next(iter(arguments[at + 1 :]), "")
    return default


def _say(text: str) -> None:
    print(text, flush=True)


def _read(path: str) -> str:
    """Return a file of the container."""
    with open(path) as file:
        return file.read()


class _Program:
    """The servers of one Corefile, and what they have in common."""

    def __init__(self, path: str, environment: Mapping[str, str]) -> None:
        self._path, self._environment = path, environment
        self._tasks, self._metrics, self._index = Tasks(), Metrics(), Index()
        self._loops, self._looping = Loops(random.Random()), asyncio.Event()
        self._loop_found: LoopFound | None = None
        self._forwarder = Forwarder(self._metrics, random.Random())
        self._servers: dict[int, Server] = {}
        self._pages: list[StatusPages] = []
        self._blocks: list[ServerBlock] = []
        self._digest = ""
        self._client: RestClient | None = None
        self._watching: Watching | None = None
        self._own_address = ""

    async def start(self) -> None:
        """Begin to serve; raises CorefileError, KubeconfigError, OSError."""
        text = _read(self._path)
        blocks = self._parse(text)
        self._digest = _digest(text)
        if any(block.kubernetes is not None for block in blocks):
            await self._watch()
        await self._apply(blocks)
        await self._listen_beside(blocks)
        self._tasks.spawn(self._forwarder.probe(), name="probe", essential=True)
        if any(block.reload_s for block in blocks):
            self._tasks.spawn(self._reload(), name="reload", essential=True)
            _say(f"[INFO] plugin/reload: Running configuration SHA512 = {self._digest}")
        _say(f"CoreDNS-{VERSION}")

    def _parse(self, text: str) -> list[ServerBlock]:
        try:
            resolv_conf = _read(_RESOLV_CONF)
        except OSError:
            resolv_conf = ""
        return settings.read(text, self._environment, resolv_conf)

    async def _watch(self) -> None:
        config = in_cluster_config(self._environment)
        self._client = RestClient(config, user_agent=f"CoreDNS/{VERSION}")
        host, port = config.server.removeprefix("https://").rsplit(":", 1)
        self._own_address = await _source_towards(host.strip("[]"), int(port))
        self._watching = Watching(self._client, self._index)
        self._watching.start(self._tasks)

    async def _apply(self, blocks: list[ServerBlock]) -> None:
        """Answer as *blocks* say from now on; raises OSError."""
        if self._watching is not None and any(_verifies_pods(block) for block in blocks):
            self._watching.follow_pods(self._tasks)
        ports = dict.fromkeys(block.port for block in blocks)
        for port in ports:
            chain = Chain([b for b in blocks if b.port == port], self._index, self._own_address)
            answering = Answering(chain, self._index, self._metrics, _log, self._loops)
            if port in self._servers:
                self._servers[port].answering = answering
                continue
            server = Server(answering, self._forwarder, self._metrics)
            await server.start(None, port)
            self._servers[port] = server
        for port in [port for port in self._servers if port not in ports]:
            await self._servers.pop(port).close()
        self._blocks = blocks
        for block in blocks:
            for zone in block.zones:
                _say(f"{zone}.:{block.port}")
                if block.loop and block.forwards:
                    looking = self._look_for_loop(zone, self._servers[block.port].answering)
                    self._tasks.spawn(looking, name="loop")

    async def _look_for_loop(self, zone: str, answering: Answering) -> None:
        """Ask what nobody can know; when it comes back the program ends."""
        name = self._loops.begin(zone)
        try:
            until = monotonic() + _LOOP_S
            while monotonic() < until and not self._loops.is_one(name):
                if await self._is_answered(name, answering):
                    break
                # Our Service may lead to us only when we are ready.
                await asyncio.sleep(_LOOP_AGAIN_S)
                self._loops.calm(name)
            if self._loops.is_one(name):
                self._loop_found = LoopFound(zone, name)
                self._looping.set()
        finally:
            self._loops.end(name)

    async def _is_answered(self, name: str, answering: Answering) -> bool:
        asked = answering.answer(query.ask(0, name, query.HINFO), monotonic())
        if isinstance(asked, Pending):
            with suppress(Full):
                return await self._forwarder.ask(asked.ask) is not None
        return False

    async def _listen_beside(self, blocks: Sequence[ServerBlock]) -> None:
        """Serve the pages that the Corefile names; a reload leaves them where they are."""
        health = next((b.health_port for b in blocks if b.health_port), 0)
        ready = next((b.ready_port for b in blocks if b.ready_port), 0)
        metrics = next((b.prometheus_port for b in blocks if b.prometheus_port), 0)
        for port, path, page in (
            (health, "/health", lambda: (200, "OK")),
            (ready, "/ready", self._ready),
            (metrics, "/metrics", lambda: (200, self._metrics.text())),
        ):
            if port:
                pages = StatusPages({path: page})
                await pages.start(None, port)
                self._pages.append(pages)

    def _ready(self) -> tuple[int, str]:
        unready = self._watching is not None and not self._index.synced
        return (503, "kubernetes") if unready else (200, "OK")

    async def _reload(self) -> None:
        while True:
            await asyncio.sleep(next((b.reload_s for b in self._blocks if b.reload_s), 30.0))
            try:
                text = _read(self._path)
                if _digest(text) == self._digest:
                    continue
                await self._restart(text)
            except (CorefileError, KubeconfigError, OSError) as error:
                self._metrics.reloads_failed += 1
                _say(f"[ERROR] Restart failed: {error}")

    async def _restart(self, text: str) -> None:
        _say("[INFO] Reloading")
        self._digest = _digest(text)  # What is wrong is told once, not at every look.
        blocks = self._parse(text)
        if self._watching is None and any(block.kubernetes is not None for block in blocks):
            await self._watch()
        await self._apply(blocks)
        _say(f"[INFO] plugin/reload: Running configuration SHA512 = {self._digest}")
        _say("[INFO] Reloading complete")

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until *stop* is set, and through the lame duck's time after it."""
        ended = self._tasks.spawn(self._tasks.wait(), name="failures")
        waiting = self._tasks.spawn(stop.wait(), name="stop")
        looping = self._tasks.spawn(self._looping.wait(), name="looping")
        await asyncio.wait([ended, waiting, looping], return_when=asyncio.FIRST_COMPLETED)
        if self._loop_found is not None:
            raise self._loop_found
        if not waiting.done():
            await ended  # Raises what ended a task that must not end.
        lameduck_s = max((block.lameduck_s for block in self._blocks), default=0.0)
        _say("[INFO] SIGTERM: Shutting down servers then terminating")
        if lameduck_s:
            _say(f"[INFO] plugin/health: Going into lameduck mode for {lameduck_s:g}s")
            await asyncio.sleep(lameduck_s)

    async def close(self) -> None:
        """Close every port."""
        for server in self._servers.values():
            await server.close()
        for pages in self._pages:
            await pages.close()
        await self._tasks.close()
        if self._client is not None:
            await self._client.close()


def _digest(text: str) -> str:
    return hashlib.sha512(text.encode()).hexdigest()


def _verifies_pods(block: ServerBlock) -> bool:
    return block.kubernetes is not None and block.kubernetes.pods == "verified"


async def _source_towards(host: str, port: int) -> str:
    """Return our own address as *host* would see it; nothing is sent for that."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=(host, port)
    )
    try:
        return str(transport.get_extra_info("sockname")[0])
    finally:
        transport.close()


def _log(query: Query, rcode: int, octets: int) -> None:
    """Write a line of the query log, in CoreDNS' order as far as it is known here."""
    kind = TYPE_NAMES.get(query.kind, f"TYPE{query.kind}")
    code = RCODE_NAMES.get(rcode, str(rcode))
    _say(f'[INFO] {query.identifier} "{kind} IN {query.name}. {len(query.octets)}" {code} {octets}')
