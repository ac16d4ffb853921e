"""Nodes and pods for the scheduler's tests, said in one line each."""

from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo


def make_pod(name="pod", *, labels=None, owner="", node="", cpu="", memory="", **spec):
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    metadata = {"name": name, "namespace": "ns", "labels": labels or {}, "uid": f"uid-{name}"}
    if owner:
        metadata["ownerReferences"] = [{"uid": owner, "controller": True}]
    container = {"name": "c", "resources": {"requests": requests}}
    if "ports" in spec:
        container["ports"] = spec.pop("ports")
    spec = {"containers": [container], "nodeName": node, **spec}
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}


def pod_info(name="pod", **facts):
    return PodInfo.from_object(make_pod(name, **facts))


def make_node(name="node", *, labels=None, cpu="4", memory="8Gi", pods="110", **spec):
    allocatable = {"cpu": cpu, "memory": memory, "pods": pods}
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {"allocatable": allocatable},
    }


def node_info(name="node", running=(), **facts):
    info = NodeInfo(name)
    info.set_node(make_node(name, **facts))
    for pod in running:
        info.add_pod(pod)
    return info


def reasons(plugin, pod, node, others=()):
    """Return why *plugin* refuses *node*; nothing when it does not."""
    judge = plugin.filter(pod, [node, *(other for other in others if other is not node)])
    rejection = judge(node) if judge is not None else None
    return () if rejection is None else rejection.reasons


def scores(plugin, pod, nodes):
    """Return the normalized scores; all alike when the plugin has nothing to say."""
    rate = plugin.score(pod, nodes)
    if rate is None:
        return None
    return plugin.normalize([rate(node) for node in nodes])
