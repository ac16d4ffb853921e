"""One look at a StatefulSet: what is to be done now, in this order (upstream: updateStatefulSet).

Ordered sets do one thing at a time: each pod waits until its predecessors are available, pods
that are too many go from the highest ordinal down, and only when all stand is the next pod of an
older revision ended. Parallel sets make and end pods at once and are updated one by one all the
same. Deviation: upstream acts while it looks; here the look ends first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.history.revisions import template_of
from controlplane.controllermanager.statefulset import claims
from controlplane.controllermanager.statefulset.pods import (
    has_identity,
    in_range,
    is_available,
    is_created,
    is_unavailable,
    new_pod,
    ordinal_of,
    revision_of,
    start_ordinal,
    wanted,
    with_identity,
)
from kubeapi.objects import Object, name_of


@dataclass(frozen=True, slots=True)
class World:
    """What is decided about."""

    stateful_set: Object
    pods: Sequence[Object]
    #: The namespace's claims, by name.
    claims: Mapping[str, Object]
    #: The revision that is left and the one that is gone to; the same when nothing is updated.
    current: Object
    update: Object
    now: float

    @property
    def min_ready_s(self) -> int:
        return self.stateful_set["spec"].get("minReadySeconds") or 0

    @property
    def is_parallel(self) -> bool:
        return bool(self.stateful_set["spec"].get("podManagementPolicy") == "Parallel")

    @property
    def is_rolling(self) -> bool:
        strategy = self.stateful_set["spec"].get("updateStrategy") or {}
        return bool(strategy.get("type", "RollingUpdate") == "RollingUpdate")

    @property
    def partition(self) -> int:
        strategy = self.stateful_set["spec"].get("updateStrategy") or {}
        return (strategy.get("rollingUpdate") or {}).get("partition") or 0

    def is_unavailable(self, pod: Object) -> bool:
        return is_unavailable(pod, self.min_ready_s, self.now)

    def is_available(self, pod: Object) -> bool:
        return is_available(pod, self.min_ready_s, self.now)

    def pod_for(self, ordinal: int) -> Object:
        """Return the pod that is to be made for *ordinal*: below the partition an old one."""
        of_old = self.is_rolling and ordinal < start_ordinal(self.stateful_set) + self.partition
        revision = self.current if of_old else self.update
        return new_pod(self.stateful_set, template_of(revision), name_of(revision), ordinal)


@dataclass(slots=True)
class Steps:
    """What is to be done, in this order: claims, pods that are made, changed, ended."""

    create_claims: list[Object] = field(default_factory=list)
    update_claims: list[Object] = field(default_factory=list)
    create: list[Object] = field(default_factory=list)
    update: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


#: Most pods that one look makes or ends.
BURST_MAX: Final = 500


def plan(world: World) -> Steps:
    """Return what is to be done now."""
    steps = Steps()
    stateful_set = world.stateful_set
    if pod_facts.is_terminating(stateful_set):
        return steps
    replicas = _replicas(world)
    for pod in replicas:
        if _tend(world, pod, steps) and not world.is_parallel:
            return steps
    condemned = [pod for pod in world.pods if not in_range(stateful_set, pod)]
    condemned.sort(key=ordinal_of, reverse=True)
    for pod in condemned:
        steps.update_claims += claims.reowned(stateful_set, pod, world.claims)
    if world.is_parallel:
        steps.delete += [pod for pod in condemned if not pod_facts.is_terminating(pod)]
    elif condemned:
        steps.delete += _last(world, condemned)
        return steps
    if world.is_rolling:
        _roll(world, replicas, steps)
    return steps


def _replicas(world: World) -> list[Object]:
    """Return the wanted pods by ordinal; those that there are not, as they are to be made."""
    start = start_ordinal(world.stateful_set)
    there = {ordinal_of(pod): pod for pod in world.pods}
    ordinals = range(start, start + wanted(world.stateful_set))
    return [there.get(ordinal) or world.pod_for(ordinal) for ordinal in ordinals]


def _tend(world: World, pod: Object, steps: Steps) -> bool:
    """Do what one wanted pod needs; return whether the next ones have to wait for it."""
    if not is_created(pod):
        _make(world, pod, steps)
        return True
    leaves = pod_facts.is_terminating(pod)
    if pod_facts.is_finished(pod):
        if not leaves:
            steps.delete.append(pod)  # However it ended: it is made anew when it has gone.
        return True
    if pod_facts.phase(pod) == "Pending" and not leaves:
        steps.create_claims += claims.missing_claims(world.stateful_set, pod, world.claims)
    waits = world.is_unavailable(pod)
    if waits and not world.is_parallel:
        return True
    steps.update_claims += claims.reowned(world.stateful_set, pod, world.claims)
    if not has_identity(world.stateful_set, pod) and not leaves:
        steps.update.append(with_identity(world.stateful_set, pod))
    return waits


def _make(world: World, pod: Object, steps: Steps) -> None:
    if len(steps.create) >= BURST_MAX or claims.is_blocked(world.stateful_set, pod, world.claims):
        return
    steps.create_claims += claims.missing_claims(world.stateful_set, pod, world.claims)
    steps.update_claims += claims.reowned(world.stateful_set, pod, world.claims)
    steps.create.append(pod)


def _last(world: World, condemned: Sequence[Object]) -> list[Object]:
    """Return the last of the pods that are too many, if it is its turn to go.

    One that does not work holds up those above it, and may itself go.
    """
    last = condemned[0]
    if pod_facts.is_terminating(last):
        return []
    broken = [pod for pod in condemned if world.is_unavailable(pod)]
    if world.is_available(last) or last is broken[-1]:
        return [last]
    return []


def _roll(world: World, replicas: Sequence[Object], steps: Steps) -> None:
    """End the last pod that is not of the newest revision, once all above it work."""
    for pod in reversed(replicas[world.partition :]):
        if any(pod is one for one in (*steps.create, *steps.delete)):
            return
        if revision_of(pod) != name_of(world.update) and not pod_facts.is_terminating(pod):
            steps.delete.append(pod)
            return
        if world.is_unavailable(pod):
            return
