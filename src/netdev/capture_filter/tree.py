"""What a filter says, as values; `text` writes one as a filter again.

`depth` is the frame that is spoken of: 0 the one on the wire, 1 the one within its VXLAN.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

#: Which end of a packet: both words mean either of them.
BOTH: Final = "src and dst"
EITHER: Final = ""

#: The directions of pcap-filter(7), and what taps call them.
WAYS: Final = {"inbound": "in", "outbound": "out"}
#: TCP's flags by the names of pcap-filter(7), and by those of this language.
FLAGS: Final = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16}


@dataclass(frozen=True, slots=True)
class Protocol:
    """A frame of this kind: the name of a network's or of a transport's protocol."""

    name: str
    depth: int


@dataclass(frozen=True, slots=True)
class Vxlan:
    """A VXLAN datagram, of any network or of one; what follows speaks of the inner frame."""

    vni: int | None
    depth: int


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address in *network*; *protocol* is "", ip, ip6 or arp."""

    direction: str
    network: IPv4Network | IPv6Network
    protocol: str
    depth: int


@dataclass(frozen=True, slots=True)
class Mac:
    """An Ethernet address."""

    direction: str
    address: bytes
    depth: int


@dataclass(frozen=True, slots=True)
class Group:
    """A frame for many: "broadcast" or "multicast"."""

    name: str
    depth: int


@dataclass(frozen=True, slots=True)
class Ports:
    """A port from *low* to *high*; *protocol* is "", tcp, udp or sctp."""

    direction: str
    low: int
    high: int
    protocol: str
    depth: int


@dataclass(frozen=True, slots=True)
class Flag:
    """A TCP segment with this flag."""

    name: str
    depth: int


@dataclass(frozen=True, slots=True)
class Way:
    """A frame that comes in at the interface, "inbound", or leaves by it, "outbound"."""

    name: str


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: int


@dataclass(frozen=True, slots=True)
class Length:
    """The frame's length on the wire."""


@dataclass(frozen=True, slots=True)
class Load:
    """*size* octets of a header, from *offset* on."""

    header: str
    offset: Value
    size: int
    depth: int


@dataclass(frozen=True, slots=True)
class Operation:
    """Arithmetic of two values, modulo 2^32."""

    sign: str
    left: Value
    right: Value


Value = Number | Length | Load | Operation


@dataclass(frozen=True, slots=True)
class Relation:
    """A comparison of two values."""

    sign: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Not:
    """What does not match."""

    inner: Tree


@dataclass(frozen=True, slots=True)
class And:
    """What matches both."""

    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True)
class Or:
    """What matches one at least."""

    left: Tree
    right: Tree


Primitive = Protocol | Vxlan | Address | Mac | Group | Ports | Flag | Way | Relation
Tree = Primitive | Not | And | Or


def text(tree: Tree) -> str:
    """Return *tree* as a filter that parses to it."""
    match tree:
        case Not(inner):
            return f"not ({text(inner)})"
        case And(left, right):
            return f"{text(left)} and {_right(right)}"
        case Or(left, right):
            return f"{text(left)} or {_right(right)}"
        case Relation(sign, left, right):
            return f"{_value(left)} {sign} {_value(right)}"
        case Protocol(name) | Group(name) | Flag(name) | Way(name):
            return name
        case Vxlan(vni):
            return "vxlan" if vni is None else f"vxlan {vni}"
        case _:
            return " ".join(filter(None, _words(tree)))


def seen(tree: Tree, direction: str) -> Tree:
    """Return what *tree* says of frames that all go one way, "in" or "out"."""
    match tree:
        case Not(inner):
            return Not(seen(inner, direction))
        case And(left, right):
            return And(seen(left, direction), seen(right, direction))
        case Or(left, right):
            return Or(seen(left, direction), seen(right, direction))
        case Way(name):
            return Relation("=", Number(WAYS[name] == direction), Number(1))
        case _:
            return tree


def _right(tree: Tree) -> str:
    """Return what stands right of `and` or `or`, which bind to the left."""
    return f"({text(tree)})" if isinstance(tree, And | Or) else text(tree)


def _words(tree: Address | Mac | Ports) -> tuple[str, ...]:
    match tree:
        case Address(direction, network, protocol):
            return protocol, direction, "net", str(network)
        case Mac(direction, address):
            return "ether", direction, "host", address.hex(":")
        case Ports(direction, low, high, protocol):
            return protocol, direction, "portrange", f"{low}-{high}"


def _value(value: Value) -> str:
    match value:
        case Number(number):
            return str(number)
        case Length():
            return "len"
        case Load(header, offset, size):
            return f"{header}[{_value(offset)}:{size}]"
        case Operation(sign, left, right):
            return f"({_value(left)} {sign} {_value(right)})"
