"""Who can talk to whom: every pair of groups of pods, judged as their packets would be.

Pods of one namespace with the same labels and ports are one group, as the replicas of a Deployment
are. A cell says whether all, none or some of its pods and ports are allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from nodeagent.policy.evaluation import Evaluation, Flow
from nodeagent.policy.facts import HASH_LABEL, PodFacts

#: A protocol and a port.
Port = tuple[str, int]
#: Judgements of one matrix: beyond, the user must choose.
JUDGEMENTS_MAX: Final = 2_000_000


class TooMany(Exception):
    """The matrix would take too long; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Group:
    """Pods that policies cannot tell apart, but by address; or one end beyond the pods."""

    name: str
    #: The addresses of each of its pods.
    members: tuple[tuple[str, ...], ...]
    ports: tuple[Port, ...]

    @property
    def text(self) -> str:
        return self.name if len(self.members) == 1 else f"{self.name} ×{len(self.members)}"


@dataclass(frozen=True, slots=True)
class Cell:
    """How many of the connections of two groups are allowed."""

    allowed: int
    judged: int

    @property
    def verdict(self) -> str:
        if not self.judged:
            return "none"
        return "allowed" if self.allowed == self.judged else "partly" if self.allowed else "denied"


def groups(pods: Iterable[PodFacts], declared: Mapping[str, Sequence[Port]]) -> list[Group]:
    """Group *pods*; *declared* are the ports of their containers, by pod."""
    found: dict[tuple[object, ...], list[PodFacts]] = {}
    for pod in sorted(pods, key=lambda pod: pod.key):
        labels = tuple(sorted(pod.labels.items()))
        key = pod.namespace, labels, tuple(declared.get(pod.key, ()))
        found.setdefault(key, []).append(pod)
    return [
        Group(
            _name(members),
            tuple(pod.addresses for pod in members),
            tuple(declared.get(members[0].key, ())),
        )
        for members in found.values()
    ]


def _name(pods: Sequence[PodFacts]) -> str:
    """Return what made the pods, if that can be seen, or else the first one's name."""
    first = pods[0]
    made_from = first.labels.get(HASH_LABEL)
    if made_from and f"-{made_from}-" in first.key:
        return first.key.partition(f"-{made_from}-")[0]
    return first.key


def matrix(
    evaluation: Evaluation,
    sources: Sequence[Group],
    destinations: Sequence[Group],
    ports: Sequence[Port],
) -> list[list[Cell]]:
    """Judge every pair; *ports*, or else the destination's own, or else TCP 80. Raises TooMany."""
    asked = [tuple(ports) or group.ports or (("TCP", 80),) for group in destinations]
    sizes = zip(destinations, asked, strict=True)
    count = sum(len(group.members) for group in sources) * sum(
        len(group.members) * len(each) for group, each in sizes
    )
    if count > JUDGEMENTS_MAX:
        raise TooMany(f"{count:,} connections to judge: choose with -n NAMESPACE and --port PORT")
    return [
        [
            _cell(evaluation, source, destination, each)
            for destination, each in zip(destinations, asked, strict=True)
        ]
        for source in sources
    ]


def _cell(evaluation: Evaluation, source: Group, destination: Group, ports: Sequence[Port]) -> Cell:
    allowed = judged = 0
    for sender in source.members:
        for receiver in destination.members:
            ends = common(sender, receiver)
            if ends is None or (source is destination and sender is receiver and _more(source)):
                continue
            for protocol, port in ports:
                judged += 1
                flow = Flow(*ends, protocol, port)
                allowed += evaluation.judge(flow).denial is None
    return Cell(allowed, judged)


def _more(group: Group) -> bool:
    """Tell whether there are others to speak with than oneself."""
    return len(group.members) > 1


def common(sender: Sequence[str], receiver: Sequence[str]) -> tuple[str, str] | None:
    """Return an address of each, of the first family that both have."""
    for mine in sender:
        for theirs in receiver:
            if ip_address(mine).version == ip_address(theirs).version:
                return mine, theirs
    return None
