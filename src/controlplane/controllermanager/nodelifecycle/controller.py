"""Notice that a node is lost and tell the cluster (upstream: pkg/controller/nodelifecycle).

One pass over all nodes every monitor period, and one when a node's grace period ends (upstream
waits for the next period): a silent node's conditions become Unknown, the pods
of every node that is not ready lose their readiness in the same pass (so their endpoints leave
the Services), then taints follow, and with them eviction. Every pass compares wanted with found,
so whatever failed in one pass is done in the next.

Beyond upstream: a controller that was stopped itself, or that finds the API unreachable when it
wants to declare a node lost, gives every node a new grace period. It was blind, not they dumb.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from componentbase.tasks import guarded
from controlplane.controllermanager.context import Context
from controlplane.controllermanager.nodelifecycle.health import (
    NodeHealth,
    not_ready_patch,
    ready_status,
    unknown_conditions,
)
from controlplane.controllermanager.nodelifecycle.taints import (
    has_no_execute,
    no_execute_key,
    taints_of,
    texts,
    wanted_taints,
)
from controlplane.controllermanager.nodelifecycle.zones import Zones
from controlplane.controllermanager.pod_control import each
from kubeapi.client import PatchType, Unreachable, WorkQueue, run_workers
from kubeapi.objects import Object, condition, key_of, name_of, namespace_of
from kubeapi.resources import LEASES, NODES, PODS
from kubeapi.status import StatusError, is_conflict, is_not_found

log = logging.getLogger(__name__)

LEASE_NAMESPACE: Final = "kube-node-lease"
_TAINT_WORKERS: Final = 4
#: How long after the end of a grace period a pass looks: timers may be a little early.
_GRACE_SLACK_S: Final = 0.005
_CONFLICTS_MAX: Final = 5


class NodeLifecycleController:
    """Heartbeats in; conditions, taints and unready pods out."""

    def __init__(self, context: Context) -> None:
        timings = context.timings
        self._context, self._client = context, context.client
        self._recorder = context.recorder("node-controller")
        self._nodes = context.informer(NODES)
        self._leases = context.informer(LEASES)
        self._pods = context.informer(PODS)
        self._health = NodeHealth(
            grace_s=timings.node_monitor_grace_s, startup_grace_s=timings.node_startup_grace_s
        )
        self._zones = Zones(pace=context.pace)
        self._known: dict[str, Object] = {}
        self._passed_at = context.monotonic()
        self._may_evict: dict[str, None] = {}
        # Once for each time that a node is lost: a kubelet that comes back says that its pods
        # are ready a moment before it says that its node is, and must not be contradicted.
        self._marked: dict[str, None] = {}
        self._been_ready: dict[str, None] = {}
        self._queue: WorkQueue[str] = WorkQueue("node_lifecycle_controller")
        self._nodes.add_handler(on_add=self._node_added, on_update=self._node_updated)
        self._leases.add_handler(on_update=self._lease_updated)

    async def run(self) -> None:
        for informer in (self._nodes, self._leases, self._pods):
            await informer.wait_synced()
        self._context.tasks.spawn(
            run_workers(self._queue, self._taint, workers=_TAINT_WORKERS),
            name="nodelifecycle taints",
            essential=True,
        )
        while True:
            await guarded("the look at all nodes", self._pass)
            await asyncio.sleep(self._until_next_pass_s())

    def _until_next_pass_s(self) -> float:
        heard = [node for node in self._nodes.items() if ready_status(node) != "Unknown"]
        ends_s = self._health.deadline(heard) - self._context.monotonic() + _GRACE_SLACK_S
        period_s = self._context.timings.node_monitor_period_s
        # What has ended and was not declared failed to be written: that waits for the next period.
        return min(ends_s, period_s) if ends_s > 0 else period_s

    def _lease_updated(self, _old: Object, lease: Object) -> None:
        """Take a heartbeat's time when it comes, not at the next pass."""
        node = self._nodes.get(name_of(lease))
        if node is not None:
            self._health.observe(node, lease, self._context.monotonic())

    def _node_added(self, node: Object) -> None:
        if ready_status(node) == "True":
            self._been_ready[name_of(node)] = None
        self._queue.add(key_of(node))

    def _node_updated(self, old: Object, new: Object) -> None:
        """Heartbeats change nothing that taints depend on; most updates are heartbeats."""
        spec_changed = (old.get("spec") or {}) != (new.get("spec") or {})
        if spec_changed or _statuses(old) != _statuses(new):
            self._queue.add(key_of(new))
        if ready_status(old) != ready_status(new):
            self._note_reported(old, new)
        if (cordoned := _is_cordoned(new)) != _is_cordoned(old):
            self._context.journal.note("cordoned" if cordoned else "uncordoned", name_of(new))

    def _note_reported(self, old: Object, new: Object) -> None:
        """Note what the kubelet itself says; that it says nothing is noted where it is declared."""
        name, was, status = name_of(new), ready_status(old), ready_status(new)
        if status == "True":
            declared = was == "Unknown" and condition(old, "Ready") is not None
            if declared or name in self._been_ready:
                self._context.journal.note("ready-again", name)
            self._been_ready[name] = None
        elif status == "False" and was == "True":
            self._note_not_ready(new, status)

    def _note_not_ready(self, node: Object, status: str) -> None:
        context = self._context
        silent_s = self._health.silent_s(node, context.monotonic())
        context.journal.note(
            "not-ready",
            name_of(node),
            last_heartbeat_at=context.wall() - silent_s,
            grace_s=self._health.grace_for(node),
            monitor_period_s=context.timings.node_monitor_period_s,
            status=status,
        )

    async def _pass(self) -> None:
        nodes = {name_of(node): node for node in self._nodes.items()}
        self._tell_who_came_and_went(nodes)
        now = self._context.monotonic()
        for node in nodes.values():
            lease = self._leases.get(f"{LEASE_NAMESPACE}/{name_of(node)}")
            self._health.observe(node, lease, now)
        if now - self._passed_at > self._context.timings.node_monitor_grace_s / 2:
            self._health.forgive(now)
        self._passed_at = now
        await each(list(nodes.values()), self._check)
        self._evict_as_zones_allow()

    def _tell_who_came_and_went(self, nodes: dict[str, Object]) -> None:
        for name, node in nodes.items():
            if name not in self._known:
                self._tell(node, "RegisteredNode", f"Registered Node {name} in Controller")
        for name, node in self._known.items():
            if name not in nodes:
                self._tell(node, "RemovingNode", f"Removing Node {name} from Controller")
                self._may_evict.pop(name, None)
                self._marked.pop(name, None)
                self._been_ready.pop(name, None)
        self._health.keep_only(nodes)
        self._known = nodes

    def _tell(self, node: Object, reason: str, message: str) -> None:
        text = f"Node {name_of(node)} event: {message}"
        self._recorder.event(node, "Normal", reason, text)

    async def _check(self, node: Object) -> None:
        """Look at one node; whatever is wrong with it, the others are looked at."""
        await guarded(f"the look at node {name_of(node)}", lambda: self._check_known(node))

    async def _check_known(self, node: Object) -> None:
        try:
            await self._check_one(node)
        except StatusError as error:
            log.warning("node %s: %s; the next pass tries again", name_of(node), error)
        except Unreachable as error:
            log.warning("node %s: %s; every node gets a new grace period", name_of(node), error)
            self._health.forgive(self._context.monotonic())

    async def _check_one(self, node: Object) -> None:
        was_ready = ready_status(node) == "True"
        if self._health.is_lost(node, self._context.monotonic()):
            node = await self._declare_unknown(node)
        name = name_of(node)
        if ready_status(node) == "True":
            self._marked.pop(name, None)
            return
        if was_ready:
            text = f"Node {name} status is now: NodeNotReady"
            self._recorder.event(node, "Normal", "NodeNotReady", text)
        if name not in self._marked:
            await self._mark_pods_not_ready(name)
            self._marked[name] = None

    async def _declare_unknown(self, node: Object) -> Object:
        """Write Unknown into the conditions that only the kubelet could know."""
        conditions = unknown_conditions(node, self._context.now_text())
        if not conditions:
            return node
        log.info("node %s: no news for the grace period", name_of(node))
        answer = await self._client.patch(
            NODES,
            name_of(node),
            {"status": {"conditions": conditions}},
            kind=PatchType.STRATEGIC,
            subresource="status",
        )
        self._note_not_ready(node, "Unknown")
        return answer

    async def _mark_pods_not_ready(self, node_name: str) -> None:
        await each(self._pods.by_index("node", node_name), self._mark_pod_not_ready)

    async def _mark_pod_not_ready(self, pod: Object) -> None:
        patch = not_ready_patch(pod, self._context.now_text())
        if patch is None:
            return
        try:
            await self._client.patch(
                PODS,
                name_of(pod),
                patch,
                namespace_of(pod),
                kind=PatchType.STRATEGIC,
                subresource="status",
            )
        except StatusError as error:
            if is_not_found(error) or is_conflict(error):
                return  # It is gone, or another pod has its name by now.
            raise
        self._recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")

    def _evict_as_zones_allow(self) -> None:
        """Let the NoExecute taint follow on as many nodes as the limits allow now."""
        nodes = self._nodes.items()
        now = self._context.monotonic()
        readiness = [(node, ready_status(node) == "True") for node in nodes]
        sight_is_back = self._zones.update(readiness, now)
        if sight_is_back:
            self._health.forgive(now)
        for node in nodes:
            name = name_of(node)
            if self._zones.all_disrupted:
                self._may_evict.pop(name, None)
                if has_no_execute(node):
                    self._queue.add(name)
            elif no_execute_key(node) is None:
                self._may_evict.pop(name, None)
            elif has_no_execute(node) or name in self._may_evict:
                continue
            elif self._zones.may_evict(node, now):
                self._may_evict[name] = None
                self._queue.add(name)

    async def _taint(self, name: str) -> None:
        """Bring the taints of one node up to date; other writers of the node may be in between."""
        node = self._nodes.get(name)
        for _attempt in range(_CONFLICTS_MAX):
            if node is None:
                return
            taints = wanted_taints(
                node,
                evict=name in self._may_evict,
                spare=self._zones.all_disrupted,
                now_text=self._context.now_text(),
            )
            if taints == taints_of(node):
                return
            version = node["metadata"]["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version}, "spec": {"taints": taints}}
            try:
                await self._client.patch(NODES, name, patch)
            except StatusError as error:
                if is_not_found(error):
                    return
                if not is_conflict(error):
                    raise
                node = await self._client.get(NODES, name)
            else:
                self._note_taints(name, texts(taints_of(node)), texts(taints))
                return
        self._queue.add_rate_limited(name)

    def _note_taints(self, name: str, before: list[str], after: list[str]) -> None:
        for text in after:
            if text not in before:
                self._context.journal.note("tainted", name, taint=text)
        for text in before:
            if text not in after:
                self._context.journal.note("untainted", name, taint=text)


def _is_cordoned(node: Object) -> bool:
    return bool((node.get("spec") or {}).get("unschedulable"))


def _statuses(node: Object) -> list[tuple[str, str]]:
    conditions: Sequence[Object] = (node.get("status") or {}).get("conditions") or ()
    return [(item["type"], item.get("status", "")) for item in conditions]
