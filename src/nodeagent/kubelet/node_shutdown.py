"""Ending a node's pods before the node goes (upstream: pkg/kubelet/nodeshutdown).

Pods go group by group, the least important first; each has the time of its group, or its own when
that is less. A group that has ended is not waited for any longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kubeapi.objects import Object
from nodeagent.kubelet.configuration import PriorityGrace
from nodeagent.kubelet.pod_resources import priority_of
from nodeagent.kubelet.pod_status import Termination

REASON: Final = "Terminated"
MESSAGE: Final = "Pod was terminated in response to imminent node shutdown."
NOT_ADMITTED: Final = ("NodeShutdown", "Pod was rejected as the node is shutting down.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownGroup:
    """Pods that are ended together."""

    grace_s: float
    pods: tuple[Object, ...]


def group_by_priority(
    graces: Sequence[PriorityGrace], pods: Sequence[Object]
) -> list[ShutdownGroup]:
    """Return who goes when; *graces* are in order of priority, and not none."""
    assert graces
    members: list[list[Object]] = [[] for _ in graces]
    for pod in pods:
        priority = priority_of(pod)
        # Below all of them is of the lowest group, above all of the highest.
        index = sum(each.priority <= priority for each in graces)
        members[max(0, index - 1)].append(pod)
    return [
        ShutdownGroup(grace_s=grace.grace_s, pods=tuple(group))
        for grace, group in zip(graces, members, strict=True)
    ]


def termination(pod: Object, group: ShutdownGroup) -> Termination:
    """Return how a pod of *group* ends."""
    own = pod["spec"].get("terminationGracePeriodSeconds")
    grace_s = group.grace_s if own is None else min(float(own), group.grace_s)
    return Termination(reason=REASON, message=MESSAGE, grace_s=grace_s)
