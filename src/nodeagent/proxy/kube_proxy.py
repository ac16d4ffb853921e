"""kube-proxy's shell: informers in, the datapath's tables out.

A sync follows every change, at once when the last one is longer ago than the minimum period and
otherwise at its end; there is no other batching, so an endpoint that leaves is gone within that
period and one message to the datapath.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from componentbase.clock import monotonic
from componentbase.timings import Timings
from kubeapi.client import Informer
from kubeapi.objects import Object, labels_of, name_of
from nodeagent.proxy.proxier import Proxier
from nodeagent.proxy.topology import Topology
from nodeagent.tables import Tables

log = logging.getLogger(__name__)

_ZONE_LABEL: Final = "topology.kubernetes.io/zone"


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
    ) -> None:
        self._node_name, self._tables, self._timings = node_name, tables, timings
        self._informers = (services, slices)
        self._nodes = nodes
        self._proxier: Proxier | None = None
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Follow the cluster, for ever."""
        services, slices = self._informers
        for informer in (services, slices, self._nodes):
            await informer.wait_synced()
        node = self._nodes.get(self._node_name) or {}
        here = Topology(node=self._node_name, zone=labels_of(node).get(_ZONE_LABEL, ""))
        proxier = self._proxier = Proxier(here, self._tables)
        self._follow(services, proxier.service_changed)
        self._follow(slices, proxier.slice_changed)
        proxier.sync()
        proxier.all_known()
        while True:
            await self._changed.wait()
            self._changed.clear()
            began = monotonic()
            proxier.sync()
            await asyncio.sleep(max(0.0, began + self._timings.proxy_sync_min_s - monotonic()))

    def _follow(self, informer: Informer, note: Callable[..., None]) -> None:
        def changed(obj: Object) -> None:
            note(obj)
            self._changed.set()

        def deleted(obj: Object) -> None:
            log.debug("%s is gone", name_of(obj))
            note(obj, deleted=True)
            self._changed.set()

        informer.add_handler(
            on_add=changed, on_update=lambda _old, new: changed(new), on_delete=deleted
        )
