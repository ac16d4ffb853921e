"""Which pods nobody will ever clean up (upstream: pkg/controller/podgc)."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final

from controlplane.controllermanager import pod_facts
from kubeapi.objects import Object, key_of

#: --terminated-pod-gc-threshold.
TERMINATED_MAX: Final = 12_500
OUT_OF_SERVICE: Final = "node.kubernetes.io/out-of-service"


def terminated_surplus(pods: Sequence[Object], keep: int = TERMINATED_MAX) -> list[Object]:
    """Return finished pods beyond *keep*: those that were evicted first, then the oldest.

    A threshold of 0 keeps all, as upstream's option does.
    """
    if keep <= 0:
        return []
    finished = [pod for pod in pods if pod_facts.is_finished(pod)]
    excess = len(finished) - keep
    if excess <= 0:
        return []
    return sorted(finished, key=_in_order_of_collection)[:excess]


def _in_order_of_collection(pod: Object) -> tuple[bool, float, str]:
    was_evicted = (pod.get("status") or {}).get("reason") == "Evicted"
    return not was_evicted, pod_facts.created_at(pod), key_of(pod)


def unscheduled_terminating(pods: Sequence[Object]) -> list[Object]:
    """Return pods that are to be deleted and were never given to a kubelet that could."""
    return [pod for pod in pods if pod_facts.is_terminating(pod) and not pod_facts.node_name(pod)]


def orphaned(pods: Sequence[Object], missing_nodes: Container[str]) -> list[Object]:
    """Return pods on nodes that are known to be gone."""
    return [pod for pod in pods if pod_facts.node_name(pod) in missing_nodes]


def out_of_service(pods: Sequence[Object], dead_nodes: Container[str]) -> list[Object]:
    """Return terminating pods of nodes that a person has declared out of service."""
    return [
        pod
        for pod in pods
        if pod_facts.is_terminating(pod) and pod_facts.node_name(pod) in dead_nodes
    ]


class Quarantine:
    """Nodes that pods name and the API does not have: gone after they were missing for a while.

    A pod may reach the informer before its new node does.
    """

    def __init__(self, *, wait_s: float) -> None:
        self._wait_s = wait_s
        self._missing_since: dict[str, float] = {}

    def observe(self, named: Sequence[str], known: Container[str], now: float) -> list[str]:
        """Take in which nodes pods name; return those that have been missing long enough."""
        missing = [name for name in dict.fromkeys(named) if name and name not in known]
        self._missing_since = {name: self._missing_since.get(name, now) for name in missing}
        return [name for name, since in self._missing_since.items() if now - since >= self._wait_s]


def failed_patch(pod: Object, message: str, now_text: str) -> Object:
    """Return the status patch that ends *pod* before it is deleted by force.

    With a *message* the pod is one that is disrupted, and its condition says by what.
    """
    status: Object = {}
    if message:
        target = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByPodGC",
            "message": message,
            "lastTransitionTime": now_text,
        }
        status["conditions"] = [target]
    if not pod_facts.is_finished(pod):
        status["phase"] = "Failed"
    return {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
