"""The status of a DaemonSet, counted anew from its pods (upstream: updateDaemonSetStatus)."""

from __future__ import annotations

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.daemon.pods import oldest_first
from controlplane.controllermanager.daemon.view import View
from kubeapi.objects import Object


def compute_status(view: View, *, observed: bool) -> Object:
    """Return the status; *observed*: this generation has been acted upon."""
    before = view.daemon_set.get("status") or {}
    counts = dict.fromkeys(("current", "misscheduled", "ready", "updated", "available"), 0)
    for node, verdict in view.verdicts.items():
        pods = view.pods.get(node)
        if not pods:
            continue
        if not verdict.should_run:
            counts["misscheduled"] += 1
            continue
        pod = oldest_first(pods)[0] if len(pods) > 1 else pods[0]
        counts["current"] += 1
        counts["ready"] += pod_facts.is_ready(pod)
        counts["available"] += view.is_available(pod)
        counts["updated"] += view.is_updated(pod)
    status: Object = {
        "currentNumberScheduled": counts["current"],
        "numberMisscheduled": counts["misscheduled"],
        "desiredNumberScheduled": view.desired,
        "numberReady": counts["ready"],
    }
    generation = view.daemon_set["metadata"].get("generation", 0)
    seen = generation if observed else before.get("observedGeneration", 0)
    others = {
        "observedGeneration": seen,
        "updatedNumberScheduled": counts["updated"],
        "numberAvailable": counts["available"],
        "numberUnavailable": view.desired - counts["available"],
        "collisionCount": before.get("collisionCount"),
    }
    status |= {key: value for key, value in others.items() if value}
    if conditions := before.get("conditions"):
        status["conditions"] = conditions
    return status


def next_available_in_s(view: View) -> float | None:
    """Return when the next ready pod becomes available; None when nothing is waited for."""
    if not view.min_ready_s:
        return None  # Who is ready is available.
    waits = (
        pod_facts.available_in_s(pod, view.min_ready_s, view.now)
        for pods in view.pods.values()
        for pod in pods
    )
    return min((wait for wait in waits if wait), default=None)
