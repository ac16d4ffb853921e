"""Whose processes a container sees (upstream: kuberuntime/util, PidNamespaceForPod, getTargetID).

Its own; those of its pod with `shareProcessNamespace`; or, for an ephemeral container that names
one, those of its target. `hostPID` shows no more than its own: those of a node are the machine's.
"""

from __future__ import annotations

from kubeapi.objects import Object
from nodeagent.kubelet.references import ConfigError
from nodeagent.kubelet.runtime_status import PodRuntimeStatus


def namespace_options(pod: Object, container: Object, seen: PodRuntimeStatus) -> Object:
    """Return CRI's namespace options; raises ConfigError for a target that is not there."""
    target = container.get("targetContainerName")
    if target:
        status = seen.container(target)
        if status is None:
            raise ConfigError(f"unable to find target container {target}")
        return {"pid": "TARGET", "target_id": status.id}
    return {"pid": "POD" if pod["spec"].get("shareProcessNamespace") else "CONTAINER"}
