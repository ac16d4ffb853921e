"""The ways to other nodes, and the faults on them (Linux: a netem qdisc on the underlay's device).

A way has two outputs, VXLAN and bare IP packets; each ends at a UDP socket. While the netlink table
`impairment` has an entry for the remote node, both put their datagrams on one `ImpairedLink` first.
For that the outputs' `transmit` is exchanged: every cached flow that leads here follows, and a way
without a fault costs nothing more than before. Captures see what is sent before the faults, and
what is received after them.

Offloaded frames (contracts §15) leave a whole wire as runs of ordinary datagrams, their checksums
filled in unless the other node is known to take them without. A wire with a fault is one that is
looked at: there everything is completed first.

What the link holds is copied: frames lie in the receive buffer only until the end of their batch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

import msgspec

from netdev.impaired_link import ImpairedLink
from netdev.transport_map import TransportMap
from netstack import offload
from netstack.wire import ethernet, ipv4, udp
from nodeagent.datapath import tables
from nodeagent.datapath.output import Mutable, Output, TransmitOffloaded, completed
from nodeagent.datapath.packet import Octets

if TYPE_CHECKING:
    from nodeagent.datapath.node import Node

#: What a datagram has in front of it on the wire of the underlay.
_OUTER_OCTETS: Final = ethernet.HEADER_OCTETS + ipv4.HEADER_OCTETS + udp.HEADER_OCTETS
_VXLAN, _BARE = 0, 1  # The channels of a link.


class ImpairmentDrop(StrEnum):
    """Why a packet did not come through a wire with faults."""

    LOSS = "impairment-loss"
    OVERLIMIT = "impairment-overlimit"


#: Sends datagrams to a transport address, each behind the octets given last.
Send = Callable[[IPv4Address, Sequence[Octets], bytes], None]


#: Sends datagrams of one size that lie one behind another, likewise.
SendLaidOut = Callable[[IPv4Address, bytearray, int], None]


@dataclass(frozen=True, slots=True)
class Carriers:
    """How datagrams of both kinds leave this machine's sockets."""

    vxlan: Send
    vxlan_laid_out: SendLaidOut
    bare: Send
    bare_port: int  # What captures show of bare packets.


@dataclass(slots=True, eq=False)
class _Uplink:
    """The way to one node."""

    remote: IPv4Address
    transport: IPv4Address
    vxlan: Output
    bare: Output
    entry: tables.Impairment | None = None
    link: ImpairedLink | None = field(default=None)


