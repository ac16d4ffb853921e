"""In which order pods leave a node that runs short (helpers.go: rankMemoryPressure and its kin)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from kubeapi.objects import Object
from nodeagent.kubelet.pod_resources import pod_requests, priority_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a pod uses; of each of its containers what is known of it alone."""

    memory: int = 0
    storage: int = 0
    processes: int = 0
    containers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def of(self, resource: str) -> int:
        """Return the amount of a resource that can be reclaimed."""
        amounts = {
            "memory": self.memory,
            "ephemeral-storage": self.storage,
            "pids": self.processes,
        }
        return amounts.get(resource, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A pod that runs here, and its usage where it was measured."""

    pod: Object
    usage: Usage | None = None


#: By which a pod goes the sooner, the smaller it is.
_Key = tuple[bool, bool, int, Fraction]


def rank(resource: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return *candidates* in the order in which they have to go to reclaim *resource*."""
    return sorted(candidates, key=_BY_RESOURCE.get(resource, _by_consumption)(resource))


def _by_consumption(resource: str) -> Callable[[Candidate], _Key]:
    """First who is above his request, then by priority, then by how far above."""

    def key(candidate: Candidate) -> _Key:
        asked = pod_requests(candidate.pod).get(resource, Fraction(0))
        usage = candidate.usage
        if usage is None:  # Who was not measured goes first.
            return (False, False, priority_of(candidate.pod), Fraction(0))
        beyond = usage.of(resource) - asked
        return (True, beyond <= 0, priority_of(candidate.pod), -beyond)

    return key


def _by_processes(resource: str) -> Callable[[Candidate], _Key]:
    """By priority, then by the number of processes."""

    def key(candidate: Candidate) -> _Key:
        count = candidate.usage.of(resource) if candidate.usage is not None else 0
        return (True, True, priority_of(candidate.pod), Fraction(-count))

    return key


_BY_RESOURCE: Final = {"pids": _by_processes}
