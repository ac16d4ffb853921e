"""What a pod asks for and may have, as its kubelet counts it (component-helpers/resource).

The greater of what its containers ask for together, sidecars included, and what the init
containers do one after the other; with the overhead of its RuntimeClass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final

from kubeapi.objects import Object, annotations_of, metadata_of
from kubeapi.quantity import parse_quantity
from nodeagent.kubelet.pod_spec import is_sidecar

#: scheduling.SystemCriticalPriority: from here on a pod is never evicted.
SYSTEM_CRITICAL_PRIORITY: Final = 2_000_000_000
CONFIG_SOURCE: Final = "kubernetes.io/config.source"
MIRROR: Final = "kubernetes.io/config.mirror"

Amounts = Mapping[str, Fraction]
_COMPUTE: Final = ("cpu", "memory")


def pod_requests(pod: Object) -> Amounts:
    """Return what *pod* asks for, by resource (PodRequests)."""
    return _of_pod(pod, requests_of)


def pod_limits(pod: Object) -> Amounts:
    """Return what *pod* may have, by resource (PodLimits)."""
    return _of_pod(pod, limits_of)


def _of_pod(pod: Object, amounts_of: Callable[[Object], Amounts]) -> Amounts:
    spec = pod["spec"]
    total: dict[str, Fraction] = {}
    for container in spec.get("containers") or ():
        _add(total, amounts_of(container))
    sidecars: dict[str, Fraction] = {}
    most: dict[str, Fraction] = {}
    for container in spec.get("initContainers") or ():
        own = dict(amounts_of(container))
        if is_sidecar(container):
            _add(total, own)
            _add(sidecars, own)
            own = dict(sidecars)
        else:
            _add(own, sidecars)
        _raise(most, own)
    _raise(total, most)
    overhead = _amounts(spec.get("overhead"))
    # A limit that nobody has set is not set by what the sandbox takes, either.
    is_limits = amounts_of is limits_of
    _add(total, {n: a for n, a in overhead.items() if n in total or not is_limits})
    return total


def requests_of(container: Object) -> Amounts:
    """Return what a container asks for."""
    return _amounts((container.get("resources") or {}).get("requests"))


def limits_of(container: Object) -> Amounts:
    """Return what a container may have at most."""
    return _amounts((container.get("resources") or {}).get("limits"))


def _amounts(texts: Mapping[str, str | int] | None) -> Amounts:
    return {name: parse_quantity(text) for name, text in (texts or {}).items()}


def _add(total: dict[str, Fraction], more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, Fraction(0)) + amount


def _raise(most: dict[str, Fraction], other: Amounts) -> None:
    for name, amount in other.items():
        most[name] = max(most.get(name, Fraction(0)), amount)


def priority_of(pod: Object) -> int:
    """Return the pod's priority, 0 where nobody gave it one."""
    return int(pod["spec"].get("priority") or 0)


def is_static(pod: Object) -> bool:
    """Tell whether *pod* comes from a manifest of the node."""
    return annotations_of(pod).get(CONFIG_SOURCE, "api") != "api" or MIRROR in annotations_of(pod)


def is_critical(pod: Object) -> bool:
    """Tell whether the node must not go without *pod* (IsCriticalPod)."""
    return is_static(pod) or priority_of(pod) >= SYSTEM_CRITICAL_PRIORITY


def is_best_effort(pod: Object) -> bool:
    """Tell whether *pod* asks for no processor and no memory at all (PodQOSBestEffort)."""
    spec = pod["spec"]
    return not any(
        amounts.get(name)
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
        for amounts in (requests_of(container), limits_of(container))
        for name in _COMPUTE
    )


def creation_of(pod: Object) -> str:
    """Return when the API server made *pod*; moments compare as texts."""
    return str(metadata_of(pod).get("creationTimestamp") or "")
