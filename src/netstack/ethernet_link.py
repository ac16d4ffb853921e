"""How packets of one family get onto an Ethernet: next hop, neighbour, header.

Linux calls it the route cache with its neighbours: the entry that leads to a destination is
remembered, so that a packet towards a known neighbour costs one look-up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from netstack import offload
from netstack.drops import DropReason
from netstack.ip6_addresses import group_mac, is_link_local, is_multicast
from netstack.ip_host import TRANSMIT_QUEUE_MAX
from netstack.neighbour import Neighbour, NeighbourTable
from netstack.offload import Octets, SuperFrame
from netstack.wire import ethernet

_BLANK: Final = bytes(2 * ethernet.MAC_OCTETS)

#: Next hops that are remembered per destination; all are forgotten at this number.
_NEXT_HOPS_MAX: Final = 4096


class OnLink(Protocol):
    """What tells which destinations are neighbours."""

    def on_link(self, address: bytes) -> bool: ...


class EthernetLink:
    """One family's way out of an interface."""

    def __init__(
        self,
        addresses: OnLink,
        gateway: bytes | None,
        *,
        destination: slice,
        ethertype: int,
        frames: list[bytes],
        drops: Counter[DropReason],
        no_route: Callable[[bytes, float], None],
    ) -> None:
        """*destination* is where a packet has it; *no_route* is told of what leads nowhere."""
        self._addresses, self._gateway, self._destination = addresses, gateway, destination
        self._blank = _BLANK + ethertype.to_bytes(2, "big")
        self._frames, self._drops, self._no_route = frames, drops, no_route
        self._neighbours: NeighbourTable | None = None
        self._next_hops: dict[bytes, bytes] = {}
        #: The neighbour on the way to each destination.
        self._towards: dict[bytes, Neighbour] = {}

    def resolve_by(self, neighbours: NeighbourTable) -> None:
        """Ask *neighbours* for MACs from now on."""
        self._neighbours = neighbours

    @property
    def gateway(self) -> bytes | None:
        return self._gateway

    @gateway.setter
    def gateway(self, gateway: bytes | None) -> None:
        self._gateway = gateway
        self.forget()

    def transmit(self, packet: bytes, now: float) -> None:
        """Send a packet, now or when its neighbour has answered."""
        if len(self._frames) >= TRANSMIT_QUEUE_MAX:
            self._drops[DropReason.TRANSMIT_QUEUE_FULL] += 1
            return
        neighbour = self._towards.get(packet[self._destination])
        if neighbour is not None and neighbour.is_ready:
            neighbour.used_at = now
            self._frames.append(neighbour.header + packet)
        else:
            self._resolve(packet, now)

    def transmit_super(self, header: bytes, payload: Octets, segment: int, now: float) -> None:
        """Send a long TCP segment: as one frame, or in pieces where a neighbour's MAC is not known,
        since the link may have changed its mind when it is."""
        if len(self._frames) >= TRANSMIT_QUEUE_MAX:
            self._drops[DropReason.TRANSMIT_QUEUE_FULL] += 1
            return
        neighbour = self._towards.get(header[self._destination])
        if neighbour is not None and neighbour.is_ready:
            neighbour.used_at = now
            frame = b"".join((neighbour.header, header, payload))
            if len(payload) > segment:
                frame = SuperFrame(frame)
                frame.segment = segment
            self._frames.append(frame)
            return
        if len(payload) <= segment:
            self._resolve(header + payload, now)
            return
        whole = b"".join((self._blank, header, payload))
        for piece in offload.cut(whole, segment, partial=True):
            self._resolve(bytes(piece[ethernet.HEADER_OCTETS :]), now)

    def transmit_late(self, frame: bytes) -> None:
        """Send what was, or might have been, waiting for its neighbour's MAC."""
        whole = bytearray(frame)
        offload.complete(whole)
        self.transmit_frame(bytes(whole))

    def transmit_frame(self, frame: bytes) -> None:
        """Send what is not IP, or needs no neighbour."""
        if len(self._frames) >= TRANSMIT_QUEUE_MAX:
            self._drops[DropReason.TRANSMIT_QUEUE_FULL] += 1
        else:
            self._frames.append(frame)

    def next_hop(self, destination: bytes) -> bytes | None:
        """Return whom packets to *destination* are handed to, None where no route leads."""
        known = self._next_hops.get(destination)
        if known is not None:
            return known
        if self._addresses.on_link(destination):
            hop = destination
        elif self._gateway is not None:
            hop = self._gateway
        else:
            return None
        if len(self._next_hops) >= _NEXT_HOPS_MAX:
            self.forget()
        self._next_hops[destination] = hop
        return hop

    def leads_through(self, destination: bytes, neighbour: Neighbour) -> bool:
        """Tell whether packets to *destination* go to *neighbour*."""
        return self._towards.get(destination) is neighbour

    def forget(self) -> None:
        """Addresses or gateway changed: choose next hops anew."""
        self._next_hops.clear()
        self._towards.clear()

    def _resolve(self, packet: bytes, now: float) -> None:
        destination = packet[self._destination]
        next_hop = self.next_hop(destination)
        if next_hop is None:
            self._no_route(packet, now)
            return
        assert self._neighbours is not None
        neighbour = self._neighbours.send(packet, next_hop, now)
        if neighbour is not None:
            self._towards[destination] = neighbour


class Ip6Link(EthernetLink):
    """IPv6's way out: groups have MACs of their own, and link-local addresses are neighbours."""

    from_us: bytes

    def next_hop(self, destination: bytes) -> bytes | None:
        if is_multicast(destination) or is_link_local(destination):
            return destination
        return super().next_hop(destination)

    def _resolve(self, packet: bytes, now: float) -> None:
        destination = packet[self._destination]
        if is_multicast(destination):
            self.transmit_frame(group_mac(destination) + self.from_us + packet)
        else:
            super()._resolve(packet, now)
