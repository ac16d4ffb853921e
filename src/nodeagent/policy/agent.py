"""The policies' shell: informers in, the tables `address_set` and `policy` out.

As long as the cluster has no policy of any kind, a node knows its own pods only; with the first one
it begins to follow all pods, namespaces and nodes. A pod is attached before it starts: by then the
tables say what policies want of it. Sets go only when the datapath has the rules that do without
them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from componentbase.clock import monotonic
from componentbase.tasks import Tasks
from componentbase.timings import Timings
from kubeapi.client import Informer, InformerFactory
from kubeapi.objects import Object, key_of
from kubeapi.resources import NAMESPACES, NODES, PODS, Resource
from nodeagent.policy.compiler import Compiler
from nodeagent.policy.front_ends import FRONT_ENDS
from nodeagent.tables import Tables

log = logging.getLogger(__name__)

_SETTLE_LOOK_S: Final = 30.0

#: Waits for the datapath to have everything, for so many seconds; tells whether it has.
Settled = Callable[[float], Awaitable[bool]]
Told = Callable[[Object], None]


class PolicyAgent:
    """Keeps what policies say of the pods of one node."""

    def __init__(
        self,
        node_name: str,
        informers: InformerFactory,
        tables: Tables,
        *,
        settled: Settled,
        timings: Timings,
    ) -> None:
        self._informers, self._tables = informers, tables
        self._settled, self._timings = settled, timings
        self._policies = {each: informers.informer(each) for each in FRONT_ENDS}
        self._compiler = Compiler(node_name)
        #: There is, or was, a policy: all pods are known.
        self._engaged = False
        #: The tables follow what is known.
        self._ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._retired: dict[str, None] = {}

    async def attach(self, pod: Object, addresses: Sequence[str], timeout_s: float) -> bool:
        """Let the tables hold what policies say of a *pod* that is about to use *addresses*.

        Returns False when it is not known within *timeout_s* what they say.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError:
            return False
        if self._engaged:
            self._compiler.pod_attached(pod, addresses)
            self._sync()
        return True

    async def run(self) -> None:
        """Follow the cluster, for ever."""
        for resource, informer in self._policies.items():
            await informer.wait_synced()
            self._follow_policies(resource, informer)
        if not any(informer.items() for informer in self._policies.values()):
            self._tables.claim("address_set", "policy")
            self._ready.set()
            await self._changed.wait()
            self._ready.clear()
        self._engaged = True
        tasks = Tasks()
        try:
            await self._learn(tasks)
            self._sync()
            self._tables.claim("address_set", "policy")
            self._ready.set()
            tasks.spawn(self._run_sync(), name="network policies sync", essential=True)
            await tasks.wait()
        finally:
            await tasks.close()

    async def _learn(self, tasks: Tasks) -> None:
        """Know all pods, namespaces and nodes from now on."""
        compiler = self._compiler
        followed = {
            NAMESPACES: (compiler.namespace_changed, compiler.namespace_deleted),
            NODES: (compiler.node_changed, compiler.node_deleted),
            PODS: (compiler.pod_changed, compiler.pod_deleted),
        }
        informers = {each: self._informers.informer(each) for each in followed}
        self._informers.start(tasks)
        for informer in informers.values():
            await informer.wait_synced()
        for resource, (changed, deleted) in followed.items():
            self._follow(informers[resource], changed, deleted)

    async def _run_sync(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            began = monotonic()
            self._sync()
            if self._retired and await self._settled(_SETTLE_LOOK_S):
                self._delete_retired()
            await asyncio.sleep(max(0.0, began + self._timings.proxy_sync_min_s - monotonic()))

    def _sync(self) -> None:
        changes = self._compiler.changes()
        for name, addresses in changes.sets.items():
            if addresses is None:
                self._retired[name] = None
            else:
                self._retired.pop(name, None)
                self._tables.replace("address_set", {"name": name, "addresses": addresses})
        for pod, entry in changes.pods.items():
            if entry is None:
                self._tables.delete("policy", (pod,))
            else:
                self._tables.replace("policy", entry)

    def _delete_retired(self) -> None:
        for name in self._retired:
            self._tables.delete("address_set", (name,))
        self._retired.clear()

    def _follow_policies(self, resource: Resource, informer: Informer) -> None:
        read, compiler = FRONT_ENDS[resource], self._compiler
        self._follow(
            informer,
            lambda policy: compiler.policy_changed(read(policy)),
            lambda policy: compiler.policy_deleted(resource.kind, key_of(policy)),
        )

    def _follow(self, informer: Informer, changed: Told, deleted: Told) -> None:
        def note(told: Told, obj: Object) -> None:
            told(obj)
            self._changed.set()

        informer.add_handler(
            on_add=lambda obj: note(changed, obj),
            on_update=lambda _old, new: note(changed, new),
            on_delete=lambda obj: note(deleted, obj),
        )
