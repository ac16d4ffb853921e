"""The process of the hollow nodes: which there are, and what they share."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from componentbase.clock import monotonic
from componentbase.directories import remove_tree
from componentbase.journal import Journal
from componentbase.rpc import Connection, Params, RpcError, Server
from componentbase.tasks import Tasks
from componentbase.timings import TIMINGS
from kubeapi.client import InformerFactory, Parts, RestClient
from kubeapi.objects import Object, name_of
from kubeapi.resources import ENDPOINTSLICES, NODES, PODS, SERVICES
from nodeagent.hollow.config import NUMBER_MAX, HollowConfig, hollow_name
from nodeagent.hollow.node import HollowNode, Shared
from nodeagent.kubelet.object_cache import ObjectCache

#: Calls under way at once, of each sort: one API server answers, and has others to answer, too.
#: Heartbeats have most turns: a server that is busy gives each turn its share of the time, and a
#: thousand Leases in ten seconds must get theirs.
_HEARTBEATS_MAX: Final = 64
_STATUSES_MAX: Final = 8
_CALLS_MAX: Final = 16
_EVENTS_MAX: Final = 2


def _node_of(pod: Object) -> str:
    name: str = pod["spec"].get("nodeName") or ""
    return name


class HollowNodes:
    """Every hollow node of a cluster."""

    def __init__(self, config: HollowConfig) -> None:
        self._config = config
        self._tasks = Tasks()
        self._watches = self._client(0)
        self._clients = [self._client(n) for n in (_HEARTBEATS_MAX, _CALLS_MAX, _EVENTS_MAX)]
        self._informers = InformerFactory(self._watches)
        heartbeats, calls, events = self._clients
        refresh_s = TIMINGS[config.timings].pod_resync_s / 2
        pods = self._informers.informer(PODS, field_selector="spec.nodeName!=")
        self._shared = Shared(
            config=config,
            heartbeats=heartbeats,
            calls=calls,
            events=events,
            services=self._informers.informer(SERVICES),
            slices=self._informers.informer(ENDPOINTSLICES),
            pods=Parts(pods, _node_of),
            nodes=Parts(self._informers.informer(NODES), name_of),
            objects=ObjectCache(calls, monotonic, refresh_s),
            status_turns=asyncio.Semaphore(_STATUSES_MAX),
            journal=Journal("", "hollow"),
        )
        self._running: dict[str, tuple[HollowNode, asyncio.Task[None]]] = {}
        self._numbers = {hollow_name(number): number for number in config.numbers}

    def _client(self, calls_max: int) -> RestClient:
        path = Path(self._config.kubeconfig)
        return RestClient.from_kubeconfig(path, user_agent="hollow", calls_max=calls_max)

    async def run(self) -> None:
        """Run until cancelled."""
        handlers = {
            "nodes_set": self._nodes_set,
            "node_stop": self._node_stop,
            "node_start": self._node_start,
            "status": self._status,
        }
        server = Server(Path(self._config.control_socket), handlers)
        await server.start()
        self._informers.start(self._tasks)
        try:
            for name in self._numbers:
                self._begin(name)
            await self._tasks.wait()
        finally:
            await self._tasks.close()
            await server.close()
            await self._shared.objects.close()
            for client in (self._watches, *self._clients):
                await client.close()

    def _begin(self, name: str) -> None:
        node = HollowNode(self._shared, self._numbers[name])
        task = self._tasks.spawn(node.run(), name=name, essential=True)
        self._running[name] = (node, task)

    async def _end(self, name: str) -> None:
        found = self._running.pop(name, None)
        if found is None:
            return
        found[1].cancel()
        await asyncio.wait([found[1]])
        remove_tree(Path(self._config.directory) / name)

    async def _nodes_set(self, _connection: Connection, params: Params) -> object:
        """Have these nodes and no others."""
        numbers = [int(number) for number in params["numbers"]]
        if not all(1 <= number <= NUMBER_MAX for number in numbers):
            raise RpcError("InvalidArgument", f"hollow nodes are numbered 1 to {NUMBER_MAX}")
        before, self._numbers = self._numbers, {hollow_name(n): n for n in numbers}
        for name in [each for each in before if each not in self._numbers]:
            await self._end(name)
        for name in [each for each in self._numbers if each not in before]:
            self._begin(name)
        return len(self._numbers)

    def _known(self, params: Params) -> str:
        name = str(params["name"])
        if name not in self._numbers:
            raise RpcError("NotFound", f"there is no hollow node {name!r}")
        return name

    async def _node_stop(self, _connection: Connection, params: Params) -> object:
        name = self._known(params)
        if name not in self._running:
            raise RpcError("FailedPrecondition", f"{name} is already dead")
        await self._end(name)
        return name

    async def _node_start(self, _connection: Connection, params: Params) -> object:
        name = self._known(params)
        if name in self._running:
            raise RpcError("FailedPrecondition", f"{name} is running")
        self._begin(name)
        return name

    async def _status(self, _connection: Connection, _params: Params) -> object:
        rows = {}
        for name in self._numbers:
            found = self._running.get(name)
            rows[name] = {"running": found is not None, "pods": found[0].pods if found else 0}
        return {"nodes": rows}
