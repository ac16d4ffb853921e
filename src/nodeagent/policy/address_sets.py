"""Who is in each set of addresses: one set for a selection of pods, shared by all policies.

A pod that changes is asked about once for each set; nothing is counted anew. Of a selection with a
named port there is a set for each number that its pods give the port, since a rule of egress means
the number that its receiver has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodeagent.policy.spec import NamedPort, PodFacts, Selection

#: What a set is for: a selection, and the named port of its pods if that matters.
Which = tuple[Selection, NamedPort | None]
#: A number of a named port, 0 where none matters.
Number = int


def set_name(which: Which, number: Number) -> str:
    """Return the name of a set in the datapath."""
    selection, port = which
    return str(selection) if port is None else f"{selection} {port.protocol}/{port.name}={number}"


@dataclass(slots=True)
class _Set:
    users: int = 0
    #: Pod → what its port's number is, and its addresses.
    members: dict[str, tuple[Number, tuple[str, ...]]] = field(default_factory=dict)

    def numbers(self) -> list[Number]:
        return sorted({number for number, _ in self.members.values()})


class AddressSets:
    """The sets that policies use, with their members."""

    def __init__(self) -> None:
        self._sets: dict[Which, _Set] = {}
        #: Sets whose members, or which themselves, may have changed.
        self._dirty: dict[tuple[Which, Number], None] = {}

    def use(
        self,
        which: Which,
        pods: Mapping[str, PodFacts],
        namespaces: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Keep the members of a set from now on; *pods* are all, *namespaces* their labels."""
        known = self._sets.get(which)
        if known is None:
            known = self._sets[which] = _Set()
            for pod in pods.values():
                self._place(which, known, pod, namespaces.get(pod.namespace))
            for number in known.numbers() if which[1] else [0]:
                self._dirty[which, number] = None
        known.users += 1

    def release(self, which: Which) -> None:
        """Keep a set no longer, if nobody else uses it."""
        known = self._sets[which]
        known.users -= 1
        if not known.users:
            for number in known.numbers() if which[1] else [0]:
                self._dirty[which, number] = None
            del self._sets[which]

    def numbers(self, which: Which) -> tuple[Number, ...]:
        """Return the numbers that the pods of a set give its port."""
        return tuple(self._sets[which].numbers())

    def pod_changed(
        self, key: str, pod: PodFacts | None, namespace_labels: Mapping[str, str] | None
    ) -> list[Which]:
        """Place a pod anew, None when it is gone; return the sets whose numbers changed."""
        renumbered = []
        for which, known in self._sets.items():
            before = known.numbers() if which[1] else []
            old = known.members.pop(key, None)
            if pod is not None:
                self._place(which, known, pod, namespace_labels)
            new = known.members.get(key)
            if new == old:
                continue
            for each in (old, new):
                if each is not None:
                    self._dirty[which, each[0]] = None
            if which[1] and known.numbers() != before:
                renumbered.append(which)
        return renumbered

    def _place(
        self, which: Which, known: _Set, pod: PodFacts, namespace_labels: Mapping[str, str] | None
    ) -> None:
        selection, port = which
        number = 0 if port is None else pod.ports.get((port.protocol, port.name), -1)
        if pod.addresses and number >= 0 and selection.selects(pod, namespace_labels):
            known.members[pod.key] = number, pod.addresses

    def changes(self) -> dict[str, list[str] | None]:
        """Return what changed since last asked: addresses by name, None for a set that is gone."""
        dirty, self._dirty = self._dirty, {}
        return {set_name(which, number): self._addresses(which, number) for which, number in dirty}

    def _addresses(self, which: Which, number: Number) -> list[str] | None:
        known = self._sets.get(which)
        if known is None or (which[1] and number not in known.numbers()):
            return None
        members = (each for at, each in known.members.values() if at == number)
        return sorted(address for addresses in members for address in addresses)
