"""NetworkPolicies as the packet path sees them: who may speak with this node's pods.

A pod that a policy selects is *isolated* in a direction; then only what a rule of one of its
policies allows begins there. Egress is judged where the sender is, ingress where the receiver is,
both behind the translation to an endpoint and before that of the source. Answers, and errors about
what was allowed, pass; so does what the node itself sends, and what a pod says to itself.

What a connection was allowed under is remembered as the tables' generation: after a change that
may forbid something, the next packet of every connection is judged again, as Cilium and
OVN-Kubernetes do (Calico lets them go on).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Final

from netstack.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP
from nodeagent.datapath import tables
from nodeagent.datapath.packet import IPV6_FROM

_PROTOCOL_SCTP: Final = 132
_PROTOCOLS: Final = {"TCP": PROTOCOL_TCP, "UDP": PROTOCOL_UDP, "SCTP": _PROTOCOL_SCTP}
_ADDRESS_BITS: Final = {4: 32, 6: 128}
#: Deciding policies that are counted apart; all are forgotten at this number.
_DENIED_MAX: Final = 4096

Sets = dict[str, frozenset[int]]


@dataclass(frozen=True, slots=True)
class Network:
    """A range of addresses of one family."""

    first: int
    mask: int
    is_ipv6: bool

    @classmethod
    def parse(cls, cidr: str) -> Network:
        """Read `10.0.0.0/8`; bits behind the prefix are ignored. Raises ValueError."""
        network = ip_network(cidr, strict=False)
        mask = -1 << (_ADDRESS_BITS[network.version] - network.prefixlen)
        return cls(int(network.network_address), mask, network.version == 6)

    def __contains__(self, address: int) -> bool:
        return address & self.mask == self.first and (address >= IPV6_FROM) is self.is_ipv6


@dataclass(slots=True)
class Peers:
    """The other side of rules that allow the same ports: who is in any of them is allowed.

    A thousand rules cost little more than one: whole ranges are found by the few lengths that
    their prefixes have.
    """

    anyone: bool = False
    sets: dict[str, None] = field(default_factory=dict)
    #: Of each length and family, where ranges without exceptions begin.
    _ranges: dict[tuple[int, bool], dict[int, None]] = field(default_factory=dict)
    _with_exceptions: list[tuple[Network, tuple[Network, ...]]] = field(default_factory=list)

    def add(self, rule: tables.PolicyRule) -> None:
        """Allow those of *rule* too; raises ValueError when a range is none."""
        self.anyone = self.anyone or rule.anyone
        self.sets.update(dict.fromkeys(rule.sets))
        for block in rule.blocks:
            network = Network.parse(block.cidr)
            if block.excluded:
                excluded = tuple(map(Network.parse, block.excluded))
                self._with_exceptions.append((network, excluded))
            else:
                known = self._ranges.setdefault((network.mask, network.is_ipv6), {})
                known[network.first] = None

    def hold(self, address: int, sets: Sets) -> bool:
        """Tell whether *address* is one of them."""
        if self.anyone or any(address in sets.get(name, ()) for name in self.sets):
            return True
        is_ipv6 = address >= IPV6_FROM
        return any(
            is_ipv6 is family and address & mask in known
            for (mask, family), known in self._ranges.items()
        ) or any(
            address in block and not any(address in each for each in excluded)
            for block, excluded in self._with_exceptions
        )


#: Protocol, first and last port.
Span = tuple[int, int, int]


class Side:
    """What one direction of an isolated pod admits, found by protocol and port."""

    def __init__(self, isolation: tables.Isolation) -> None:
        self.policies = tuple(isolation.policies)
        self._any_port = Peers()
        self._by_port: dict[tuple[int, int], Peers] = {}
        self._by_span: dict[Span, Peers] = {}
        for rule in isolation.rules:
            if rule.ports is None:
                self._any_port.add(rule)
            for port in rule.ports or []:
                self._add(rule, _PROTOCOLS[port.protocol], port.first, port.last)

    def _add(self, rule: tables.PolicyRule, protocol: int, first: int, last: int) -> None:
        if first == last:
            self._by_port.setdefault((protocol, first), Peers()).add(rule)
        else:
            self._by_span.setdefault((protocol, first, last), Peers()).add(rule)

    def admits(self, address: int, protocol: int, port: int, sets: Sets) -> bool:
        """Tell whether a rule allows *port* (the receiver's) with *address* on the other side."""
        if self._any_port.hold(address, sets):
            return True
        exact = self._by_port.get((protocol, port))
        return (exact is not None and exact.hold(address, sets)) or any(
            protocol == spanned and first <= port <= last and peers.hold(address, sets)
            for (spanned, first, last), peers in self._by_span.items()
        )


@dataclass(frozen=True, slots=True)
class PodRules:
    """An isolated pod of this node."""

    pod: str
    addresses: tuple[int, ...]
    ingress: Side | None
    egress: Side | None

    @classmethod
    def of(cls, entry: tables.Policy) -> PodRules:
        """Translate texts; raises ValueError when one makes no sense."""
        return cls(
            entry.pod,
            tuple(int(ip_address(address)) for address in entry.addresses),
            None if entry.ingress is None else Side(entry.ingress),
            None if entry.egress is None else Side(entry.egress),
        )


@dataclass(frozen=True, slots=True)
class Denial:
    """Why something may not begin: a pod is isolated, and no rule of these policies allows it."""

    direction: str
    pod: str
    policies: tuple[str, ...]

    @property
    def decided_by(self) -> str:
        """Return the policies as counters name them."""
        more = len(self.policies) - 1
        return f"{self.direction} {self.policies[0]}" + (f" and {more} more" if more else "")

    def __str__(self) -> str:
        return f"{self.direction} of {self.pod} is isolated by {', '.join(self.policies)}"


@dataclass(slots=True)
class NetworkPolicies:
    """The isolated pods of a node, and the sets of addresses that their rules name."""

    #: Grows with every change that may forbid what was allowed.
    generation: int = 1
    #: Packets by what decided against them.
    denied: Counter[str] = field(default_factory=Counter)
    _sets: Sets = field(default_factory=dict)
    _entries: dict[str, tables.Policy] = field(default_factory=dict)
    _rules: dict[str, PodRules] = field(default_factory=dict)
    _by_address: dict[int, PodRules] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._entries)

    def replace(self, entries: Iterable[tables.Policy]) -> None:
        """Isolate pods, or change what they admit; raises ValueError and changes nothing."""
        pairs = [(entry, PodRules.of(entry)) for entry in entries]
        for entry, rules in pairs:
            self._forget(entry.pod)
            self._entries[entry.pod], self._rules[entry.pod] = entry, rules
            for address in rules.addresses:
                self._by_address[address] = rules
        self.generation += 1

    def delete(self, pods: Iterable[str]) -> None:
        """Isolate these pods no longer."""
        for pod in pods:
            self._forget(pod)

    def _forget(self, pod: str) -> None:
        self._entries.pop(pod, None)
        rules = self._rules.pop(pod, None)
        for address in rules.addresses if rules else ():
            if self._by_address.get(address) is rules:
                del self._by_address[address]

    def replace_sets(self, entries: Iterable[tables.AddressSet]) -> bool:
        """Say who is in sets; return whether somebody is no longer."""
        sets = {
            entry.name: frozenset(int(ip_address(address)) for address in entry.addresses)
            for entry in entries
        }
        narrower = any(
            self._sets.get(name, frozenset()) - members for name, members in sets.items()
        )
        self._sets.update(sets)
        self.generation += narrower
        return narrower

    def delete_sets(self, names: Iterable[str]) -> None:
        """Forget sets: nobody is in them."""
        for name in names:
            self._sets.pop(name, None)
        self.generation += 1

    def entries(self) -> Sequence[tables.Policy]:
        """Return the entries as they were given."""
        return tuple(self._entries.values())

    def sets(self) -> Sets:
        """Return the sets by name."""
        return self._sets

    def denial(self, source: int, destination: int, protocol: int, port: int) -> Denial | None:
        """Return why *source* may not begin to speak with *port* of *destination*, if so."""
        sender, receiver = self._by_address.get(source), self._by_address.get(destination)
        if sender is receiver:
            return None  # Neither is isolated, or a pod speaks to itself.
        sides = (
            ("egress", sender, sender and sender.egress, destination),
            ("ingress", receiver, receiver and receiver.ingress, source),
        )
        for direction, rules, side, other in sides:
            if rules and side and not side.admits(other, protocol, port, self._sets):
                return Denial(direction, rules.pod, side.policies)
        return None

    def count(self, denial: Denial) -> None:
        """Count a packet that was denied."""
        if len(self.denied) >= _DENIED_MAX and denial.decided_by not in self.denied:
            self.denied.clear()
        self.denied[denial.decided_by] += 1
