"""A DaemonSet, its nodes and the pods that it has on each, as one look sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.daemon.placement import Placement, Verdict
from controlplane.controllermanager.daemon.pods import is_updated, target_node
from controlplane.controllermanager.int_or_percent import Rounding, resolve
from kubeapi.objects import Object, name_of

_ELSEWHERE: Final = Verdict(False, False)


@dataclass(frozen=True, slots=True)
class View:
    """What is decided about."""

    daemon_set: Object
    #: By node's name, in the nodes' order.
    verdicts: Mapping[str, Verdict]
    pods: Mapping[str, Sequence[Object]]
    hash: str
    now: float
    #: How many nodes should have a pod, and how an update may leave them meanwhile.
    desired: int
    max_surge: int
    max_unavailable: int

    def verdict(self, node: str) -> Verdict:
        return self.verdicts.get(node, _ELSEWHERE)

    def is_updated(self, pod: Object) -> bool:
        return is_updated(pod, self.daemon_set, self.hash)

    def is_available(self, pod: Object) -> bool:
        if not self.min_ready_s:
            return pod_facts.is_ready(pod)
        return pod_facts.available_in_s(pod, self.min_ready_s, self.now) == 0

    @property
    def min_ready_s(self) -> int:
        return self.daemon_set["spec"].get("minReadySeconds") or 0


def view_of(
    daemon_set: Object,
    nodes: Iterable[Object],
    pods: Iterable[Object],
    revision_hash: str,
    now: float,
) -> View:
    """Return *daemon_set* with its verdicts on *nodes* and its *pods* by node."""
    placement = Placement(daemon_set)
    on_node: dict[str, list[Object]] = {}
    for pod in pods:
        if target := target_node(pod):
            on_node.setdefault(target, []).append(pod)
    verdicts = {name_of(node): placement.judge(node) for node in nodes}
    desired = sum(verdict.should_run for verdict in verdicts.values())
    surge = _share(daemon_set, "maxSurge", 0, desired)
    unavailable = _share(daemon_set, "maxUnavailable", 1, desired)
    return View(
        daemon_set,
        verdicts,
        on_node,
        revision_hash,
        now,
        desired=desired,
        max_surge=surge,
        # Neither would let nothing ever move.
        max_unavailable=1 if desired and not unavailable and not surge else unavailable,
    )


def _share(daemon_set: Object, field: str, default: int, desired: int) -> int:
    strategy = daemon_set["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return 0
    value = (strategy.get("rollingUpdate") or {}).get(field)
    return resolve(default if value is None else value, desired, Rounding.UP)
