"""Network policies as the packet path sees them: who may speak with this node's pods.

What policies say of a pod stands in tiers (`policy_rules`), for each direction. Egress is judged
where the sender is, ingress where the receiver is, both behind the translation to an endpoint and
before that of the source. Answers, and errors about what was allowed, pass; so does what the node
itself sends, and what a pod sends to its own node.

What a connection was allowed under is remembered as the tables' generation: after a change that
may forbid something, the next packet of every connection is judged again, as Cilium and
OVN-Kubernetes do (Calico lets them go on). Judgements are kept until the next change of any kind,
so that the thousandth connection of two pods costs one look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from nodeagent.datapath import policy_rules, tables
from nodeagent.datapath.packet import FlowTuple
from nodeagent.datapath.policy_log import PolicyLog
from nodeagent.datapath.policy_rules import Ruling, Sets, Side

#: Deciding policies that are counted apart; all are forgotten at this number.
_DENIED_MAX: Final = 4096
#: Judgements that are kept; all are forgotten at this number.
_JUDGED_MAX: Final = 8192

#: Source, destination, protocol, the receiver's port.
_Question = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class PodRules:
    """A pod of this node that policies are about."""

    pod: str
    addresses: tuple[int, ...]
    ingress: Side
    egress: Side
    narrowing_sets: frozenset[str]

    @classmethod
    def of(cls, entry: tables.Policy) -> PodRules:
        """Translate texts; raises ValueError when one makes no sense."""
        return cls(
            entry.pod,
            tuple(int(ip_address(address)) for address in entry.addresses),
            policy_rules.side(entry.ingress, entry.pod, "ingress"),
            policy_rules.side(entry.egress, entry.pod, "egress"),
            policy_rules.narrowing_sets(entry),
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What policies say of a connection."""

    #: What each tier ruled, egress before ingress; nobody is asked behind a denial.
    rulings: tuple[Ruling, ...]
    denial: Ruling | None
    #: Those that the flow log tells of.
    noted: tuple[Ruling, ...]

    @classmethod
    def of(cls, rulings: Sequence[Ruling]) -> Judgement:
        """Return what *rulings* come to."""
        denial = rulings[-1] if rulings and rulings[-1].action == "deny" else None
        noted = tuple(each for each in rulings if each.log or each is denial)
        return cls(tuple(rulings), denial, noted)


@dataclass(slots=True)
class NetworkPolicies:
    """The pods of a node that policies are about, and the sets of addresses that rules name."""

    #: Grows with every change that may forbid what was allowed.
    generation: int = 1
    #: Packets by what decided against them.
    denied: Counter[str] = field(default_factory=Counter)
    log: PolicyLog = field(default_factory=PolicyLog)
    _sets: Sets = field(default_factory=Sets)
    _entries: dict[str, tables.Policy] = field(default_factory=dict)
    _rules: dict[str, PodRules] = field(default_factory=dict)
    _by_address: dict[int, PodRules] = field(default_factory=dict)
    _judged: dict[_Question, Judgement] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._entries)

    def replace(self, entries: Iterable[tables.Policy]) -> None:
        """Say what policies say of pods; raises ValueError and changes nothing."""
        pairs = [(entry, PodRules.of(entry)) for entry in entries]
        for entry, rules in pairs:
            self._forget(entry.pod)
            self._entries[entry.pod], self._rules[entry.pod] = entry, rules
            for address in rules.addresses:
                self._by_address[address] = rules
        self.generation += 1
        self._judged.clear()

    def delete(self, pods: Iterable[str]) -> None:
        """No policy is about these pods any more."""
        for pod in pods:
            self._forget(pod)
        self._judged.clear()

    def _forget(self, pod: str) -> None:
        self._entries.pop(pod, None)
        rules = self._rules.pop(pod, None)
        for address in rules.addresses if rules else ():
            if self._by_address.get(address) is rules:
                del self._by_address[address]

    def replace_sets(self, entries: Iterable[tables.AddressSet]) -> bool:
        """Say who is in sets; return whether that may forbid what was allowed."""
        sets = {
            entry.name: frozenset(int(ip_address(address)) for address in entry.addresses)
            for entry in entries
        }
        stricter = any(
            self._sets.get(name) - members
            or any(name in rules.narrowing_sets for rules in self._rules.values())
            for name, members in sets.items()
        )
        for name, members in sets.items():
            self._sets.replace(name, members)
        self.generation += stricter
        self._judged.clear()
        return stricter

    def delete_sets(self, names: Iterable[str]) -> None:
        """Forget sets: nobody is in them."""
        for name in names:
            self._sets.delete(name)
        self.generation += 1
        self._judged.clear()

    def entries(self) -> Sequence[tables.Policy]:
        """Return the entries as they were given."""
        return tuple(self._entries.values())

    def sets(self) -> Sets:
        """Return the sets by name."""
        return self._sets

    def judge(self, source: int, destination: int, protocol: int, port: int) -> Judgement | None:
        """Judge that *source* begins to speak with *port* of *destination*; None: nobody minds."""
        if source not in self._by_address and destination not in self._by_address:
            return None
        question = source, destination, protocol, port
        known = self._judged.get(question)
        if known is None:
            if len(self._judged) >= _JUDGED_MAX:
                self._judged.clear()
            known = self._judged[question] = Judgement.of(self._rulings(question))
        return known

    def _rulings(self, question: _Question) -> list[Ruling]:
        rulings = self.ask("egress", *question)
        if not (rulings and rulings[-1].action == "deny"):
            rulings += self.ask("ingress", *question)
        return rulings

    def ask(
        self, direction: str, source: int, destination: int, protocol: int, port: int
    ) -> list[Ruling]:
        """Return what one end says, up to the ruling that decides."""
        sender, receiver = self._by_address.get(source), self._by_address.get(destination)
        rules, other = (sender, destination) if direction == "egress" else (receiver, source)
        if rules is None:
            return []
        tiers = rules.egress if direction == "egress" else rules.ingress
        itself = sender is receiver
        return policy_rules.ask(tiers, other, protocol, port, self._sets, itself=itself)

    def note(self, judgement: Judgement, flow: FlowTuple, now: float) -> None:
        """Note what was decided of a packet, as far as anybody wants to know."""
        for ruling in judgement.noted:
            self.log.note(ruling, flow, now)
        if judgement.denial is not None:
            name = judgement.denial.counted_as
            if len(self.denied) >= _DENIED_MAX and name not in self.denied:
                self.denied.clear()
            self.denied[name] += 1
