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

    @property
    def desired(self) -> int:
        return sum(verdict.should_run for verdict in self.verdicts.values())

    @property
    def max_surge(self) -> int:
        return self._share("maxSurge", 0)

    @property
    def max_unavailable(self) -> int:
        wanted = self._share("maxUnavailable", 1)
        # Neither would let nothing ever move.
        return 1 if self.desired and not wanted and not self.max_surge else wanted

    def _share(self, field: str, default: int) -> int:
        strategy = self.daemon_set["spec"].get("updateStrategy") or {}
        if strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return 0
        value = (strategy.get("rollingUpdate") or {}).get(field)
        return resolve(default if value is None else value, self.desired, Rounding.UP)

    def verdict(self, node: str) -> Verdict:
        return self.verdicts.get(node, _ELSEWHERE)

    def is_updated(self, pod: Object) -> bool:
        return is_updated(pod, self.daemon_set, self.hash)

    def is_available(self, pod: Object) -> bool:
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
    return View(daemon_set, verdicts, on_node, revision_hash, now)
