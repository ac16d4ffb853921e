"""The taints that follow from a node's conditions (upstream: pkg/controller/nodelifecycle).

NoSchedule taints follow at once. NoExecute taints, which evict, are for not-ready and
unreachable only, and the caller decides when one may be added (`nodelifecycle.zones`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from controlplane.controllermanager.nodelifecycle.health import ready_status
from kubeapi.objects import Object, condition

NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"

#: (condition, status) → key of the NoSchedule taint.
CONDITION_TAINTS: Final = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
}
_OURS: Final = frozenset({*CONDITION_TAINTS.values(), UNSCHEDULABLE})
_EVICTING: Final = (NOT_READY, UNREACHABLE)


def no_schedule_keys(node: Object) -> list[str]:
    """Return the keys of the NoSchedule taints that *node* should have of us."""
    keys = [
        key
        for (type, status), key in CONDITION_TAINTS.items()
        if (found := condition(node, type)) is not None and found.get("status") == status
    ]
    if (node.get("spec") or {}).get("unschedulable"):
        keys.append(UNSCHEDULABLE)
    return keys


def no_execute_key(node: Object) -> str | None:
    """Return the key of the NoExecute taint that *node*'s readiness asks for."""
    return {"True": None, "False": NOT_READY}.get(ready_status(node), UNREACHABLE)


def taints_of(node: Object) -> list[Object]:
    found: list[Object] = (node.get("spec") or {}).get("taints") or []
    return found


def has_no_execute(node: Object) -> bool:
    """Return whether one of our evicting taints is on *node*."""
    return any(
        taint["effect"] == "NoExecute" and taint["key"] in _EVICTING for taint in taints_of(node)
    )


def wanted_taints(node: Object, *, evict: bool, now_text: str, spare: bool = False) -> list[Object]:
    """Return *node*'s taints as they should be.

    Other people's taints stay. A NoExecute taint that is due is added only with *evict*; one
    that is there changes its key with the node's readiness, and goes when the node is ready, or
    when *spare* says that no node is to be evicted now.
    """
    before = taints_of(node)
    wanted = [(key, "NoSchedule") for key in no_schedule_keys(node)]
    evicting = no_execute_key(node)
    if evicting is not None and not spare and (evict or has_no_execute(node)):
        wanted.append((evicting, "NoExecute"))
    kept = [
        taint
        for taint in before
        if not _is_ours(taint) or (taint["key"], taint["effect"]) in wanted
    ]
    have = [(taint["key"], taint["effect"]) for taint in kept]
    added = [
        {"key": key, "effect": effect, "timeAdded": now_text}
        for key, effect in wanted
        if (key, effect) not in have
    ]
    return kept + added


def texts(taints: Iterable[Object]) -> list[str]:
    """Return *taints* as `kubectl taint` writes them, without values: `KEY:EFFECT`."""
    return [f"{taint['key']}:{taint['effect']}" for taint in taints]


def _is_ours(taint: Object) -> bool:
    if taint["effect"] == "NoExecute":
        return taint["key"] in _EVICTING
    return taint["effect"] == "NoSchedule" and taint["key"] in _OURS
