"""When a node counts as lost: no news for longer than the grace period.

Upstream: `tryUpdateNodeHealth` in pkg/controller/nodelifecycle. News is a changed heartbeat in
the node's status or a changed renewTime of its Lease; its age is measured by this process's own
clock since it was first seen, never by the times that the node wrote: clocks of nodes may be
wrong. A controller that starts gives every node a full grace period.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from controlplane.controllermanager import pod_facts
from kubeapi.objects import Object, condition, name_of

#: Conditions that only the kubelet can know; without it they are unknown.
KUBELET_CONDITIONS: Final = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


@dataclass(slots=True)
class _News:
    heartbeat: str
    renewed: str
    at: float


def heartbeat_of(node: Object) -> str:
    found = condition(node, "Ready")
    return "" if found is None else str(found.get("lastHeartbeatTime") or "")


def renewal_of(lease: Object | None) -> str:
    return "" if lease is None else str((lease.get("spec") or {}).get("renewTime") or "")


class NodeHealth:
    """Remembers when each node was last heard of."""

    def __init__(self, *, grace_s: float, startup_grace_s: float) -> None:
        self._grace_s, self._startup_grace_s = grace_s, startup_grace_s
        self._news: dict[str, _News] = {}

    def observe(self, node: Object, lease: Object | None, now: float) -> None:
        """Compare what *node* says of itself with what it said before."""
        heartbeat, renewed = heartbeat_of(node), renewal_of(lease)
        news = self._news.get(name_of(node))
        if news is None or (heartbeat, renewed) != (news.heartbeat, news.renewed):
            self._news[name_of(node)] = _News(heartbeat, renewed, now)

    def is_lost(self, node: Object, now: float) -> bool:
        """Return whether *node* has been silent for too long."""
        return self.silent_s(node, now) > self.grace_for(node)

    def deadline(self, nodes: Iterable[Object]) -> float:
        """Return when the first of *nodes* is lost if none says anything more."""
        ends = (
            news.at + self.grace_for(node)
            for node in nodes
            if (news := self._news.get(name_of(node))) is not None
        )
        return min(ends, default=math.inf)

    def silent_s(self, node: Object, now: float) -> float:
        """Return for how long *node* has said nothing new; 0 before it was ever observed."""
        news = self._news.get(name_of(node))
        return 0.0 if news is None else now - news.at

    def grace_for(self, node: Object) -> float:
        """Return how long *node* may be silent: longer until its kubelet has ever reported."""
        ever_reported = condition(node, "Ready") is not None
        return self._grace_s if ever_reported else self._startup_grace_s

    def forgive(self, now: float) -> None:
        """Give every node a new grace period: it was our own sight that failed."""
        for news in self._news.values():
            news.at = now

    def keep_only(self, nodes: Mapping[str, Object]) -> None:
        """Forget nodes that are gone."""
        self._news = {name: news for name, news in self._news.items() if name in nodes}


def unknown_conditions(node: Object, now_text: str) -> list[Object]:
    """Return the conditions to set on a lost *node*; none when all say Unknown already."""
    return [
        _unknown(node, type, now_text)
        for type in KUBELET_CONDITIONS
        if (found := condition(node, type)) is None or found.get("status") != "Unknown"
    ]


def _unknown(node: Object, type: str, now_text: str) -> Object:
    found = condition(node, type)
    if found is None:
        created = node["metadata"].get("creationTimestamp") or now_text
        return {
            "type": type,
            "status": "Unknown",
            "reason": "NodeStatusNeverUpdated",
            "message": "Kubelet never posted node status.",
            "lastHeartbeatTime": created,
            "lastTransitionTime": now_text,
        }
    return {
        "type": type,
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
        "lastHeartbeatTime": found.get("lastHeartbeatTime"),
        "lastTransitionTime": now_text,
    }


def ready_status(node: Object) -> str:
    """Return Ready's status; a node that never said is Unknown."""
    found = condition(node, "Ready")
    return "Unknown" if found is None else str(found.get("status"))


def not_ready_patch(pod: Object, now_text: str) -> Object | None:
    """Return the status patch that takes readiness from *pod*; None when it has none."""
    if not pod_facts.is_ready(pod):
        return None
    lost = {"type": "Ready", "status": "False", "lastTransitionTime": now_text}
    return {"metadata": {"uid": pod["metadata"]["uid"]}, "status": {"conditions": [lost]}}