class Uplinks:
    """The ways from *node* to the others, made when they are first asked for."""

    def __init__(self, node: Node, transport: TransportMap, carriers: Carriers) -> None:
        self._node, self._map, self._carriers = node, transport, carriers
        self._uplinks: dict[IPv4Address, _Uplink] = {}
        self._impaired: dict[IPv4Address, _Uplink] = {}
        #: Of links that have been healed.
        self._drops: Counter[ImpairmentDrop] = Counter()

    def vxlan(self, remote: IPv4Address) -> Output | None:
        """Return the output for inner frames to *remote*, None when there is no such node."""
        uplink = self._uplink(remote)
        return None if uplink is None else uplink.vxlan

    def bare(self, remote: IPv4Address) -> Output | None:
        """Return the output for IP packets to *remote*, None when there is no such node."""
        uplink = self._uplink(remote)
        return None if uplink is None else uplink.bare

    def _uplink(self, remote: IPv4Address) -> _Uplink | None:
        uplink = self._uplinks.get(remote)
        transport = self._map.transport(remote)
        if uplink is None and transport is not None:
            uplink = _Uplink(
                remote,
                transport,
                Output(
                    f"vxlan to {remote}",
                    _nowhere,
                    show=lambda frame: self._node.tap_vxlan(remote, frame),
                ),
                Output(
                    f"underlay to {remote}",
                    _nowhere,
                    show=lambda frame: self._show_bare(remote, frame),
                ),
            )
            self._uplinks[remote] = uplink
            self._make_whole(uplink)
        return uplink

    # The wire without a fault.

    def _make_whole(self, uplink: _Uplink) -> None:
        node, carriers, transport = self._node, self._carriers, uplink.transport

        def transmit_vxlan(frames: list[Octets], _now: float) -> None:
            if node.vtep is not None:
                node.vtep.sends(frames)
                carriers.vxlan(transport, frames, node.vtep.header)

        def transmit_bare(frames: list[Octets], _now: float) -> None:
            packets = _bare_packets(frames)
            node.eth0.sends(packets)
            carriers.bare(transport, packets, b"")

        uplink.vxlan.transmit, uplink.bare.transmit = transmit_vxlan, transmit_bare
        uplink.vxlan.offload = self._offload_vxlan(uplink)

    def _offload_vxlan(self, uplink: _Uplink) -> TransmitOffloaded:
        node, carriers, transport = self._node, self._carriers, uplink.transport
        remote = int(uplink.remote)

        def transmit(frames: list[Mutable], segment: int, _now: float) -> None:
            vtep = node.vtep
            if vtep is None:
                return
            partial = remote in vtep.offload_remotes
            header = vtep.partial_header if partial else vtep.header
            if segment:
                for frame in frames:
                    octets, size = offload.lay_out(frame, segment, header, partial=partial)
                    vtep.sends_datagrams(-(-len(octets) // size), len(octets))
                    carriers.vxlan_laid_out(transport, octets, size)
            else:
                vtep.sends(frames)
                ordinary = list(frames) if partial else completed(frames, 0)
                carriers.vxlan(transport, ordinary, header)

        return transmit

    def _show_bare(self, remote: IPv4Address, frame: Octets) -> None:
        packet = memoryview(frame)[ethernet.HEADER_OCTETS :]
        self._node.tap_underlay(remote, packet, "out", port=self._carriers.bare_port)

    # The wire with faults.

    def impair(self, entries: Sequence[tables.Impairment], now: float) -> None:
        """Let *entries* hold for their remote nodes; raises ValueError if one is none."""
        wanted = [(entry, self._checked(entry.remote)) for entry in entries]
        for entry, uplink in wanted:
            uplink.entry = entry
            if uplink.link is not None:
                uplink.link.change(entry, now)
                self._node.deadline_moved = True
            else:
                way = f"{self._node.eth0.address} to {uplink.remote}"
                link = ImpairedLink(entry, self._node.rng, way=way, overhead_octets=_OUTER_OCTETS)
                uplink.link = link
                self._impaired[uplink.remote] = uplink
                self._make_bad(uplink, link)

    def _checked(self, remote: str) -> _Uplink:
        address = IPv4Address(remote)
        uplink = self._uplink(address)
        if uplink is None or address == self._node.eth0.address:
            raise ValueError(f"{remote} is not another node: give another node's InternalIP")
        return uplink

    def _make_bad(self, uplink: _Uplink, link: ImpairedLink) -> None:
        node = self._node

        def transmit_vxlan(frames: list[Octets], now: float) -> None:
            if node.vtep is not None:
                node.vtep.sends(frames)
                header = node.vtep.header
                for frame in frames:
                    link.offer(frame, now, channel=_VXLAN, header=header)
                self._carry(uplink, link.due(now))

        def transmit_bare(frames: list[Octets], now: float) -> None:
            packets = _bare_packets(frames)
            node.eth0.sends(packets)
            for packet in packets:
                link.offer(packet, now, channel=_BARE, ip_at=0)
            self._carry(uplink, link.due(now))

        uplink.vxlan.transmit, uplink.bare.transmit = transmit_vxlan, transmit_bare
        uplink.vxlan.offload = None

    def _carry(self, uplink: _Uplink, through: list[tuple[int, bytes]]) -> None:
        """Send what has come through the bad wire, in batches as large as before it."""
        self._node.deadline_moved = True
        for channel, send in ((_VXLAN, self._carriers.vxlan), (_BARE, self._carriers.bare)):
            datagrams = [octets for each, octets in through if each == channel]
            if datagrams:
                send(uplink.transport, datagrams, b"")

    def heal(self, remotes: Sequence[str]) -> None:
        """Make the wires to *remotes* whole; what is under way arrives now."""
        for remote in [IPv4Address(each) for each in remotes]:
            uplink = self._impaired.pop(remote, None)
            if uplink is None or uplink.link is None:
                continue
            link, uplink.link, uplink.entry = uplink.link, None, None
            self._drops += drops_of(link)
            self._make_whole(uplink)
            self._carry(uplink, link.release())

    # What the shell asks.

    def deadline(self) -> float:
        """Return when a packet has come through, `math.inf` when none is under way."""
        if not self._impaired:
            return math.inf
        links = (uplink.link for uplink in self._impaired.values())
        return min((link.deadline() for link in links if link is not None), default=math.inf)

    def handle_deadline(self, now: float) -> None:
        """Carry what has come through by *now*."""
        for uplink in self._impaired.values():
            if uplink.link is not None and uplink.link.deadline() <= now:
                self._carry(uplink, uplink.link.due(now))

    def rows(self) -> list[dict[str, object]]:
        """Return the table as netlink lists it."""
        return [
            msgspec.to_builtins(uplink.entry) | uplink.link.rows()
            for uplink in self._impaired.values()
            if uplink.link is not None
        ]

    @property
    def drops(self) -> Counter[ImpairmentDrop]:
        """What wires with faults have swallowed since the process began."""
        drops = Counter(self._drops)
        for uplink in self._impaired.values():
            if uplink.link is not None:
                drops += drops_of(uplink.link)
        return drops


def drops_of(link: ImpairedLink) -> Counter[ImpairmentDrop]:
    """Return what *link* has swallowed, by reason."""
    counters = link.counters
    return Counter(
        {
            ImpairmentDrop.LOSS: counters.lost,
            ImpairmentDrop.OVERLIMIT: counters.overlimit,
        }
    )


def _bare_packets(frames: list[Octets]) -> list[Octets]:
    return [memoryview(frame)[ethernet.HEADER_OCTETS :] for frame in frames]


def _nowhere(_frames: list[Octets], _now: float) -> None:
    raise AssertionError("an uplink is whole or bad, never neither")
