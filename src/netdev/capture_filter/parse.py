"""From a filter's text to its tree: one function a rule of pcap-filter(7)'s grammar.

A parenthesis may hold an expression or arithmetic; which, is seen from the word behind its end.
Nesting and terms are bounded, so that no text makes the datapath recurse without end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

from netdev.capture_filter import tree
from netdev.capture_filter.arithmetic import Arithmetic
from netdev.capture_filter.qualifiers import (
    DIRECTIONS,
    KINDS,
    PROTOCOLS,
    Qualifiers,
    network_of,
    port_of,
    ports_of,
)
from netdev.capture_filter.tree import Tree
from netdev.capture_filter.words import FilterError, suggestion

TERMS_MAX: Final = 400
NESTING_MAX: Final = 50
_ANDS, _ORS, _NOTS = ("and", "&&"), ("or", "||"), ("not", "!")
_GROUPS: Final = ("broadcast", "multicast")
#: Where groups begin: an octet of the destination, and how it compares.
_MULTICAST: Final = {"ip": (16, ">=", 224), "ip6": (24, "=", 255)}
_UNTAGGED: Final = {
    "vlan": "no frame here has a VLAN tag; networks differ by their VNI (vxlan 1)",
    "mpls": "no frame here has an MPLS label",
    "pppoes": "no frame here is PPPoE",
}
_NAMED: Final = ("pod", "svc")
_STARTS: Final = (*PROTOCOLS, *DIRECTIONS, *KINDS, *_NAMED, *_GROUPS, *tree.FLAGS, *tree.WAYS,
                  "vxlan", "len", "less", "greater", "not")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a name leads: an address, and the port if only that is meant."""

    address: IPv4Address | IPv6Address
    port: int | None = None


#: Returns the endpoints of a pod or a Service: ("pod" | "svc", "namespace/name").
Lookup = Callable[[str, str], Sequence[Endpoint]]


def parse(text: str, lookup: Lookup | None = None) -> Tree:
    """Return what *text* says; raises FilterError. Names of pods and Services need *lookup*."""
    parser = _Parser(text, lookup)
    if not parser.words:
        raise FilterError("it is empty", text)
    return parser.whole()


