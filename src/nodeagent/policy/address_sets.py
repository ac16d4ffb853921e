"""Who is in each set of addresses: one set for a selection, shared by all policies.

A pod or node that changes is asked about once for each set that may mean it: sets of one namespace
are found by its name. Of a selection with a named port there is a set for each number that its pods
give the port, since a rule of egress means the number that its receiver has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nodeagent.policy.facts import NodeFacts, PodFacts
from nodeagent.policy.spec import NodeSelection, Which

#: A number of a named port, 0 where none matters.
Number = int


def set_name(which: Which, number: Number) -> str:
    """Return the name of a set in the datapath."""
    selection, port = which
    return str(selection) if port is None else f"{selection} {port.protocol}/{port.name}={number}"


@dataclass(slots=True)
class _Set:
    which: Which
    users: int = 0
    #: Pod or node → what its port's number is, and its addresses.
    members: dict[str, tuple[Number, tuple[str, ...]]] = field(default_factory=dict)
    numbers: Counter[Number] = field(default_factory=Counter)

    def number_of(self, pod: PodFacts) -> Number | None:
        """Return the number of the port that matters, None where the pod does not have it."""
        port = self.which[1]
        return 0 if port is None else pod.ports.get((port.protocol, port.name))

    def selects(self, pod: PodFacts, namespace_labels: Mapping[str, str] | None) -> bool:
        selection = self.which[0]
        return not isinstance(selection, NodeSelection) and selection.selects(pod, namespace_labels)

    def put(self, key: str, number: Number, addresses: tuple[str, ...]) -> None:
        self.members[key] = number, addresses
        self.numbers[number] += 1

    def take(self, key: str) -> tuple[Number, tuple[str, ...]] | None:
        old = self.members.pop(key, None)
        if old is not None:
            self.numbers[old[0]] -= 1
            self.numbers += Counter()  # Without the zeros.
        return old


class AddressSets:
    """The sets that policies use, with their members."""

    def __init__(self) -> None:
        self._sets: dict[Which, _Set] = {}
        #: The same by the one namespace that they select from; "" where labels select them.
        self._by_namespace: dict[str, dict[Which, _Set]] = {}
        #: Sets whose members, or which themselves, may have changed.
        self._dirty: dict[tuple[Which, Number], None] = {}

    def use(self, which: Which) -> bool:
        """Keep a set from now on; return whether it is a new one, whose members are unknown."""
        known = self._sets.get(which)
        new = known is None
        if known is None:
            known = self._sets[which] = _Set(which)
            self._by_namespace.setdefault(_namespace(which), {})[which] = known
            if which[1] is None:
                self._dirty[which, 0] = None
        known.users += 1
        return new

    def release(self, which: Which) -> None:
        """Keep a set no longer, if nobody else uses it."""
        known = self._sets[which]
        known.users -= 1
        if not known.users:
            for number in self._numbers(known):
                self._dirty[which, number] = None
            del self._sets[which]
            place = self._by_namespace[_namespace(which)]
            del place[which]
            if not place:
                del self._by_namespace[_namespace(which)]

    def fill(
        self,
        which: Which,
        pods: Iterable[PodFacts],
        namespaces: Mapping[str, Mapping[str, str]],
        nodes: Iterable[NodeFacts],
    ) -> None:
        """Find the members of a new set; *pods* are all that may be in it."""
        known = self._sets[which]
        if isinstance(which[0], NodeSelection):
            for node in nodes:
                self._place_node(which[0], known, node)
            return
        for pod in pods:
            self._place(known, pod, namespaces.get(pod.namespace))
        for number in self._numbers(known):
            self._dirty[which, number] = None

    def numbers(self, which: Which) -> tuple[Number, ...]:
        """Return the numbers that the pods of a set give its port."""
        return tuple(sorted(self._sets[which].numbers))

    def _numbers(self, known: _Set) -> Iterable[Number]:
        return sorted(known.numbers) if known.which[1] else (0,)

    def pod_changed(
        self,
        key: str,
        namespace: str,
        pod: PodFacts | None,
        namespace_labels: Mapping[str, str] | None,
    ) -> list[Which]:
        """Place a pod anew, None when it is gone; return the sets whose numbers changed."""
        renumbered = []
        for place in (self._by_namespace.get(namespace), self._by_namespace.get("")):
            for which, known in place.items() if place else ():
                if self._replace(known, key, pod, namespace_labels):
                    renumbered.append(which)
        return renumbered

    def _replace(
        self,
        known: _Set,
        key: str,
        pod: PodFacts | None,
        namespace_labels: Mapping[str, str] | None,
    ) -> bool:
        """Place one pod in one set; return whether the set's numbers are others now."""
        before = known.members.get(key)
        number = None if pod is None else known.number_of(pod)
        inside = (
            pod is not None
            and number is not None
            and bool(pod.addresses)
            and known.selects(pod, namespace_labels)
        )
        after = (number, pod.addresses) if inside and pod and number is not None else None
        if before == after:
            return False
        numbers = set(known.numbers) if known.which[1] else None
        known.take(key)
        if after is not None:
            known.put(key, *after)
        for each in (before, after):
            if each is not None:
                self._dirty[known.which, each[0]] = None
        return numbers is not None and numbers != set(known.numbers)

    def node_changed(self, key: str, node: NodeFacts | None) -> None:
        """Place a node anew, None when it is gone."""
        for which, known in self._by_namespace.get("", {}).items():
            if isinstance(which[0], NodeSelection):
                old = known.take(key)
                if node is not None:
                    self._place_node(which[0], known, node)
                if known.members.get(key) != old:
                    self._dirty[which, 0] = None

    def _place_node(self, selection: NodeSelection, known: _Set, node: NodeFacts) -> None:
        if node.addresses and selection.labels.matches(node.labels):
            known.put(node.key, 0, node.addresses)

    def _place(
        self, known: _Set, pod: PodFacts, namespace_labels: Mapping[str, str] | None
    ) -> None:
        number = known.number_of(pod)
        if number is not None and pod.addresses and known.selects(pod, namespace_labels):
            known.put(pod.key, number, pod.addresses)

    def changes(self) -> dict[str, list[str] | None]:
        """Return what changed since last asked: addresses by name, None for a set that is gone."""
        dirty, self._dirty = self._dirty, {}
        return {set_name(which, number): self._addresses(which, number) for which, number in dirty}

    def _addresses(self, which: Which, number: Number) -> list[str] | None:
        known = self._sets.get(which)
        if known is None or (which[1] and number not in known.numbers):
            return None
        members = (each for at, each in known.members.values() if at == number)
        return sorted(address for addresses in members for address in addresses)


def _namespace(which: Which) -> str:
    """Return the one namespace whose pods a set may hold, "" where it may be several."""
    selection = which[0]
    if isinstance(selection, NodeSelection) or not isinstance(selection.namespaces, str):
        return ""
    return selection.namespaces
