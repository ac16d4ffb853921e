"""The devices of a node: bridge ports, the bridge, the VTEP, eth0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from netstack.token_bucket import TokenBucket
from netstack.wire.ethernet import HEADER_OCTETS as ETHERNET_OCTETS
from netstack.wire.vxlan import Vxlan
from nodeagent.datapath.bridge import Fdb
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.fast_path import FlowCache
from nodeagent.datapath.output import Output
from nodeagent.datapath.packet import Octets
from nodeagent.datapath.tables import Link

#: Frames to unknown or group addresses; a broadcast storm takes no more of the node.
_FLOODS_PER_S: Final = 2000.0
_FLOODS_BURST: Final = 500.0
#: Where pods in the node's network send everything: nobody's address, so it can mean the node.
HOST_GATEWAY: Final = int(IPv4Address("169.254.1.1"))
#: Where such pods send what they address to the node's 127.0.0.1.
HOST_LOOPBACK: Final = HOST_GATEWAY + 1
ETHERNET_MTU: Final = 1500
#: What IPv4 + UDP + VXLAN + Ethernet take of the underlay's, and leave of 1500.
_TUNNEL_OCTETS: Final = 50
OVERLAY_MTU: Final = ETHERNET_MTU - _TUNNEL_OCTETS
_PARTIAL: Final = 0x04  # In the flags of VXLAN, where RFC 7348 has a reserved bit.


@dataclass(slots=True, eq=False)
class Carried:
    """What a device has carried, each way as it looks from the node."""

    rx_packets: int = 0
    rx_octets: int = 0
    tx_packets: int = 0
    tx_octets: int = 0

    def add(self, other: Port | Vtep | Carried, overhead_octets: int = 0) -> None:
        """Count what *other* has carried, with so much in front of each packet."""
        self.rx_packets += other.rx_packets
        self.rx_octets += other.rx_octets + overhead_octets * other.rx_packets
        self.tx_packets += other.tx_packets
        self.tx_octets += other.tx_octets + overhead_octets * other.tx_packets


@dataclass(slots=True, eq=False)
class Port:
    """A port of the bridge; the pod's end of the veth comes and goes."""

    entry: Link
    output: Output
    cache: FlowCache = field(default_factory=FlowCache)
    connected: bool = False
    offload: bool = False  # The pod takes partial frames and super-frames.
    rx_packets: int = 0
    rx_octets: int = 0
    tx_packets: int = 0
    tx_octets: int = 0
    drops: Counter[DropReason] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def mtu(self) -> int:
        return self.entry.mtu

    @property
    def is_host(self) -> bool:
        """Tell whether a pod in the node's network is behind it: then it is none of the bridge."""
        return self.entry.kind == "host"


@dataclass(slots=True, eq=False)
class Bridge:
    """`cni0`: also the gateway of the node's pods."""

    name: str
    mac: bytes
    mtu: int = OVERLAY_MTU
    fdb: Fdb[Port] = field(default_factory=Fdb)
    flood_rate: TokenBucket = field(
        default_factory=lambda: TokenBucket(per_s=_FLOODS_PER_S, burst=_FLOODS_BURST)
    )
    #: By ports that are no more.
    carried: Carried = field(default_factory=Carried)

    def total(self, ports: Iterable[Port]) -> Carried:
        """Return what came from pods and went to them; unlike Linux's with what stayed below."""
        total = Carried()
        total.add(self.carried)
        for port in ports:
            total.add(port)
        return total


@dataclass(slots=True, eq=False)
class Vtep:
    """`flannel.1`."""

    name: str
    vni: int
    mac: bytes
    local: IPv4Address
    port: int
    mtu: int
    fdb: Fdb[IPv4Address] = field(default_factory=Fdb)
    cache: FlowCache = field(default_factory=FlowCache)
    rx_packets: int = 0
    rx_octets: int = 0
    tx_packets: int = 0
    tx_octets: int = 0
    #: In front of every frame that is sent; what others send begins with these octets, too.
    header: bytes = field(init=False)
    #: The same where TCP's checksums inside are not filled in (contracts §15).
    partial_header: bytes = field(init=False)
    #: Which VTEPs take such frames, by MAC; and their nodes, as numbers.
    offload: dict[bytes, int] = field(default_factory=dict)
    offload_remotes: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self.header = Vxlan(self.vni).emit()
        self.partial_header = bytes([self.header[0] | _PARTIAL]) + self.header[1:]

    def sends(self, frames: Sequence[Octets]) -> None:
        """Count inner frames that leave as they are."""
        self.tx_packets += len(frames)
        self.tx_octets += sum(map(len, frames))

    def sends_datagrams(self, datagrams: int, octets: int) -> None:
        """Count what leaves as *datagrams* of so many *octets*, VXLAN's header included."""
        self.tx_packets += datagrams
        self.tx_octets += octets - len(self.header) * datagrams

    def receives_datagrams(self, datagrams: int, octets: int) -> None:
        """Count what came in as *datagrams*, likewise."""
        self.rx_packets += datagrams
        self.rx_octets += octets - len(self.header) * datagrams

    def set_offload(self, mac: bytes, remote: IPv4Address | None) -> None:
        """Note that the VTEP *mac* on node *remote* takes partial frames, or (None) does not."""
        self.offload.pop(mac, None)
        if remote is not None:
            self.offload[mac] = int(remote)
        self.offload_remotes = frozenset(self.offload.values())


@dataclass(slots=True, eq=False)
class Eth0:
    """The underlay device, by its emulated address."""

    address: IPv4Address
    mac: bytes
    address6: IPv6Address | None = None
    name: str = "eth0"
    mtu: int = ETHERNET_MTU
    #: Besides the tunnel's: bare packets, and the world outside.
    carried: Carried = field(default_factory=Carried)

    @property
    def overlay_mtu(self) -> int:
        """Return what the tunnels over this device carry."""
        return self.mtu - _TUNNEL_OCTETS

    def receives(self, packets: Sequence[Octets]) -> None:
        """Count packets without an Ethernet header that come in."""
        self.carried.rx_packets += len(packets)
        self.carried.rx_octets += sum(map(len, packets)) + ETHERNET_OCTETS * len(packets)

    def sends(self, packets: Sequence[Octets]) -> None:
        """Count such packets that leave."""
        self.carried.tx_packets += len(packets)
        self.carried.tx_octets += sum(map(len, packets)) + ETHERNET_OCTETS * len(packets)

    def retire(self, vtep: Vtep) -> None:
        """Keep what a tunnel carried that is no more."""
        self.carried.add(vtep, _TUNNEL_OCTETS)

    def total(self, vtep: Vtep | None) -> Carried:
        """Return everything, *vtep*'s datagrams included, as frames of the underlay."""
        total = Carried()
        total.add(self.carried)
        if vtep is not None:
            total.add(vtep, _TUNNEL_OCTETS)
        return total


#: Hears of every frame at an interface: (interface, "in" or "out", frame). The frame may change
#: as soon as the call is over.
Tap = Callable[[str, str, Octets], None]
#: Where taps of all interfaces are.
ANY: Final = "any"
