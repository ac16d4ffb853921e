"""What a pod asks for in all (upstream: component-helpers/resource, PodRequests and PodLimits).

Containers run together with the restartable init containers (sidecars); other init containers
run one at a time, beside the sidecars started before them.
"""

from __future__ import annotations

from controlplane.quota import amounts
from controlplane.quota.amounts import Amounts
from kubeapi.objects import Object


def of_container(container: Object, key: str) -> Amounts:
    """Return the "requests" or "limits" of a container."""
    return amounts.read((container.get("resources") or {}).get(key))


def of_pod(spec: Object, key: str) -> Amounts:
    """Return the "requests" or "limits" of a pod at its hungriest moment."""
    total: Amounts = {}
    for container in spec.get("containers") or ():
        total = amounts.plus(total, of_container(container, key))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        wanted = of_container(container, key)
        if container.get("restartPolicy") == "Always":
            total = amounts.plus(total, wanted)
            sidecars = amounts.plus(sidecars, wanted)
            peak = amounts.at_least(peak, sidecars)
        else:
            peak = amounts.at_least(peak, amounts.plus(wanted, sidecars))
    total = amounts.at_least(total, peak)
    overhead = amounts.read(spec.get("overhead"))
    if key == "limits":  # A limit that is not set is none, whatever runs beside.
        overhead = amounts.only(overhead, total)
    return amounts.plus(total, overhead)
