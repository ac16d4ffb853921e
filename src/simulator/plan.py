"""What one run is about: who is there, what their wires are like, and what happens when.

Plain values, so a plan can be printed, cut down to what matters, and run again. Moments are seconds
from the beginning. A fault knows its own end: whichever events are left out, every fault is over at
the end of the plan.

Names: pods are `pod-0`, `pod-1`, … and live on the nodes in turn; services are `service-0`, …; the
world outside, as node 1 sees it, is `outside-1`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from netdev.impairment import Impairment
from netstack.tcp.settings import TcpSettings

GOOD_VETH: Final = Impairment(delay_s=0.00005)
GOOD_UNDERLAY: Final = Impairment(delay_s=0.0005)
_LOSS_EXCUSED_ABOVE: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Converse:
    """Open a TCP connection and move octets both ways at once; each side closes when done."""

    at: float
    client: str
    server: str
    up: int
    down: int
    #: Octets that the client reads at a time, twenty times a second; 0: all, at once.
    sip: int = 0
    #: The version of IP that it uses.
    version: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """Send datagrams, which are sent back."""

    at: float
    client: str
    server: str
    datagrams: int
    octets: int
    version: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Impair:
    """Make the wire between two nodes (or, without nodes, two hosts' wires) bad for a while."""

    at: float
    until: float
    source: int
    target: int
    impairment: Impairment


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDies:
    """Kill a node and everything on it; it comes back empty and is told its tables again."""

    at: float
    until: float
    node: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatapathRestarts:
    """Kill a node's datapath; pods live on, tables and conntrack are lost."""

    at: float
    until: float
    node: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLeaves:
    """Let a pod be no endpoint of a service for a while; it goes on serving what it has."""

    at: float
    until: float
    service: str
    pod: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """Let a pod send *packets* of an attack (`simulator.attacks`) within *until* - *at*."""

    at: float
    until: float
    kind: str
    attacker: str
    victim: str
    packets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteLoop:
    """Let two nodes believe of each other that a network is there, and a pod send to it."""

    at: float
    until: float
    nodes: tuple[int, int]
    sender: str
    packets: int


Fault = Impair | NodeDies | DatapathRestarts | EndpointLeaves | Flood | RouteLoop
Event = Converse | Chat | Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run."""

    #: 0: the pods are hosts on one Ethernet.
    nodes: int
    pods: int
    #: The versions of IP that pods, services and nodes have.
    versions: tuple[int, ...] = (4,)
    #: Pods of each service.
    services: tuple[tuple[str, ...], ...] = ()
    veth: Impairment = GOOD_VETH
    underlay: Impairment = GOOD_UNDERLAY
    #: The share of packets that the hosts' Ethernet marks, where they may be (ECN).
    marks: float = 0.0
    tcp: TcpSettings = field(default_factory=TcpSettings)
    #: Whether pods and their nodes put off checksums and cuts, and nodes among each other.
    offload: bool = False
    #: Entries of a node's conntrack table; 0: as many as in a cluster.
    conntrack_max: int = 0
    events: tuple[Event, ...] = ()

    @property
    def calm_at(self) -> float:
        """When the last fault is over, and everybody has begun."""
        ends = [event.at if isinstance(event, Converse | Chat) else event.until
                for event in self.events]  # fmt: skip
        return max(ends, default=0.0)

    @property
    def reliable(self) -> bool:
        """Whether TCP has no excuse: nothing but a little loss happens to its packets."""
        wires = (self.veth, self.underlay)
        faults = any(not isinstance(event, Converse | Chat) for event in self.events)
        bad = any(wire.loss + wire.corrupt > _LOSS_EXCUSED_ABOVE for wire in wires)
        return not faults and not bad and not self.bursts

    @property
    def bursts(self) -> bool:
        """Whether a wire loses many packets in a row."""
        return bool(self.veth.loss_gemodel or self.underlay.loss_gemodel)

    @property
    def loses_arp(self) -> bool:
        """Whether questions and answers of ARP may be lost or changed."""
        return bool(self.veth.loss or self.veth.corrupt or self.veth.loss_gemodel)

    @property
    def corrupts(self) -> bool:
        """Whether some packets do not arrive as they were sent."""
        changed = [event.impairment for event in self.events if isinstance(event, Impair)]
        return any(wire.corrupt for wire in (self.veth, self.underlay, *changed))

    @property
    def duplicates(self) -> bool:
        """Whether some packets arrive twice."""
        changed = [event.impairment for event in self.events if isinstance(event, Impair)]
        return any(wire.duplicate for wire in (self.veth, self.underlay, *changed))

    def only(self, indices: tuple[int, ...]) -> Plan:
        """Return the plan with these of its events."""
        return replace(self, events=tuple(self.events[index] for index in indices))
