"""The status of a ReplicaSet, computed anew from its pods (upstream: replica_set_utils.go)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.controllermanager import pod_facts
from kubeapi.objects import Object, labels_of, set_condition

_FAILURE: Final = "ReplicaFailure"


def compute_status(
    replica_set: Object,
    active: Sequence[Object],
    failure: tuple[str, str] | None,
    now: float,
    *,
    now_text: str,
) -> Object:
    """Return the status that *active* gives; *failure* is (reason, message) of the last attempt."""
    before = replica_set.get("status") or {}
    template_labels = (replica_set["spec"]["template"].get("metadata") or {}).get("labels") or {}
    min_ready_s = replica_set["spec"].get("minReadySeconds") or 0
    ready = sum(map(pod_facts.is_ready, active))
    counts = {
        "fullyLabeledReplicas": _labelled(active, template_labels),
        "readyReplicas": ready,
        "availableReplicas": _available(active, min_ready_s, now) if min_ready_s else ready,
    }
    status: Object = {"replicas": len(active)}
    status |= {key: count for key, count in counts.items() if count}
    status["observedGeneration"] = replica_set["metadata"].get("generation", 0)
    conditions = copy.deepcopy(before.get("conditions") or [])
    if failure is None:
        conditions = [item for item in conditions if item["type"] != _FAILURE]
    else:
        reason, message = failure
        new = {"type": _FAILURE, "status": "True", "reason": reason, "message": message}
        set_condition(conditions, new, now_text)
    if conditions:
        status["conditions"] = conditions
    return status


def _available(active: Sequence[Object], min_ready_s: int, now: float) -> int:
    return sum(pod_facts.available_in_s(pod, min_ready_s, now) == 0 for pod in active)


def _labelled(active: Sequence[Object], wanted: Mapping[str, str]) -> int:
    items = wanted.items()
    return sum(items <= labels_of(pod).items() for pod in active)


def next_available_in_s(replica_set: Object, active: Sequence[Object], now: float) -> float | None:
    """Return when the next ready pod becomes available; None when nothing is waited for."""
    min_ready_s = replica_set["spec"].get("minReadySeconds") or 0
    if not min_ready_s:
        return None  # Who is ready is available: ten thousand pods need not be asked.
    waits = (pod_facts.available_in_s(pod, min_ready_s, now) for pod in active)
    return min((wait for wait in waits if wait), default=None)
