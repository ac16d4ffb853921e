"""kube-proxy's shell: informers in, the datapath's tables out.

A sync follows every change, at once when the last one is longer ago than the minimum period and
otherwise at its end; there is no other batching, so an endpoint that leaves is gone within that
period and one message to the datapath. Whoever made the change waits for the datapath's word, so
that is when a change counts as programmed, in the journal and in the latency that is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_network
from typing import Final

from componentbase.clock import monotonic, wall
from componentbase.journal import Journal
from componentbase.series import Counter
from componentbase.tasks import Tasks
from componentbase.timings import Timings
from kubeapi.client import Informer
from kubeapi.objects import Object, labels_of, name_of
from nodeagent.proxy.health_check_server import HealthCheckServer
from nodeagent.proxy.metrics import PORT as METRICS_PORT
from nodeagent.proxy.metrics import ProxyMetrics
from nodeagent.proxy.mode import IPTABLES, ProxyMode
from nodeagent.proxy.network_programming import NetworkProgramming
from nodeagent.proxy.proxier import Proxier
from nodeagent.proxy.proxier_health import PORT as HEALTH_PORT
from nodeagent.proxy.proxier_health import Answer, ProxierHealth
from nodeagent.proxy.topology import Topology
from nodeagent.tables import Tables

log = logging.getLogger(__name__)

#: Waits for the datapath to have everything, for so many seconds; tells whether it has.
Settled = Callable[[float], Awaitable[bool]]

_SETTLE_LOOK_S: Final = 30.0
_STUCK_PERIODS: Final = 2
_ZONE_LABEL: Final = "topology.kubernetes.io/zone"
_EXCLUDED_LABEL: Final = "node.kubernetes.io/exclude-from-external-load-balancers"


class KubeProxy:
    """Keeps the frontend table of one node."""

    def __init__(
        self,
        node_name: str,
        tables: Tables,
        *,
        services: Informer,
        slices: Informer,
        nodes: Informer,
        timings: Timings,
        settled: Settled,
        journal: Journal,
        mode: ProxyMode = IPTABLES,
        health_checks: HealthCheckServer | None = None,
    ) -> None:
        self._node_name, self._tables, self._timings = node_name, tables, timings
        self._informers = (services, slices)
        self._nodes = nodes
        self._settled, self._journal = settled, journal
        self._mode, self._health_checks = mode, health_checks
        self._health = ProxierHealth(
            _STUCK_PERIODS * timings.proxy_sync_max_s, self._node, monotonic, wall
        )
        self.programming = NetworkProgramming()
        self.metrics = ProxyMetrics(mode.name, self._no_local_endpoints)
        self._proxier: Proxier | None = None
        self._changed = asyncio.Event()
        self._synced = asyncio.Event()

    def _no_local_endpoints(self) -> Mapping[str, int]:
        return {} if self._proxier is None else self._proxier.no_local_endpoints()

    def _metrics_answer(self, path: str) -> Answer:
        return self.metrics.answer(path, self.programming.latency.exposition())

    async def run(self) -> None:
        """Follow the cluster, for ever."""
        tasks = Tasks()
        tasks.spawn(self._run_sync(), name="kube-proxy sync", essential=True)
        tasks.spawn(self._run_acknowledged(), name="kube-proxy latency", essential=True)
        try:
            await tasks.wait()
        finally:
            await tasks.close()
            if self._health_checks is not None:
                await self._health_checks.close()

    async def _run_sync(self) -> None:
        services, slices = self._informers
        for informer in (services, slices, self._nodes):
            await informer.wait_synced()
        proxier = self._proxier = Proxier(self._here(), self._tables, self._mode)
        if self._health_checks is not None:
            entry = {"protocol": "TCP", "port": HEALTH_PORT, "service": "kube-proxy"}
            self._tables.replace("host_listener", entry)
        self._nodes.add_handler(on_update=lambda _old, _new: self._look_where_we_are(proxier))
        metrics = self.metrics
        metrics.pending = proxier.waiting
        self._follow(services, proxier.service_changed, metrics.service_changes)
        self._follow(slices, proxier.slice_changed, metrics.endpoint_changes)
        self._follow(slices, self.programming.slice_changed)
        self._sync(proxier)
        proxier.all_known()
        self._health.updated()
        await self._sync_health_checks(proxier)
        self.programming.begin(wall())
        while True:
            await self._changed.wait()
            self._changed.clear()
            began = monotonic()
            self._sync(proxier)
            self._health.updated()
            self.programming.synced()
            self._synced.set()
            await self._sync_health_checks(proxier)
            await asyncio.sleep(max(0.0, began + self._timings.proxy_sync_min_s - monotonic()))

    def _sync(self, proxier: Proxier) -> None:
        began = monotonic()
        proxier.sync()
        self.metrics.sync_seconds.observe((), monotonic() - began)
        self.metrics.synced_at = wall()

    def _node(self) -> Object:
        return self._nodes.get(self._node_name) or {}

    def _here(self) -> Topology:
        node = self._node()
        labels = labels_of(node) if node else {}
        addresses = (node.get("status") or {}).get("addresses") or ()
        return Topology(
            node=self._node_name,
            zone=labels.get(_ZONE_LABEL, ""),
            excluded=_EXCLUDED_LABEL in labels,
            addresses=tuple(each["address"] for each in addresses if each["type"] == "InternalIP"),
            pod_addresses=_pod_addresses(node),
        )

    def _look_where_we_are(self, proxier: Proxier) -> None:
        proxier.topology_changed(self._here())
        if proxier.pending:
            self._change()

    def _change(self) -> None:
        self._health.queued()
        self.metrics.queued_at = wall()
        self._changed.set()

    async def _sync_health_checks(self, proxier: Proxier) -> None:
        if self._health_checks is not None:
            await self._health_checks.sync(proxier.health_checks)
            await self._health_checks.serve(HEALTH_PORT, "kube-proxy", self._health.answer)
            what = "kube-proxy's metrics"
            await self._health_checks.serve(METRICS_PORT, what, self._metrics_answer)

    async def _run_acknowledged(self) -> None:
        """Note changes once the datapath has them; those that come meanwhile wait together."""
        while True:
            await self._synced.wait()
            self._synced.clear()
            changes = self.programming.checkout()
            while changes and not await self._settled(_SETTLE_LOOK_S):
                log.info("%d changes of endpoints wait for the datapath", len(changes))
            for change, latency_s in self.programming.acknowledged(changes, wall()):
                self._journal.note(
                    "programmed",
                    change.service,
                    node=self._node_name,
                    slice=change.slice,
                    resource_version=change.resource_version,
                    latency_s=latency_s,
                    endpoints=change.endpoints,
                )

    def _follow(
        self, informer: Informer, note: Callable[..., None], counter: Counter | None = None
    ) -> None:
        def changed(obj: Object, *, deleted: bool = False) -> None:
            note(obj, deleted=deleted)
            if counter is not None:
                counter.add(())
            self._change()

        def deleted(obj: Object) -> None:
            log.debug("%s is gone", name_of(obj))
            changed(obj, deleted=True)

        informer.add_handler(
            on_add=changed, on_update=lambda _old, new: changed(new), on_delete=deleted
        )


def _pod_addresses(node: Object) -> tuple[str, ...]:
    """Return the addresses of the node's tunnel and of its bridge, which its podCIDRs imply."""
    networks = map(ip_network, (node.get("spec") or {}).get("podCIDRs") or ())
    return tuple(str(network[number]) for network in networks for number in (0, 1))
