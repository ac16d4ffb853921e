"""What a node did with one frame, in words: the comment that a capture puts beside it.

A `Verdict` is begun when a frame comes in, or when the node's own stack sends, and only while
somebody captures. The hooks leave the packet in it, outputs their names; drops are found by
comparing the counters before and after, so no stage has to tell. What was translated is read from
the connection, which knows it for every later packet, too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from netstack.drops import DropReason as StackDropReason
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.packet import IPV6_FROM, CtState, Direction, FlowTuple, Packet

if TYPE_CHECKING:
    from nodeagent.datapath.conntrack.connection import Connection
    from nodeagent.datapath.fast_echo import Echo
    from nodeagent.datapath.fast_echo6 import Echo6
    from nodeagent.datapath.fast_path import Flow
    from nodeagent.datapath.fast_path6 import Flow6
    from nodeagent.datapath.hooks import Hook
    from nodeagent.datapath.node import Node
    from nodeagent.datapath.policy_rules import Ruling

Drops = Counter[DropReason] | Counter[StackDropReason]
_OUTPUTS_NAMED_MAX: Final = 4  # A flooded frame leaves by every port.


@dataclass(slots=True, eq=False)
class Verdict:
    """What becomes of a frame; complete when the batch that it came in has left."""

    #: The counters that may grow, and what they were.
    counters: tuple[Drops, ...] = ()
    before: tuple[dict[str, int], ...] = ()
    fast: bool = False
    packet: Packet | None = None
    hook: Hook | None = None
    connection: Connection | None = None
    direction: Direction = Direction.ORIGINAL
    state: CtState | None = None
    is_fragment: bool = False
    outputs: list[str] = field(default_factory=list)
    #: Where frames went that the node sent because of this one.
    answers: list[str] = field(default_factory=list)
    drops: list[str] = field(default_factory=list)
    denial: Ruling | None = None

    @classmethod
    def begin(cls, *counters: Drops) -> Verdict:
        """Note what the counters are now."""
        before = tuple({reason.value: n for reason, n in each.items()} for each in counters)
        return cls(counters=counters, before=before)

    def follow(self, flow: Flow | Flow6 | Echo | Echo6) -> None:
        """Take over what the flow cache has decided."""
        self.fast, self.connection, self.direction = True, flow.connection, flow.direction
        self.state = CtState.ESTABLISHED
        self.outputs.append(flow.output.name)

    def end(self) -> None:
        """Read what the frame's way has left behind."""
        for counter, before in zip(self.counters, self.before, strict=True):
            for reason, count in counter.items():
                if count > before.get(reason.value, 0):
                    self.drops.append(reason.value)
        self.counters = self.before = ()
        packet, self.packet = self.packet, None
        if packet is not None:
            self.connection, self.direction = packet.connection, packet.direction
            self.state, self.is_fragment = packet.state, packet.is_fragment

    def text(self, node: Node) -> str:
        """Return the verdict as one line."""
        parts = ["fast path" if self.fast else "slow path"]
        if self.state is not None:
            parts.append(_state_text(self.state, self.direction))
        if self.connection is not None:
            parts += _translations(node, self.connection, self.direction)
        return "; ".join([*parts, *self._fate()])

    def _fate(self) -> list[str]:
        if self.drops:
            at = f" at {self.hook.name}" if self.hook is not None else ""
            answered = [f"answered to {_named(self.answers)}"] if self.answers else []
            why = [] if self.denial is None else [f"denied by {self.denial.by}"]
            return [f"dropped: {', '.join(self.drops)}{at}", *why, *answered]
        if self.outputs:
            return [f"forwarded to {_named(self.outputs)}"]
        if self.hook is None:
            return []
        if self.hook.name == "INPUT":
            return ["delivered to the node's own stack"]
        return ["waits for its neighbour's address"]


def _named(outputs: list[str]) -> str:
    more = len(outputs) - _OUTPUTS_NAMED_MAX
    return ", ".join(outputs[:_OUTPUTS_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def _state_text(state: CtState, direction: Direction) -> str:
    way = ", reply" if direction is Direction.REPLY and state is not CtState.INVALID else ""
    return f"ct {state.name}{way}"


def _translations(node: Node, connection: Connection, direction: Direction) -> list[str]:
    """Return which rule chose the endpoint, and which addresses change, as this packet has it."""
    original, reply = connection.original, connection.reply
    frontend = node.frontends.lookup(
        original.destination,
        original.destination_port,
        original.protocol,
        local=node.is_local(original.destination),
    )
    parts = []
    if frontend is not None:
        parts.append(f"service {frontend.entry.service}")
    back = direction is Direction.REPLY
    if connection.is_destination_translated:
        service, endpoint = _destination(original), _source(reply)
        parts.append(
            f"un-DNAT {endpoint} -> {service}" if back else f"DNAT {service} -> {endpoint}"
        )
    if connection.is_source_translated:
        client, hidden = _source(original), _destination(reply)
        how = "masquerade" if original.source != reply.destination else "SNAT"
        parts.append(f"un-{how} {hidden} -> {client}" if back else f"{how} {client} -> {hidden}")
    return parts


def _source(flow: FlowTuple) -> str:
    return _endpoint(flow.source, flow.source_port)


def _destination(flow: FlowTuple) -> str:
    return _endpoint(flow.destination, flow.destination_port)


def _endpoint(address: int, port: int) -> str:
    text = str(ip_address(address))
    return f"{text}:{port}" if address < IPV6_FROM else f"[{text}]:{port}"
