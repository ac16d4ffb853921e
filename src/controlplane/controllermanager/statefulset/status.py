"""The status of a StatefulSet, counted anew from its pods (upstream: updateStatus)."""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.statefulset.plan import World
from controlplane.controllermanager.statefulset.pods import (
    is_created,
    is_ready,
    revision_of,
    wanted,
)
from kubeapi.objects import Object, name_of

#: Left out where they are 0.
_MAYBE: Final = ("readyReplicas", "currentReplicas", "updatedReplicas")


def compute_status(world: World) -> Object:
    """Return the status; an update that all pods have taken part in is complete."""
    stateful_set = world.stateful_set
    before = stateful_set.get("status") or {}
    created = [pod for pod in world.pods if is_created(pod)]
    staying = [pod for pod in created if not pod_facts.is_terminating(pod)]
    current, update = name_of(world.current), name_of(world.update)
    counts = {
        "replicas": len(created),
        "readyReplicas": sum(is_ready(pod) for pod in created),
        "availableReplicas": sum(world.is_available(pod) for pod in created),
        "currentReplicas": sum(revision_of(pod) == current for pod in staying),
        "updatedReplicas": sum(revision_of(pod) == update for pod in staying),
    }
    all_of_them = wanted(stateful_set)
    done = ("updatedReplicas", "readyReplicas", "replicas")
    if world.is_rolling and all(counts[key] == all_of_them for key in done):
        current, counts["currentReplicas"] = update, counts["updatedReplicas"]
    status: Object = {key: count for key, count in counts.items() if count or key not in _MAYBE}
    status |= {
        "observedGeneration": stateful_set["metadata"].get("generation", 0),
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": before.get("collisionCount") or 0,
    }
    if conditions := before.get("conditions"):
        status["conditions"] = conditions
    return status


def next_available_in_s(world: World) -> float | None:
    """Return when the next ready pod becomes available; None when nothing is waited for."""
    if not world.min_ready_s:
        return None  # Who is ready is available.
    waits = (pod_facts.available_in_s(pod, world.min_ready_s, world.now) for pod in world.pods)
    return min((wait for wait in waits if wait), default=None)
