"""What controllers ask about a pod, each question answered once.

Upstream: pkg/api/v1/pod/util.go and pkg/controller/controller_utils.go. A pod's times are
metav1.Time texts, whole seconds of the API server's wall clock, so `now` is wall time here.
"""

from __future__ import annotations

from typing import Final

from componentbase.clock import parse_rfc3339
from kubeapi.objects import Object, condition

DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_FINISHED: Final = ("Succeeded", "Failed")


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def node_name(pod: Object) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def is_terminating(obj: Object) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def is_finished(pod: Object) -> bool:
    """Return whether every container of *pod* has ended for good."""
    return phase(pod) in _FINISHED


def is_active(pod: Object) -> bool:
    """Return whether *pod* counts as a replica: neither finished nor on its way out."""
    status = pod.get("status") or {}
    return status.get("phase") not in _FINISHED and not is_terminating(pod)


def is_ready(pod: Object) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found.get("status") == "True"


def ready_since(pod: Object) -> float | None:
    """Return when *pod* became ready, or None when it is not ready."""
    found = condition(pod, "Ready")
    if found is None or found.get("status") != "True":
        return None
    return parse_rfc3339(found["lastTransitionTime"]) if found.get("lastTransitionTime") else 0.0


def available_in_s(pod: Object, min_ready_s: int, now: float) -> float | None:
    """Return in how many seconds *pod* will be available (0: it is), None: it is not ready.

    One that became ready in the future did so before the clock was set back: it does not wait for
    the clock to come there again, as upstream's would.
    """
    since = ready_since(pod)
    if since is None:
        return None
    return max(0.0, since + min_ready_s - now) if since <= now else 0.0


def created_at(obj: Object) -> float:
    text = obj["metadata"].get("creationTimestamp")
    return parse_rfc3339(text) if text else 0.0


def restarts(pod: Object) -> int:
    """Return the restart count of the container that restarted most."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return max((int(status.get("restartCount") or 0) for status in statuses), default=0)


def deletion_cost(pod: Object) -> int:
    """Return what the pod-deletion-cost annotation says; a text that is no number means 0."""
    text = (pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0