class _Parser(Arithmetic):
    """Reads words one after the other."""

    def __init__(self, text: str, lookup: Lookup | None) -> None:
        super().__init__(text)
        self._lookup = lookup
        self._last: Qualifiers | None = None
        self._terms = self._nesting = 0

    def whole(self) -> Tree:
        found = self._expression()
        if self.next is not None:
            raise self.error(f"'and' or 'or' is missing before it{suggestion(self.word, _STARTS)}")
        return found

    def _expression(self) -> Tree:
        found = self._term()
        while self.word in (*_ANDS, *_ORS):
            both = self.take() in _ANDS
            right = self._term()
            found = tree.And(found, right) if both else tree.Or(found, right)
        return found

    def _term(self) -> Tree:
        self._terms += 1
        self._nesting += 1
        if self._terms > TERMS_MAX or self._nesting > NESTING_MAX:
            raise self.error("the filter is too long, or its parentheses too deep")
        try:
            return self._term_within()
        finally:
            self._nesting -= 1

    def _term_within(self) -> Tree:
        if self.word in _NOTS:
            self.take()
            return tree.Not(self._term())
        if self.begins_arithmetic():
            return self.relation()
        if self.word == "(":
            self.take()
            found = self._expression()
            self.expect(")")
            return found
        return self._primitive()

    def _primitive(self) -> Tree:
        word = self.word
        if word in tree.FLAGS:
            return tree.Flag(self.take(), self.depth)
        if word in tree.WAYS:
            return tree.Way(self.take())
        if word in _UNTAGGED:
            raise self.error(f"{_UNTAGGED[word]}: leave it out")
        if word in _GROUPS:
            return tree.Group(self.take(), self.depth)
        if word == "vxlan":
            return self._vxlan()
        if word in ("less", "greater"):
            sign = "<=" if self.take() == "less" else ">="
            return tree.Relation(sign, tree.Length(), tree.Number(self.number()))
        if (group := self._group_of()) is not None:
            return group
        if word in PROTOCOLS and not self._is_qualified():
            if word == "ether":
                raise self.error("'ether' needs host, src, dst or proto", at=1)
            return tree.Protocol(self.take(), self.depth)
        return self._qualified()

    def _group_of(self) -> Tree | None:
        """Take `ether broadcast`, `ip multicast` and their kin, if one of them is next."""
        said = (self.word, self.peek(1))
        if said[1] not in _GROUPS or said[0] not in ("ether", *_MULTICAST):
            return None
        if said == ("ip", "broadcast"):
            raise self.error("a broadcast of IPv4 is known by its network: write net", at=1)
        if said == ("ip6", "broadcast"):
            raise self.error("IPv6 has no broadcast", at=1)
        self.take()
        self.take()
        if said[0] == "ether":
            return tree.Group(said[1], self.depth)
        at, sign, value = _MULTICAST[said[0]]
        load = tree.Load(said[0], tree.Number(at), 1, self.depth)
        return tree.Relation(sign, load, tree.Number(value))

    def _vxlan(self) -> Tree:
        self.take()
        vni = self.number() if self.word.isdecimal() else None
        self.depth += 1
        if self.depth > 1:
            raise self.error(
                "'vxlan' stands there once: nothing lies within the inner frame", at=-1
            )
        return tree.Vxlan(vni, self.depth - 1)

    def _is_qualified(self) -> bool:
        """Tell whether a protocol's name is followed by what it qualifies."""
        behind = self.peek(1)
        return behind in (*DIRECTIONS, *KINDS, *_NAMED)

    def _qualified(self) -> Tree:
        protocol = self.take() if self.word in PROTOCOLS else ""
        direction = self._direction()
        kind = self.take() if self.word in KINDS else ""
        named = self.word in _NAMED
        if not (protocol or direction or kind or named):
            return self._bare()
        qualifiers = Qualifiers(protocol, direction, kind or "host")
        if not kind and not named and self.peek(1) == "/":
            qualifiers = Qualifiers(protocol, direction, "net")
        self._last = qualifiers
        return self._identifier(qualifiers)

    def _direction(self) -> str:
        if self.word not in DIRECTIONS:
            return ""
        first = self.take()
        other = "dst" if first == "src" else "src"
        if self.word in (*_ANDS, *_ORS) and self.peek(1) == other:
            both = self.take() in _ANDS
            self.take()
            return tree.BOTH if both else tree.EITHER
        return first

    def _bare(self) -> Tree:
        """Take an address or number that has no qualifiers of its own: the last ones hold."""
        word = self.word
        known = self._last
        if not self._is_value():
            text = "a word is missing" if not word else "unknown word"
            raise self.error(text + suggestion(word, _STARTS))
        if known is None or known.kind in ("host", "net"):
            protocol, direction = (known.protocol, known.direction) if known else ("", "")
            is_net = self.peek(1) == "/" or (word.count(".") < 3 and ":" not in word)
            known = Qualifiers(protocol, direction, "net" if is_net else "host")
        return self._identifier(known)

    def _is_value(self) -> bool:
        word = self.word
        if self._last is not None and self._last.kind in ("port", "portrange", "proto"):
            try:
                ports_of(word)
            except ValueError:
                pass
            else:
                return True
        return ":" in word or (bool(word) and word.replace(".", "").isdecimal())

    def _identifier(self, qualifiers: Qualifiers) -> Tree:
        if self.word in _NAMED and qualifiers.kind == "host":
            return self._named(qualifiers)
        word = self.word
        if not word:
            raise self.error(f"{qualifiers.kind} of what?")
        try:
            match qualifiers.kind:
                case "port" | "portrange":
                    low, high = ports_of(word) if qualifiers.kind == "portrange" else port_of(word)
                    found: Tree = qualifiers.ports(low, high, self.depth)
                case "proto":
                    found = qualifiers.number(word, self.depth)
                case "net":
                    found = qualifiers.address(self._network(), self.depth)
                case _:
                    found = qualifiers.host(word, self.depth)
        except ValueError as error:
            raise self.error(str(error)) from None
        self.take()
        return found

    def _network(self) -> IPv4Network | IPv6Network:
        """Read a network up to its last word, which is left to be taken."""
        word = self.word
        if self.peek(1) == "/":
            self.take()
            self.take()
            length = self.word
            if not length.isdecimal():
                raise ValueError("after '/' stands the length of the network's prefix")
            return network_of(word, length)
        if self.peek(1) == "mask":
            self.take()
            self.take()
            return network_of(word, self.word)
        return network_of(word, "")

    def _named(self, qualifiers: Qualifiers) -> Tree:
        kind, first = self.take(), self.next
        name = self.take() if self.word else ""
        if self.word == "/":
            self.take()
            name += "/" + (self.take() if self.word else "")
        if not name.strip("/") or first is None:
            raise self.error(f"{kind} [NAMESPACE/]NAME is meant", at=-1)
        if self._lookup is None:
            raise self.error("names are known to the command line only", at=-1)
        name = name if "/" in name else f"default/{name}"
        try:
            endpoints = self._lookup(kind, name)
        except ValueError as error:
            raise FilterError(str(error), self.text, first) from None
        if not endpoints:
            raise FilterError(f"{kind} {name} has no address", self.text, first)
        return _any_of([self._endpoint(qualifiers, each) for each in endpoints])

    def _endpoint(self, qualifiers: Qualifiers, endpoint: Endpoint) -> Tree:
        """Return what matches one address, and on the same side its port."""
        network = ip_network(endpoint.address)
        if endpoint.port is None:
            return qualifiers.address(network, self.depth)
        sides = [qualifiers.direction] if qualifiers.direction in ("src", "dst") else ["src", "dst"]
        found: list[Tree] = []
        for side in sides:
            ended = Qualifiers("", side, "host")
            port = ended.ports(endpoint.port, endpoint.port, self.depth)
            found.append(tree.And(ended.address(network, self.depth), port))
        return _any_of(found)


def _any_of(trees: Sequence[Tree]) -> Tree:
    """Return what matches one of *trees*, balanced: recursion stays flat."""
    if len(trees) == 1:
        return trees[0]
    middle = len(trees) // 2
    return tree.Or(_any_of(trees[:middle]), _any_of(trees[middle:]))
