"""A pod's life in the registry: how it begins, what an update keeps, how long a delete waits."""

from __future__ import annotations

from collections.abc import Mapping

from controlplane.apiserver.kinds import strategy
from controlplane.apiserver.kinds.pod import label_keys
from controlplane.apiserver.kinds.pod.qos import qos_class
from kubeapi.objects import Object


def prepare_create(pod: Object) -> None:
    """Begin as Pending, with the quality of service that the spec earns."""
    label_keys.complete(pod)
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(pod["spec"])}


def prepare_status_update(new: Object, old: Object) -> None:
    """Change the status only; who owns the pod and its class are not the kubelet's to say."""
    strategy.keep("spec", new, old)
    for key in ("ownerReferences", "deletionTimestamp", "deletionGracePeriodSeconds"):
        strategy.keep(key, new["metadata"], old["metadata"])
    status = new["status"] = new.get("status") or {}
    if known := (old.get("status") or {}).get("qosClass"):
        status["qosClass"] = known


def grace_s(pod: Object) -> int:
    """Return how long a delete waits for the kubelet; 0 when no kubelet has anything to stop."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    seconds: int = spec.get("terminationGracePeriodSeconds", 0)
    return seconds if seconds >= 0 else 1


def fields(pod: Object) -> Mapping[str, str]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    pod_ips = status.get("podIPs") or []
    host_network = bool(spec.get("hostNetwork"))
    return {
        "spec.nodeName": spec.get("nodeName") or "",
        "spec.restartPolicy": spec.get("restartPolicy") or "",
        "spec.schedulerName": spec.get("schedulerName") or "",
        "spec.serviceAccountName": spec.get("serviceAccountName") or "",
        "spec.hostNetwork": "true" if host_network else "false",
        "status.phase": status.get("phase") or "",
        "status.podIP": (pod_ips[0].get("ip") if pod_ips else status.get("podIP")) or "",
        "status.nominatedNodeName": status.get("nominatedNodeName") or "",
    }
