"""Why a pod is where it is, or waits: the last decision about each pod, for `podwire explain pod`.

Kept in memory, for as many pods and nodes as fit the bound, the oldest first to go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from controlplane.scheduler.framework.runtime import Refusal
from controlplane.scheduler.pod_info import PodInfo
from controlplane.scheduler.schedule_one import Fits, NothingFits

#: Entries (a refusal, or a plugin's score of a node) that are kept over all decisions.
ENTRIES_MAX: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One attempt to schedule one pod."""

    pod: str
    scheduler_name: str
    at: float  # seconds of the wall clock
    attempt: int
    node_name: str  # empty: none
    message: str = ""
    refusals: Mapping[str, Refusal] = field(default_factory=dict)  # by node
    scored_nodes: tuple[str, ...] = ()  # the nodes that fit and were rated
    scores: Mapping[str, list[int]] = field(default_factory=dict)  # by plugin, in their order
    totals: tuple[int, ...] = ()
    victims: tuple[str, ...] = ()
    nominated: str = ""  # the node on which the victims make room

    @property
    def entries(self) -> int:
        """How much of the bound it takes."""
        return 1 + len(self.refusals) + len(self.scored_nodes) * (1 + len(self.scores))

    def as_object(self) -> dict[str, object]:
        """Return what is told about it."""
        return {
            "pod": self.pod,
            "scheduler": self.scheduler_name,
            "at": self.at,
            "attempt": self.attempt,
            "node": self.node_name,
            "message": self.message,
            "nominated": self.nominated,
            "victims": list(self.victims),
            "refused": [
                {"node": node, "plugin": no.plugin, "reasons": list(no.rejection.reasons)}
                for node, no in self.refusals.items()
            ],
            "scored": [
                {
                    "node": node,
                    "total": self.totals[i] if self.totals else None,
                    "plugins": {name: scores[i] for name, scores in self.scores.items()},
                }
                for i, node in enumerate(self.scored_nodes)
            ],
        }


def decision(
    pod: PodInfo, found: Fits | NothingFits, scheduler_name: str, attempt: int, now: float
) -> Decision:
    """Return what is kept of an attempt; *now* by the wall clock."""
    known = Decision(
        pod=pod.key,
        scheduler_name=scheduler_name,
        at=now,
        attempt=attempt,
        node_name="",
        refusals=found.refusals,
    )
    if isinstance(found, NothingFits):
        victims = tuple(victim.key for victim in found.preemption.victims)
        promised = found.preemption.node_name
        return replace(known, message=found.message, victims=victims, nominated=promised)
    nodes, scored = tuple(node.name for node in found.nodes), found.scored
    decided = replace(known, node_name=found.node_name, scored_nodes=nodes)
    if scored is None:
        return decided
    return replace(decided, scores=scored.by_plugin, totals=tuple(scored.totals))


def failure(pod: PodInfo, why: str, scheduler_name: str, attempt: int, now: float) -> Decision:
    """Return what is kept of an attempt that a plugin broke down in."""
    return Decision(
        pod=pod.key,
        scheduler_name=scheduler_name,
        at=now,
        attempt=attempt,
        node_name="",
        message=why,
    )


class Explanations:
    """The last decision about each pod."""

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._decisions: dict[str, Decision] = {}  # the oldest first
        self._entries = 0

    def note(self, decision: Decision) -> None:
        """Keep *decision* instead of an earlier one about the same pod."""
        self.forget(decision.pod)
        self._decisions[decision.pod] = decision
        self._entries += decision.entries
        while self._entries > self._entries_max and len(self._decisions) > 1:
            self.forget(next(iter(self._decisions)))

    def forget(self, pod: str) -> None:
        old = self._decisions.pop(pod, None)
        if old is not None:
            self._entries -= old.entries

    def get(self, pod: str) -> Decision | None:
        return self._decisions.get(pod)
