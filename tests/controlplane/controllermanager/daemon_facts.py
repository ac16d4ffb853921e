"""DaemonSets, nodes and daemons' pods, as tests of the daemon set controller need them."""

from __future__ import annotations

from componentbase.clock import rfc3339
from controlplane.controllermanager.daemon.view import view_of

NOW = 1_000_000.0
NEW, OLD = "new", "old"


def daemon_set(*, surge=0, unavailable=1, min_ready_s=0, generation=1, **pod_spec):
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    spec = {"containers": [{"name": "c", "image": "i"}], **pod_spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "ds", "namespace": "ns", "uid": "ds", "generation": generation},
        "spec": {
            "minReadySeconds": min_ready_s,
            "selector": {"matchLabels": {"app": "ds"}},
            "template": {"metadata": {"labels": {"app": "ds"}}, "spec": spec},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
        },
    }


def node(name, *taints, **labels):
    spec = {"taints": [{"key": key, "effect": effect} for key, effect in taints]}
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


def pod(name, on, *, of=NEW, ready_s=100.0, phase="Running", leaves=False, bound=True):
    """Return a pod of a node, ready for *ready_s* (None: not ready)."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [on]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    conditions = []
    if ready_s is not None:
        at = rfc3339(NOW - ready_s)
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": at}]
    metadata = {"name": name, "namespace": "ns", "uid": name}
    metadata["labels"] = {"app": "ds", "controller-revision-hash": of}
    if leaves:
        metadata["deletionTimestamp"] = rfc3339(NOW)
    spec = {"affinity": {"nodeAffinity": required}}
    if bound:
        spec["nodeName"] = on
    return {
        "metadata": metadata,
        "spec": spec,
        "status": {"phase": phase, "conditions": conditions},
    }


def view(pods, nodes=("a", "b", "c"), *, of=None, now=NOW):
    made = [node(one) if isinstance(one, str) else one for one in nodes]
    return view_of(of or daemon_set(), made, pods, NEW, now)


def names(pods):
    return sorted(one["metadata"]["name"] for one in pods)
