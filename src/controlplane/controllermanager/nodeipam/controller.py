"""Give every node its part of the cluster's pod addresses (upstream: nodeipam RangeAllocator).

One of each of the cluster's networks, in their order. What is taken is read from the nodes at the
start; nothing is stored elsewhere.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.nodeipam.cidr_set import CidrSet, Network, RangeFullError
from kubeapi.client import Unreachable, WorkQueue, run_workers
from kubeapi.objects import Object, is_being_deleted, key_of
from kubeapi.resources import NODES
from kubeapi.status import StatusError, is_not_found

#: One at a time: allocation follows the order in which the nodes came.
_WORKERS: Final = 1


def pod_cidrs(node: Object) -> tuple[Network, ...]:
    """Return the node's ranges; none when one of them is no network."""
    spec = node.get("spec") or {}
    texts = spec.get("podCIDRs") or [spec.get("podCIDR")]
    try:
        return tuple(ip_network(text) for text in texts if text)
    except ValueError:
        return ()


class NodeIpamController:
    """Nodes in, `spec.podCIDRs` out."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._recorder = context.recorder("cidrAllocator")
        self._queue: WorkQueue[str] = WorkQueue("node")
        self._ranges = [CidrSet(network, mask) for network, mask in context.pod_networks]
        self._given: dict[str, tuple[Network, ...]] = {}
        self._without: dict[str, None] = {}
        self._nodes = context.informer(NODES)
        self._nodes.add_handler(
            on_add=self._seen, on_update=lambda _old, new: self._seen(new), on_delete=self._deleted
        )

    async def run(self) -> None:
        await self._nodes.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _seen(self, node: Object) -> None:
        networks = pod_cidrs(node)
        if networks:
            if self._given.get(key_of(node)) != networks:
                self._given[key_of(node)] = networks
                self._occupy(networks)
        elif key_of(node) not in self._given:
            self._queue.add(key_of(node))

    def _deleted(self, node: Object) -> None:
        self._without.pop(key_of(node), None)
        networks = self._given.pop(key_of(node), None)
        if networks is None:
            return
        self._release(networks)
        for key in list(self._without):
            self._queue.add(key)

    def _occupy(self, networks: tuple[Network, ...]) -> None:
        for ranges in self._ranges:
            for network in networks:
                ranges.occupy(network)

    def _release(self, networks: tuple[Network, ...]) -> None:
        for ranges in self._ranges:
            for network in networks:
                ranges.release(network)

    def _allocate(self) -> tuple[Network, ...]:
        """Return a range of each network; raises RangeFullError, with nothing taken."""
        networks: tuple[Network, ...] = ()
        try:
            for ranges in self._ranges:
                networks += (ranges.allocate(),)
        except RangeFullError:
            self._release(networks)
            raise
        return networks

    async def _reconcile(self, key: str) -> None:
        node = self._nodes.get(key)
        if node is None or is_being_deleted(node) or pod_cidrs(node) or key in self._given:
            return
        try:
            networks = self._allocate()
        except RangeFullError:
            self._without[key] = None
            text = f"Node {key} status is now: CIDRNotAvailable"
            self._recorder.event(node, "Normal", "CIDRNotAvailable", text)
            return
        self._given[key] = networks
        self._without.pop(key, None)
        texts = [str(network) for network in networks]
        patch: Object = {"spec": {"podCIDR": texts[0], "podCIDRs": texts}}
        try:
            await self._client.patch(NODES, key, patch)
        except (StatusError, Unreachable) as error:
            # Whether it was written or not, the next look knows; and these come last again.
            self._given.pop(key, None)
            self._release(networks)
            if not (isinstance(error, StatusError) and is_not_found(error)):
                raise
