"""Who has taken more disk than it may, whatever the node has left (localStorageEviction).

First an emptyDir with a sizeLimit, then a pod as a whole, then each container: upstream's order and
words. A pod may have what the limits of its containers are together; a container's part is its
logs and the files that it wrote outside of volumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from kubeapi.objects import Object
from kubeapi.quantity import format, notation, parse_quantity, value
from nodeagent.kubelet.pod_resources import limits_of, pod_limits

RESOURCE: Final = "ephemeral-storage"
#: Volumes whose files are the pod's own, on the node's disk.
_LOCAL: Final = ("emptyDir", "configMap", "secret", "downwardAPI", "projected", "gitRepo")


def is_limited(pod: Object) -> bool:
    """Tell whether anything of *pod* has to be measured."""
    spec = pod["spec"]
    has_limit = any(_size_limit(volume) for volume in spec.get("volumes") or ())
    return has_limit or RESOURCE in pod_limits(pod)


def is_local(volume: Object) -> bool:
    """Tell whether *volume* counts as the pod's; what is in memory by name does not."""
    in_memory = (volume.get("emptyDir") or {}).get("medium") == "Memory"
    return any(name in volume for name in _LOCAL) and not in_memory


def excess(pod: Object, volumes: Mapping[str, int], containers: Mapping[str, int]) -> str:
    """Return why *pod* must go, "" when it may stay; octets by volume and by container."""
    spec = pod["spec"]
    for volume in spec.get("volumes") or ():
        limit, name = _size_limit(volume), volume["name"]
        if limit and volumes.get(name, 0) > value(limit):
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    total = pod_limits(pod).get(RESOURCE)
    local = [each["name"] for each in spec.get("volumes") or () if is_local(each)]
    used = sum(volumes.get(name, 0) for name in local) + sum(containers.values())
    if total is not None and used > total:
        limits = _shown(pod, total)
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {limits}. "
    for container in spec.get("containers") or ():
        allowed, name = limits_of(container).get(RESOURCE), container["name"]
        if allowed is not None and containers.get(name, 0) > allowed:
            limit = container["resources"]["limits"][RESOURCE]
            return f'Container {name} exceeded its local ephemeral storage limit "{limit}". '
    return ""


def _size_limit(volume: Object) -> str:
    """Return an emptyDir's sizeLimit, "" where it has none."""
    limit = (volume.get("emptyDir") or {}).get("sizeLimit")
    return str(limit) if limit and parse_quantity(str(limit)) else ""


def _shown(pod: Object, total: Fraction) -> str:
    """Return the limit as it is written, where only one container has one."""
    texts = [
        container["resources"]["limits"][RESOURCE]
        for container in pod["spec"].get("containers") or ()
        if RESOURCE in limits_of(container)
    ]
    if len(texts) == 1:
        return str(texts[0])
    return format(total, notation(str(texts[0]))) if texts else str(total)
