"""How much of what: a pod's requests and a node's allocatable, as integers.

CPU counts in thousandths, everything else in whole units (upstream: `framework.Resource`).
"""

from __future__ import annotations

from typing import Final

from kubeapi import quantity
from kubeapi.objects import Object

CPU: Final = "cpu"
MEMORY: Final = "memory"
PODS: Final = "pods"

#: What scoring assumes of a container that requests nothing (upstream: util.DefaultMilliCPU…):
#: else any number of such pods would look free.
UNREQUESTED: Final = {CPU: 100, MEMORY: 200 * 1024 * 1024}

Amounts = dict[str, int]


def amounts(quantities: Object | None) -> Amounts:
    """Read a map of quantities."""
    return {name: _amount(name, text) for name, text in (quantities or {}).items()}


def _amount(name: str, text: str) -> int:
    return quantity.milli(text) if name == CPU else quantity.value(text)


def add(total: Amounts, more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def subtract(total: Amounts, less: Amounts) -> None:
    for name, amount in less.items():
        total[name] = total.get(name, 0) - amount


def _raise_to(total: Amounts, least: Amounts) -> None:
    for name, amount in least.items():
        total[name] = max(total.get(name, 0), amount)


def requests_of(spec: Object) -> Amounts:
    """Return what a pod needs at its hungriest moment (upstream: resource.PodRequests).

    Containers run together with the restartable init containers (sidecars); other init
    containers run one at a time, beside the sidecars started before them.
    """
    total: Amounts = {}
    for container in spec.get("containers") or ():
        add(total, _container_requests(container))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        wanted = _container_requests(container)
        if container.get("restartPolicy") == "Always":
            add(total, wanted)
            add(sidecars, wanted)
            _raise_to(peak, sidecars)
        else:
            add(wanted, sidecars)
            _raise_to(peak, wanted)
    _raise_to(total, peak)
    add(total, amounts(spec.get("overhead")))
    return {name: amount for name, amount in total.items() if amount}


def _container_requests(container: Object) -> Amounts:
    return amounts((container.get("resources") or {}).get("requests"))


def scored_requests_of(spec: Object, requests: Amounts) -> Amounts:
    """Return CPU and memory as scoring counts them, guessing for containers that say nothing."""
    guessed = {
        name: sum(
            default
            for container in spec.get("containers") or ()
            if name not in ((container.get("resources") or {}).get("requests") or {})
        )
        for name, default in UNREQUESTED.items()
    }
    return {name: requests.get(name, 0) + more for name, more in guessed.items()}
