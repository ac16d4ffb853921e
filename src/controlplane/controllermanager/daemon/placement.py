"""Which nodes a DaemonSet's pods belong on (upstream: `NodeShouldRunDaemonPod`).

Room is the scheduler's matter: a node without any still should run the pod, which then waits.
Every pod tolerates what would otherwise keep daemons from a node that is in trouble.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from controlplane.scheduler.node_affinity import NodeAffinity
from controlplane.scheduler.tolerations import Taint, Toleration, tolerated
from kubeapi.objects import Object, labels_of, name_of

_KEEPS_AWAY: Final = ("NoSchedule", "NoExecute")
_NODE: Final = "node.kubernetes.io"
_ADDED: Final = (
    (f"{_NODE}/not-ready", "NoExecute"),
    (f"{_NODE}/unreachable", "NoExecute"),
    (f"{_NODE}/disk-pressure", "NoSchedule"),
    (f"{_NODE}/memory-pressure", "NoSchedule"),
    (f"{_NODE}/pid-pressure", "NoSchedule"),
    (f"{_NODE}/unschedulable", "NoSchedule"),
)
#: Only pods that need no network of their own run where there is none yet.
_ADDED_IN_THE_NODES_NETWORK: Final = (f"{_NODE}/network-unavailable", "NoSchedule")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a pod is to be made on a node, and whether one that is there may stay."""

    should_run: bool
    may_stay: bool


def tolerations(spec: Object) -> list[Object]:
    """Return the tolerations of a daemon's pod (AddOrUpdateDaemonPodTolerations)."""
    added = list(_ADDED)
    if spec.get("hostNetwork"):
        added.append(_ADDED_IN_THE_NODES_NETWORK)
    found: list[Object] = list(spec.get("tolerations") or ())
    for key, effect in added:
        wanted = {"key": key, "operator": "Exists", "effect": effect}
        if wanted not in found:
            found.append(wanted)
    return found


class Placement:
    """One DaemonSet's demands on nodes, read once for all of them."""

    def __init__(self, daemon_set: Object) -> None:
        spec = daemon_set["spec"]["template"].get("spec") or {}
        self._node_name = str(spec.get("nodeName") or "")
        self._affinity = NodeAffinity.from_spec(spec)
        self._tolerations = [Toleration.from_object(one) for one in tolerations(spec)]

    def judge(self, node: Object) -> Verdict:
        name = name_of(node)
        if self._node_name and self._node_name != name:
            return Verdict(False, False)
        if not self._affinity.allows(name, labels_of(node)):
            return Verdict(False, False)
        taints = [Taint.from_object(one) for one in (node.get("spec") or {}).get("taints") or ()]
        against = [
            taint.effect
            for taint in taints
            if taint.effect in _KEEPS_AWAY and not tolerated(taint, self._tolerations)
        ]
        return Verdict(not against, "NoExecute" not in against)
