"""Rules of policies as the packet path asks them: tiers, indexed by port and by peer.

In a tier the first rule that fits decides, whatever its place in the index: every part of the
index answers with the lowest number of a rule that fits. So a thousand rules cost little more than
one: they are found by port, whole ranges of peers by the few lengths that their prefixes have.
"""

from __future__ import annotations

import sys
from collections.abc import ItemsView, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final

from netstack.wire.ipv4 import PROTOCOL_TCP, PROTOCOL_UDP
from nodeagent.datapath import tables
from nodeagent.datapath.packet import IPV6_FROM, PROTOCOL_SCTP

PROTOCOLS: Final = {"TCP": PROTOCOL_TCP, "UDP": PROTOCOL_UDP, "SCTP": PROTOCOL_SCTP}
_ADDRESS_BITS: Final = {4: 32, 6: 128}
#: Behind every rule: none fits.
NONE: Final = sys.maxsize
NETWORK_POLICY_TIER: Final = "NetworkPolicy"


class Sets:
    """Sets of addresses by name, and the names of the sets that an address is in.

    A rule names few sets and an address is in few: whichever is fewer is gone through.
    """

    def __init__(self) -> None:
        self._members: dict[str, frozenset[int]] = {}
        self._names: dict[int, set[str]] = {}

    def get(self, name: str) -> frozenset[int]:
        """Return who is in the set *name*; nobody is in one that is not there."""
        return self._members.get(name, frozenset())

    def items(self) -> ItemsView[str, frozenset[int]]:
        """Return every set."""
        return self._members.items()

    def replace(self, name: str, members: frozenset[int]) -> None:
        """Let exactly *members* be in the set."""
        old, self._members[name] = self.get(name), members
        for address in members - old:
            self._names.setdefault(address, set()).add(name)
        for address in old - members:
            self._forget(address, name)

    def delete(self, name: str) -> None:
        """Forget the set."""
        for address in self._members.pop(name, ()):
            self._forget(address, name)

    def _forget(self, address: int, name: str) -> None:
        names = self._names[address]
        names.discard(name)
        if not names:
            del self._names[address]

    def first(self, address: int, numbers: Mapping[str, int], best: int) -> int:
        """Return the least of *numbers*, by name, of the sets that *address* is in, or *best*."""
        names = self._names.get(address)
        if not names:
            return best
        if len(names) < len(numbers):
            return min(best, *(numbers.get(name, NONE) for name in names))
        for name, number in numbers.items():  # In the order of their numbers.
            if number >= best or name in names:
                return min(best, number)
        return best


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
    """The other side of rules about the same ports, with the number of the rule that names it."""

    anyone: int = NONE
    sets: dict[str, int] = field(default_factory=dict)
    #: Of each length and family, where ranges without exceptions begin.
    _ranges: dict[tuple[int, bool], dict[int, int]] = field(default_factory=dict)
    _with_exceptions: list[tuple[int, Network, tuple[Network, ...]]] = field(default_factory=list)

    def add(self, rule: tables.PolicyRule, number: int) -> None:
        """Name those of *rule*; numbers only grow. Raises ValueError when a range is none."""
        if rule.anyone:
            self.anyone = min(self.anyone, number)
        for name in rule.sets:
            self.sets.setdefault(name, number)
        for block in rule.blocks:
            network = Network.parse(block.cidr)
            if block.excluded:
                excluded = tuple(map(Network.parse, block.excluded))
                self._with_exceptions.append((number, network, excluded))
            else:
                known = self._ranges.setdefault((network.mask, network.is_ipv6), {})
                known.setdefault(network.first, number)

    def find(self, address: int, sets: Sets, best: int) -> int:
        """Return the first rule that names *address*, or *best* if none does before it."""
        best = min(best, self.anyone)
        if self.sets:
            best = sets.first(address, self.sets, best)
        is_ipv6 = address >= IPV6_FROM
        for (mask, family), known in self._ranges.items():
            if is_ipv6 is family:
                best = min(best, known.get(address & mask, NONE))
        for number, block, excluded in self._with_exceptions:
            if number >= best:
                break
            if address in block and not any(address in each for each in excluded):
                return number
        return best


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a tier says of a connection: by which rule, or by isolation (then *rule* is "")."""

    action: str
    direction: str
    pod: str
    tier: str
    policies: tuple[str, ...]
    rule: str = ""
    log: bool = False

    @property
    def by(self) -> str:
        """Return who decided, as the flow log, captures and `policy explain` name it."""
        rule = f" rule {self.rule}" if self.rule else ""
        return f"{', '.join(self.policies)}{rule} ({self.direction})"

    @property
    def counted_as(self) -> str:
        """Return the same, short where many policies isolate the pod."""
        more = len(self.policies) - 1
        rule = f" rule {self.rule}" if self.rule else ""
        named = self.policies[0] + (f" and {more} more" if more else "")
        return f"{named}{rule} ({self.direction})"


class Tier:
    """The rules of one tier that are about one direction of one pod."""

    def __init__(self, entry: tables.PolicyTier, pod: str, direction: str) -> None:
        self.name = entry.tier
        self._rulings = [
            Ruling(each.action, direction, pod, entry.tier, (each.policy,), each.rule, each.log)
            for each in entry.rules
        ]
        self._isolation = (
            Ruling("deny", direction, pod, entry.tier, tuple(entry.isolated_by))
            if entry.isolated_by
            else None
        )
        self._any_port = Peers()
        self._by_port: dict[tuple[int, int], Peers] = {}
        self._by_span: dict[tuple[int, int, int], Peers] = {}
        for number, rule in enumerate(entry.rules):
            self._add(rule, number)

    def _add(self, rule: tables.PolicyRule, number: int) -> None:
        if rule.ports is None:
            self._any_port.add(rule, number)
        for port in rule.ports or []:
            protocol = PROTOCOLS[port.protocol]
            if port.first == port.last:
                self._by_port.setdefault((protocol, port.first), Peers()).add(rule, number)
            else:
                span = protocol, port.first, port.last
                self._by_span.setdefault(span, Peers()).add(rule, number)

    def judge(self, address: int, protocol: int, port: int, sets: Sets) -> Ruling | None:
        """Return what is said of *port* (the receiver's) with *address* on the other side."""
        best = self._any_port.find(address, sets, NONE)
        exact = self._by_port.get((protocol, port))
        if exact is not None:
            best = exact.find(address, sets, best)
        for (spanned, first, last), peers in self._by_span.items():
            if protocol == spanned and first <= port <= last:
                best = peers.find(address, sets, best)
        return self._isolation if best == NONE else self._rulings[best]


#: What the tiers say, one after the other; the last one decides.
Side = tuple[Tier, ...]


def side(tiers: Sequence[tables.PolicyTier], pod: str, direction: str) -> Side:
    """Translate texts; raises ValueError when one makes no sense."""
    return tuple(Tier(each, pod, direction) for each in tiers)


def ask(
    tiers: Side, address: int, protocol: int, port: int, sets: Sets, *, itself: bool
) -> list[Ruling]:
    """Return every ruling up to the one that decides; *itself*: a pod speaks to itself.

    NetworkPolicies cannot keep a pod from itself, the administrator's tiers can where it goes by
    way of a Service.
    """
    rulings = []
    for tier in tiers:
        if itself and tier.name == NETWORK_POLICY_TIER:
            continue
        ruling = tier.judge(address, protocol, port, sets)
        if ruling is not None:
            rulings.append(ruling)
            if ruling.action != "pass":
                break
    return rulings


def narrowing_sets(entry: tables.Policy) -> frozenset[str]:
    """Return the sets whose growth may forbid something, since a rule denies or passes them on."""
    return frozenset(
        name
        for tiers in (entry.ingress, entry.egress)
        for tier in tiers
        for rule in tier.rules
        if rule.action != "allow"
        for name in rule.sets
    )
