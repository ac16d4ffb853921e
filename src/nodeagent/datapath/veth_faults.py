"""Faults between pods and their node (Linux: a netem qdisc on each end of a pod's veth).

While the netlink table `link_impairment` has an entry for a link and a direction, frames that go
this way are put on an `ImpairedLink` first. For that whoever transmits to the pod, or takes its
frames, is exchanged: a veth without a fault costs nothing more than before. Captures see what is
sent to a pod before the faults, and what comes from it after them. Offloaded frames are completed
before: a bit that a fault turns is found by a checksum.

An entry may be there before its link, since a datapath that restarts hears of faults first, and it
stays when the link goes: a sandbox that is made anew has the same name, made of its pod's uid.
Only what is under way ends with the link. Whoever keeps the table ends the entries of pods that
are gone for good.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from netdev.impaired_link import ImpairedLink
from netstack.wire.malformed import MalformedPacket
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.output import (
    Mutable,
    Transmit,
    TransmitOffloaded,
    completed,
    views_of,
)
from nodeagent.datapath.packet import Octets
from nodeagent.datapath.tables import FROM_POD, TO_POD, LinkImpairment
from nodeagent.datapath.uplinks import ImpairmentDrop, drops_of

if TYPE_CHECKING:
    from nodeagent.datapath.devices import Port
    from nodeagent.datapath.node import Node

#: More than the directions of all ports that a node can have.
ENTRIES_MAX: Final = 2048

#: A link's name, and a direction.
Key = tuple[str, str]
#: Takes frames from the pod behind a port.
Receive = Callable[["Port", list[memoryview], float], None]
#: Takes partial frames, the segment length if it is a super-frame (else 0), and now.
ReceiveOffloaded = Callable[["Port", list[memoryview], int, float], None]


@dataclass(frozen=True, slots=True)
class Receivers:
    """Who takes the frames of a pod."""

    ordinary: Receive
    offloaded: ReceiveOffloaded


class VethFaults:
    """The bad veths of *node*; *send* and *send_offloaded* take frames to the pod of a link.

    *on_receiver* hears that `receivers` of a link has another answer.
    """

    def __init__(
        self,
        node: Node,
        send: Callable[[str, list[Octets]], None],
        send_offloaded: Callable[[str, list[Mutable], int], None],
        on_receiver: Callable[[str], None],
    ) -> None:
        self._node, self._on_receiver = node, on_receiver
        self._send, self._send_offloaded = send, send_offloaded
        self._entries: dict[Key, LinkImpairment] = {}
        self._wires: dict[Key, ImpairedLink] = {}
        #: Of veths that have been healed.
        self._drops: Counter[ImpairmentDrop] = Counter()

    # What takes frames.

    def transmitter(self, name: str) -> Transmit:
        """Return what transmits to the pod of link *name*."""
        wire, send = self._wires.get((name, TO_POD)), self._send
        if wire is None:
            return lambda frames, _now: send(name, frames)

        def transmit(frames: list[Octets], now: float) -> None:
            for frame in frames:
                wire.offer(frame, now)
            self._arrive((name, TO_POD), wire.due(now), now)

        return transmit

    def offloader(self, name: str) -> TransmitOffloaded | None:
        """Return what transmits offloaded frames there; a bad veth has them completed first."""
        send = self._send_offloaded
        if (name, TO_POD) in self._wires:
            return None
        return lambda frames, segment, _now: send(name, frames, segment)

    def receivers(self, name: str) -> Receivers:
        """Return what takes the frames of the pod of link *name*."""
        wire = self._wires.get((name, FROM_POD))
        if wire is None:
            return Receivers(self._node.receive_port, self._node.receive_offloaded)

        def receive(_port: Port, frames: list[memoryview], now: float) -> None:
            for frame in frames:
                wire.offer(frame, now)
            self._arrive((name, FROM_POD), wire.due(now), now)

        def receive_offloaded(
            port: Port, frames: list[memoryview], segment: int, now: float
        ) -> None:
            try:
                whole = completed(list(frames), segment)
            except MalformedPacket:
                port.drops[DropReason.MALFORMED_FRAME] += 1
            else:
                receive(port, views_of(whole), now)

        return Receivers(receive, receive_offloaded)

    def _arrive(self, key: Key, through: list[tuple[int, bytes]], now: float) -> None:
        name, direction = key
        self._node.deadline_moved = True
        port = self._node.ports.get(name)
        if not through or port is None:
            return
        if direction == TO_POD:
            self._send(name, [octets for _, octets in through])
        else:  # The node changes packets where they lie.
            frames = [memoryview(bytearray(octets)) for _, octets in through]
            self._node.receive_port(port, frames, now)

    # The table.

    def impair(self, entries: Sequence[LinkImpairment], now: float) -> None:
        """Let *entries* hold; raises ValueError, and changes nothing, when there are too many."""
        wanted = {(entry.name, entry.direction): entry for entry in entries}
        if len(self._entries | wanted) > ENTRIES_MAX:
            raise ValueError(f"there may be {ENTRIES_MAX} faults between pods and their node")
        for key, entry in wanted.items():
            self._entries[key] = entry
            wire = self._wires.get(key)
            if wire is None:
                # The name is made of a uid: of one seed every run should have one history.
                self._wires[key] = ImpairedLink(entry, self._node.rng, way=entry.direction)
                self._exchange(key)
            else:
                wire.change(entry, now)
                self._node.deadline_moved = True

    def heal(self, keys: Sequence[Key], now: float) -> None:
        """Make these ways whole; what is under way arrives now."""
        for key in keys:
            wire = self._wires.pop(key, None)
            if wire is None:
                continue
            del self._entries[key]
            self._drops += drops_of(wire)
            self._exchange(key)
            self._arrive(key, wire.release(), now)

    def _exchange(self, key: Key) -> None:
        name, direction = key
        port = self._node.ports.get(name)
        if port is not None and direction == TO_POD:
            port.output.transmit = self.transmitter(name)
            port.output.offload = self.offloader(name)
        elif port is not None:
            self._on_receiver(name)

    def link_gone(self, name: str) -> None:
        """Drop what is under way to and from the pod of link *name*."""
        for direction in (TO_POD, FROM_POD):
            wire = self._wires.get((name, direction))
            if wire is not None:
                self._node.drops[DropReason.LINK_DOWN] += len(wire.release())

    # What the shell asks.

    def deadline(self) -> float:
        """Return when a frame has come through, `math.inf` when none is under way."""
        return min((wire.deadline() for wire in self._wires.values()), default=math.inf)

    def handle_deadline(self, now: float) -> None:
        """Let arrive what has come through by *now*; the node must be flushed after it."""
        for key, wire in self._wires.items():
            if wire.deadline() <= now:
                self._arrive(key, wire.due(now), now)

    def rows(self) -> list[dict[str, object]]:
        """Return the table as netlink lists it."""
        return [
            msgspec.to_builtins(entry) | self._wires[key].rows()
            for key, entry in self._entries.items()
        ]

    @property
    def drops(self) -> Counter[ImpairmentDrop]:
        """What bad veths have swallowed since the process began."""
        drops = Counter(self._drops)
        for wire in self._wires.values():
            drops += drops_of(wire)
        return drops
