"""The shell of egress gateways: informers in, the table `egress_rule` out.

As long as no Namespace asks for an address, only Namespaces are followed; from the first one on all
pods are, as for network policies.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from componentbase.clock import monotonic
from componentbase.tasks import Tasks
from kubeapi.client import EventRecorder, Informer, InformerFactory
from kubeapi.objects import Object, name_of, namespace_of
from kubeapi.resources import NAMESPACES, NODES, PODS
from nodeagent.network import egress_gateway
from nodeagent.network.egress_gateway import EgressError
from nodeagent.tables import Key, Tables, key_of

log = logging.getLogger(__name__)

_TABLE: Final = "egress_rule"


class EgressAgent:
    """Keeps the rules of one node's datapath."""

    def __init__(
        self,
        node_name: str,
        underlay: Sequence[str],
        informers: InformerFactory,
        tables: Tables,
        *,
        sync_min_s: float,
        recorder: EventRecorder,
    ) -> None:
        self._node_name, self._underlay = node_name, underlay
        self._informers, self._tables, self._sync_min_s = informers, tables, sync_min_s
        self._namespaces = informers.informer(NAMESPACES)
        self._nodes = informers.informer(NODES)
        self._changed = asyncio.Event()
        self._recorder = recorder
        self._complaints: dict[str, str] = {}

    async def run(self) -> None:
        """Follow the cluster, for ever."""
        await self._namespaces.wait_synced()
        self._follow(self._namespaces)
        while not any(map(egress_gateway.asks, self._namespaces.items())):
            self._tables.claim(_TABLE)
            await self._changed.wait()
            self._changed.clear()
        tasks = Tasks()
        try:
            pods = self._informers.informer(PODS)
            self._informers.start(tasks)
            for informer in (pods, self._nodes):
                await informer.wait_synced()
                self._follow(informer)
            while True:
                self._changed.clear()
                began = monotonic()
                self._sync(pods)
                self._tables.claim(_TABLE)
                await self._changed.wait()
                await asyncio.sleep(max(0.0, began + self._sync_min_s - monotonic()))
        finally:
            await tasks.close()

    def _follow(self, informer: Informer) -> None:
        informer.add_handler(
            on_add=lambda _obj: self._changed.set(),
            on_update=lambda _old, _new: self._changed.set(),
            on_delete=lambda _obj: self._changed.set(),
        )

    def _sync(self, pods: Informer) -> None:
        wanted: dict[Key, Object] = {}
        asking = [each for each in self._namespaces.items() if egress_gateway.asks(each)]
        residents: dict[str, list[Object]] = {name_of(each): [] for each in asking}
        for pod in pods.items() if asking else ():
            if (found := residents.get(namespace_of(pod))) is not None:
                found.append(pod)
        for namespace in asking:
            rows = self._rules(namespace, residents[name_of(namespace)])
            wanted.update({key_of(_TABLE, row): row for row in rows})
        known = self._tables.wanted(_TABLE)
        for key in [each for each in known if each not in wanted]:
            self._tables.delete(_TABLE, key)
        for key, row in wanted.items():
            if known.get(key) != row:
                self._tables.replace(_TABLE, row)

    def _rules(self, namespace: Object, pods: Sequence[Object]) -> list[Object]:
        nodes = self._nodes.items()
        try:
            policy = egress_gateway.policy_of(namespace, nodes, self._underlay)
        except EgressError as error:
            why = f"no pod of it reaches the world outside: {error}"
            self._complain(namespace, "InvalidEgressIP", why)
            return egress_gateway.rules(pods, None, None, self._node_name)
        gateway = egress_gateway.gateway_of(policy, nodes)
        why = "" if gateway is not None else "no Ready node is its gateway"
        self._complain(namespace, "NoMatchingNodeFound", why)
        return egress_gateway.rules(pods, policy, gateway, self._node_name)

    def _complain(self, namespace: Object, reason: str, why: str) -> None:
        """Log what is wrong with a namespace, once; one node tells an event of it, too."""
        name = name_of(namespace)
        if self._complaints.get(name, "") == why:
            return
        self._complaints[name] = why
        log.warning("egress of namespace %s: %s", name, why or "well again")
        if why and egress_gateway.speaker(self._nodes.items()) == self._node_name:
            self._recorder.event(namespace, "Warning", reason, why)
