"""Quality of service of a pod: what is sacrificed first when memory runs out (GetPodQOS)."""

from __future__ import annotations

from typing import Final

from kubeapi.objects import Object
from kubeapi.quantity import QuantityError, parse_quantity

_COUNTED: Final = ("cpu", "memory")


def qos_class(spec: Object) -> str:
    """Return Guaranteed, Burstable or BestEffort."""
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    if all(_is_guaranteed(container) for container in containers):
        return "Guaranteed"
    asked = any(
        _counted(container, key) for container in containers for key in ("requests", "limits")
    )
    return "Burstable" if asked else "BestEffort"


def _counted(container: Object, key: str) -> Object:
    quantities = (container.get("resources") or {}).get(key) or {}
    return {name: quantities[name] for name in _COUNTED if _is_positive(quantities.get(name))}


def _is_positive(text: str | int | float | None) -> bool:
    try:
        return text is not None and parse_quantity(text) > 0
    except QuantityError:
        return False


def _is_guaranteed(container: Object) -> bool:
    requests, limits = _counted(container, "requests"), _counted(container, "limits")
    return len(limits) == len(_COUNTED) and all(
        name not in requests or parse_quantity(requests[name]) == parse_quantity(limits[name])
        for name in _COUNTED
    )
