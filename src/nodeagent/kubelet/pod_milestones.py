"""The moments of a pod's life that the cluster's timeline shows, read from its status."""

from __future__ import annotations

from kubeapi.objects import Object, is_condition_true


def all_run(pod: Object, status: Object) -> bool:
    """Return whether *status* says that every container of *pod* runs."""
    running = [
        item["name"]
        for item in status.get("containerStatuses") or ()
        if "running" in (item.get("state") or {})
    ]
    return bool(running) and len(running) == len(pod["spec"].get("containers") or ())


def is_ready(status: Object) -> bool:
    """Return whether *status* says that its pod is Ready."""
    return is_condition_true({"status": status}, "Ready")
