"""When a node is under pressure, and which pod it puts off then (eviction_manager.go).

A threshold that is met raises a condition of the Node at once; a soft one moves somebody only when
it has been met all through its grace period. A condition stays until it was not observed for the
transition period; a threshold counts as met until so much more was reclaimed as its minimum says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from kubeapi.objects import Object
from kubeapi.quantity import Format, format
from nodeagent.kubelet.eviction.ranking import Candidate, rank
from nodeagent.kubelet.eviction.thresholds import MEMORY, NODE_CONDITIONS, RESOURCES, Threshold
from nodeagent.kubelet.pod_resources import is_best_effort, is_critical, requests_of

REASON: Final = "Evicted"
#: immediateEvictionGracePeriodSeconds.
IMMEDIATE_S: Final = 1.0
_MEMORY_PRESSURE: Final = "MemoryPressure"
_MEMORY_TAINT: Final = "node.kubernetes.io/memory-pressure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """How much of what a signal is about there is, and how much is left of it."""

    available: Fraction
    capacity: Fraction


Observations = Mapping[str, Observation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """The pod that goes, and what it is told."""

    pod: Object
    message: str
    grace_s: float


class EvictionManager:
    """The thresholds of one node, and since when they are met."""

    def __init__(
        self,
        thresholds: Sequence[Threshold],
        *,
        transition_s: float,
        max_pod_grace_s: float = 0.0,
    ) -> None:
        self._thresholds, self._transition_s = tuple(thresholds), transition_s
        self._max_pod_grace_s = max_pod_grace_s
        #: Which conditions of the Node are raised.
        self.conditions: tuple[str, ...] = ()
        self._observed_at: dict[str, float] = {}
        self._first_met_at: dict[Threshold, float] = {}
        self._met: tuple[Threshold, ...] = ()

    @property
    def idle(self) -> bool:
        """Tell whether there is nothing to watch for."""
        return not self._thresholds

    def observe(self, observations: Observations, now: float) -> list[Threshold]:
        """Take what was measured; return the thresholds to act upon, the most urgent first."""
        met = met_thresholds(self._thresholds, observations)
        unresolved = met_thresholds(self._met, observations, with_reclaim=True)
        met += [each for each in unresolved if each not in met]
        self._first_met_at = {each: self._first_met_at.get(each, now) for each in met}
        for each in met:
            self._observed_at[NODE_CONDITIONS[each.signal]] = now
        # One that is observed right now counts, whatever the period is.
        self.conditions = tuple(
            condition
            for condition, at in self._observed_at.items()
            if at == now or now - at < self._transition_s
        )
        due = [each for each, since in self._first_met_at.items() if now - since >= each.grace_s]
        self._met = tuple(due)
        return sorted(due, key=lambda each: each.signal != MEMORY)

    def still_short(self, observations: Observations) -> bool:
        """Tell whether something is short after what could be reclaimed without a pod was."""
        return bool(met_thresholds(self._thresholds, observations, with_reclaim=True))

    def victim(
        self, threshold: Threshold, candidates: Sequence[Candidate], observations: Observations
    ) -> Victim | None:
        """Return who goes because of *threshold*; critical pods never do."""
        resource = RESOURCES[threshold.signal]
        for candidate in rank(resource, candidates):
            if not is_critical(candidate.pod):
                observation = observations.get(threshold.signal)
                return Victim(
                    pod=candidate.pod,
                    message=eviction_message(threshold, candidate, observation),
                    grace_s=IMMEDIATE_S if threshold.hard else self._max_pod_grace_s,
                )
        return None

    def refusal(self, pod: Object) -> tuple[str, str] | None:
        """Return why a node under pressure does not take *pod* (Admit)."""
        if not self.conditions or is_critical(pod):
            return None
        if self.conditions == (_MEMORY_PRESSURE,) and (
            not is_best_effort(pod) or _tolerates_memory_pressure(pod)
        ):
            return None
        return REASON, f"The node had condition: [{' '.join(self.conditions)}]. "


def met_thresholds(
    thresholds: Sequence[Threshold], observations: Observations, *, with_reclaim: bool = False
) -> list[Threshold]:
    """Return those of *thresholds* that are met, whatever their grace (thresholdsMet)."""
    found = []
    for threshold in thresholds:
        observed = observations.get(threshold.signal)
        if observed is None:
            continue
        wanted = threshold.value.of(observed.capacity)
        if with_reclaim and threshold.min_reclaim is not None:
            wanted += threshold.min_reclaim.of(observed.capacity)
        if wanted > observed.available:
            found.append(threshold)
    return found


def eviction_message(
    threshold: Threshold, candidate: Candidate, observation: Observation | None
) -> str:
    """Return what the pod is told (evictionMessage)."""
    resource = RESOURCES[threshold.signal]
    message = f"The node was low on resource: {resource}. "
    if observation is not None:
        wanted = _text(threshold.value.of(observation.capacity), resource)
        left = _text(observation.available, resource)
        message += f"Threshold quantity: {wanted}, available: {left}. "
    used = candidate.usage.containers if candidate.usage is not None else {}
    for container in candidate.pod["spec"].get("containers") or ():
        amount = used.get(container["name"], {}).get(resource)
        asked = requests_of(container).get(resource, Fraction(0))
        if amount is not None and amount > asked:
            message += (
                f"Container {container['name']} was using {_text(amount, resource)}, request is"
                f" {_text(asked, resource)}, has larger consumption of {resource}. "
            )
    return message


def _text(amount: Fraction | int, resource: str) -> str:
    how = Format.DECIMAL_SI if resource in ("pids", "inodes") else Format.BINARY_SI
    return format(Fraction(int(amount)), how)


def _tolerates_memory_pressure(pod: Object) -> bool:
    for each in pod["spec"].get("tolerations") or ():
        key, effect = each.get("key") or "", each.get("effect") or ""
        exists = each.get("operator") == "Exists" or (key and not each.get("value"))
        if exists and key in ("", _MEMORY_TAINT) and effect in ("", "NoSchedule"):
            return True
    return False
