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


def readiness_timers(pod: Object) -> dict[str, float]:
    """Return what the readiness probes of *pod* make it wait for, the slowest of each."""
    probes = [
        probe
        for container in pod["spec"].get("containers") or ()
        if (probe := container.get("readinessProbe")) is not None
    ]
    if not probes:
        return {}
    return {
        "probe_delay_s": max(float(probe.get("initialDelaySeconds") or 0) for probe in probes),
        "probe_period_s": max(float(probe.get("periodSeconds") or 10) for probe in probes),
    }
