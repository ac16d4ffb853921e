"""The Node object and its Lease, kept (upstream: kubelet_node_status.go, component-helpers lease).

Registration, status and Lease are one loop each. The status goes out at once when readiness or
the Node in the API changes and differs from it, and otherwise when the report period is over;
upstream, which measures its machine, looks at each update period. What could not be posted is tried
again then. A Node that was deleted is registered again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from componentbase.clock import Clock, wall
from componentbase.timings import Timings
from kubeapi.client import Informer, RestClient, Unreachable
from kubeapi.objects import Object, is_condition_true, labels_of, name_of, resource_version_of
from kubeapi.resources import LEASES, NODES
from kubeapi.status import StatusError
from nodeagent.cni.errors import NOT_INITIALIZED
from nodeagent.kubelet.node_lease import NAMESPACE, LeaseHolder, lease_of
from nodeagent.kubelet.node_status import (
    NodeFacts,
    Readiness,
    new_node,
    node_labels,
    node_status,
    rebooted,
    same_status,
    transitions,
)
from nodeagent.kubelet.recording import EventType

log = logging.getLogger(__name__)

_RETRY_MIN_S: Final = 0.05
_RETRY_MAX_S: Final = 7.0  # Upstream: registration is retried at most every 7 s.


class NodeKeeper:
    """Keeps this node known and alive in the API."""

    def __init__(
        self,
        client: RestClient,
        facts: NodeFacts,
        nodes: Informer,
        timings: Timings,
        clock: Clock,
    ) -> None:
        self._client, self._facts, self._nodes = client, facts, nodes
        self._timings, self._clock = timings, clock
        self._readiness = Readiness(runtime=False, network_error=NOT_INITIALIZED)
        self._posted_at = -timings.node_status_report_s
        self._pressure: tuple[str, ...] = ()
        self._images: list[Object] = []
        #: Told of what should be an event of the Node: type, reason, message.
        self.on_event: Callable[[EventType, str, str], None] = lambda _type, _reason, _text: None
        self._known: Object | None = None
        self._wake = asyncio.Event()
        self._registered = asyncio.Event()
        nodes.add_handler(
            on_update=lambda _old, new: self._node_changed(new), on_delete=self._node_deleted
        )

    def _node_changed(self, node: Object) -> None:
        """Somebody wrote to a Node: look whether ours still says what we do."""
        if name_of(node) == self._facts.name:
            self._wake.set()

    def _node_deleted(self, node: Object) -> None:
        """Post at once, since it is the answer to a post that says that there is no such Node."""
        if name_of(node) == self._facts.name:
            self._posted_at = -self._timings.node_status_report_s
            self._wake.set()

    def set_readiness(self, readiness: Readiness) -> None:
        """Note what the node can do; a change is posted at once."""
        if readiness != self._readiness:
            self._readiness = readiness
            self._wake.set()

    def set_pressure(self, conditions: tuple[str, ...]) -> None:
        """Note what the node is short of; a change is posted at once."""
        if conditions != self._pressure:
            self._pressure = conditions
            self._wake.set()

    def set_images(self, images: list[Object]) -> None:
        """Note which images are there; a change is posted."""
        if images != self._images:
            self._images = images
            self._wake.set()

    async def register(self) -> Object:
        """Create the Node, or bring the labels of the one that is there up to date."""
        delay_s = _RETRY_MIN_S
        while True:
            try:
                self._known = await self._register_once()
            except (StatusError, Unreachable) as error:
                log.warning("cannot register: %s; again in %.2g s", error, delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, _RETRY_MAX_S)
            else:
                self._registered.set()
                return self._known

    async def _register_once(self) -> Object:
        """As upstream: who is new says at once how it is, and asks for nothing before."""
        name = self._facts.name
        status = self._status({})
        now = self._clock()
        try:
            node = await self._client.create(NODES, new_node(self._facts) | {"status": status})
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
        else:
            log.info("registered node %s", name)
            self._posted({}, status, now)
            return node
        node = await self._client.get(NODES, name)
        labels = node_labels(self._facts)
        if any(labels_of(node).get(key) != text for key, text in labels.items()):
            patch: Object = {"metadata": {"labels": labels}}
            node = await self._client.patch(NODES, name, patch)
        return node

    async def annotate(self, annotations: dict[str, str]) -> None:
        """Add *annotations* to the Node (the network provider publishes itself so)."""
        await self._registered.wait()
        patch: Object = {"metadata": {"annotations": annotations}}
        await self._client.patch(NODES, self._facts.name, patch)

    async def run_status(self) -> None:
        """Post the status when it changes and at its period, for ever."""
        await self._registered.wait()
        await self._let_network_come()
        while True:
            wait_s = self._timings.node_status_update_s
            try:
                await self._post_status()
                wait_s = self._timings.node_status_report_s - (self._clock() - self._posted_at)
            except Unreachable as error:
                log.info("status not posted: %s", error)
            except StatusError as error:
                log.warning("status not posted: %s", error)
                if error.reason == "NotFound":
                    await self.register()
                    wait_s = 0.0
            try:
                async with asyncio.timeout(max(0.0, wait_s)):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def _let_network_come(self) -> None:
        """A node that was Ready before this process began is not called NotReady at once."""
        if self._known is None or not is_condition_true(self._known, "Ready"):
            return
        try:
            async with asyncio.timeout(self._timings.node_lease_duration_s):
                while not self._readiness.ready:
                    await self._wake.wait()
                    self._wake.clear()
        except TimeoutError:
            pass

    def _newest(self) -> Object:
        """The informer's copy may be older than our own last patch, which must not be repeated."""
        seen, known = self._nodes.get(self._facts.name), self._known
        if seen is None or known is None:
            return seen or known or {}
        return seen if _version(seen) >= _version(known) else known

    def _status(self, before: Object) -> Object:
        return node_status(
            self._facts,
            self._readiness,
            before,
            wall(),
            pressure=self._pressure,
            images=self._images,
        )

    def _posted(self, before: Object, status: Object, now: float) -> None:
        self._posted_at = now
        for reason in transitions(before, status):
            text = f"Node {self._facts.name} status is now: {reason}"
            self.on_event("Normal", reason, text)
        boot = rebooted(before, status)
        if boot:
            text = f"Node {self._facts.name} has been rebooted, boot id: {boot}"
            self.on_event("Warning", "Rebooted", text)

    async def _post_status(self) -> None:
        before: Object = self._newest().get("status") or {}
        status = self._status(before)
        now = self._clock()
        due = now - self._posted_at >= self._timings.node_status_report_s
        if not due and same_status(status, before):
            return
        patch: Object = {"status": status}
        self._known = await self._client.patch(NODES, self._facts.name, patch, subresource="status")
        self._posted(before, status, now)
        log.debug("status posted at %s", resource_version_of(self._known))

    async def run_lease(self, rng: random.Random) -> None:
        """Renew the Lease, for ever."""
        times = self._timings
        holder = LeaseHolder(
            duration_s=times.node_lease_duration_s,
            renew_every_s=times.node_lease_renew_s,
            rng=rng,
        )
        await self._registered.wait()
        lease: Object | None = None
        while True:
            try:
                lease = await self._renew(lease)
                holder.renewed(self._clock())
            except (StatusError, Unreachable) as error:
                if lease is not None:
                    log.warning("lease not renewed: %s", error)
                lease = None
                holder.failed(self._clock())
            await asyncio.sleep(max(0.0, holder.deadline() - self._clock()))

    async def _renew(self, lease: Object | None) -> Object:
        """Write the Lease; *lease* is the one last written, None to look first."""
        assert self._known is not None
        wanted = lease_of(self._known, self._timings.node_lease_duration_s, wall())
        if lease is None:
            try:
                lease = await self._client.get(LEASES, self._facts.name, NAMESPACE)
            except StatusError as error:
                if error.reason != "NotFound":
                    raise
                return await self._client.create(LEASES, wanted, NAMESPACE)
        renewed: Object = {**lease, "spec": {**(lease.get("spec") or {}), **wanted["spec"]}}
        return await self._client.update(LEASES, renewed)


def _version(node: Object) -> int:
    return int(resource_version_of(node) or 0)
