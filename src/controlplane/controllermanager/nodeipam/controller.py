"""Give every node its part of the cluster's pod addresses (upstream: nodeipam RangeAllocator).

What is taken is read from the nodes at the start; nothing is stored elsewhere. IPv4 only.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.nodeipam.cidr_set import CidrSet, RangeFullError
from kubeapi.client import Unreachable, WorkQueue, run_workers
from kubeapi.objects import Object, is_being_deleted, key_of
from kubeapi.resources import NODES
from kubeapi.status import StatusError, is_not_found

#: One at a time: allocation follows the order in which the nodes came.
_WORKERS: Final = 1


def pod_cidr(node: Object) -> IPv4Network | None:
    """Return the node's range; None when it has none or another family's."""
    text = (node.get("spec") or {}).get("podCIDR")
    try:
        return IPv4Network(text) if text else None
    except ValueError:
        return None


class NodeIpamController:
    """Nodes in, `spec.podCIDR` out."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._recorder = context.recorder("cidrAllocator")
        self._queue: WorkQueue[str] = WorkQueue()
        self._ranges = CidrSet(context.cluster_cidr, context.node_cidr_mask)
        self._given: dict[str, IPv4Network] = {}
        self._without: dict[str, None] = {}
        self._nodes = context.informer(NODES)
        self._nodes.add_handler(
            on_add=self._seen, on_update=lambda _old, new: self._seen(new), on_delete=self._deleted
        )

    async def run(self) -> None:
        await self._nodes.wait_synced()
        await run_workers(self._queue, self._reconcile, workers=_WORKERS)

    def _seen(self, node: Object) -> None:
        network = pod_cidr(node)
        if network is not None:
            if self._given.get(key_of(node)) != network:
                self._given[key_of(node)] = network
                self._ranges.occupy(network)
        elif key_of(node) not in self._given:
            self._queue.add(key_of(node))

    def _deleted(self, node: Object) -> None:
        self._without.pop(key_of(node), None)
        network = self._given.pop(key_of(node), None)
        if network is None:
            return
        self._ranges.release(network)
        for key in list(self._without):
            self._queue.add(key)

    async def _reconcile(self, key: str) -> None:
        node = self._nodes.get(key)
        if node is None or is_being_deleted(node) or pod_cidr(node) or key in self._given:
            return
        try:
            network = self._ranges.allocate()
        except RangeFullError:
            self._without[key] = None
            text = f"Node {key} status is now: CIDRNotAvailable"
            self._recorder.event(node, "Normal", "CIDRNotAvailable", text)
            return
        self._given[key] = network
        self._without.pop(key, None)
        patch: Object = {"spec": {"podCIDR": str(network), "podCIDRs": [str(network)]}}
        try:
            await self._client.patch(NODES, key, patch)
        except (StatusError, Unreachable) as error:
            # Whether it was written or not, the next look knows; and this range comes last again.
            self._given.pop(key, None)
            self._ranges.release(network)
            if not (isinstance(error, StatusError) and is_not_found(error)):
                raise
