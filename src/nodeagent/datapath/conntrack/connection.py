"""One tracked connection: its two tuples, what has been seen of it, when it is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from netstack.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_UDP
from netstack.wire.ipv6 import NextHeader
from nodeagent.datapath.conntrack import tcp, window
from nodeagent.datapath.conntrack.tcp import Signal, TcpState
from nodeagent.datapath.conntrack.window import Side, Sides
from nodeagent.datapath.packet import Direction, FlowTuple

if TYPE_CHECKING:
    from nodeagent.datapath.fast_echo import Echoes
    from nodeagent.datapath.fast_echo6 import Echoes6
    from nodeagent.datapath.fast_path import Flow
    from nodeagent.datapath.fast_path6 import Flows6
    from nodeagent.datapath.schedulers import Destination

#: Seconds of silence after which a connection that is not TCP is forgotten. Linux's defaults.
_TIMEOUTS_S: Final[dict[int, float]] = {
    PROTOCOL_UDP: 30.0,
    PROTOCOL_ICMP: 30.0,
    NextHeader.ICMPV6: 30.0,
}
_GENERIC_TIMEOUT_S: Final = 600.0
#: An answered UDP flow that is older than this is a stream, and assured (nf_conntrack_udp_packet).
_STREAM_AFTER_S: Final = 2.0
_STREAM_TIMEOUT_S: Final = 120.0


@dataclass(slots=True, eq=False)
class Connection:
    """An entry of the conntrack table; in the table once `confirmed`.

    `reply` is the tuple that answers carry on arrival. Translation is the difference between it
    and the inverse of `original`.
    """

    original: FlowTuple
    reply: FlowTuple
    timeout_s: float
    seen_at: float
    born_at: float
    tcp_state: TcpState = TcpState.NONE
    steady: bool = True  # A packet without SYN, FIN and RST changes only the time of last use.
    confirmed: bool = False
    picked_up: bool = False  # In the middle: who began it is not known.
    forgotten: bool = False  # It has left the table; a packet that waited may still know it.
    seen_reply: bool = False
    assured: bool = False
    sides: Sides = field(default_factory=lambda: (Side(), Side()))  # What TCP's ends have sent.
    #: The generation of the NetworkPolicies that allowed it.
    admitted: int = 0
    source_bound: bool = False  # Source translation has been decided, also when there is none.
    #: Whose load it is, where a scheduler counts loads.
    destination: Destination | None = None
    #: Hears of every new state, while somebody watches.
    watch: Callable[[str, Connection], None] | None = None
    #: Where the fast path keeps entries of this connection: (table, key).
    fast_entries: list[tuple[dict[bytes, Flow] | Flows6 | Echoes | Echoes6, bytes]] = field(
        default_factory=list
    )

    def expired(self, now: float) -> bool:
        if not self.assured:
            self.settle()
        return now - self.seen_at >= self.timeout_s

    def settle(self) -> None:
        """Find out whether answered datagrams have become a stream; the fast path does not look."""
        if (
            self.original.protocol == PROTOCOL_UDP
            and self.seen_reply
            and self.seen_at - self.born_at > _STREAM_AFTER_S
        ):
            self.assured, self.timeout_s = True, _STREAM_TIMEOUT_S

    def tuple_of(self, direction: Direction) -> FlowTuple:
        """Return the tuple that packets of *direction* carry on arrival."""
        return self.original if direction is Direction.ORIGINAL else self.reply

    def translated(self, direction: Direction) -> FlowTuple:
        """Return the tuple that packets of *direction* leave with."""
        other = self.reply if direction is Direction.ORIGINAL else self.original
        return other.inverted()

    @property
    def is_active(self) -> bool:
        """Tell whether IPVS would count it as active: TCP that is established."""
        return self.tcp_state is TcpState.ESTABLISHED

    @property
    def is_destination_translated(self) -> bool:
        return (self.reply.source, self.reply.source_port) != (
            self.original.destination,
            self.original.destination_port,
        )

    @property
    def is_source_translated(self) -> bool:
        return (self.reply.destination, self.reply.destination_port) != (
            self.original.source,
            self.original.source_port,
        )

    def enter(self, state: TcpState) -> None:
        """Be in this state of TCP from now on."""
        if self.destination is not None and self.confirmed:
            self.destination.left(active=self.is_active)
            self.destination.joined(active=state is TcpState.ESTABLISHED)
        self.tcp_state, self.timeout_s = state, tcp.TIMEOUT_S[state]
        self.steady = state in tcp.STEADY
        self.assured = self.assured or state is TcpState.ESTABLISHED
        if self.watch is not None:
            self.watch("UPDATE", self)

    def judge(self, direction: Direction, segment: bytes, octets: int) -> TcpState | None:
        """Return the state that a segment leads to, or IGNORED; None when it is INVALID."""
        signal, state = tcp.signal_of(segment[9]), self.tcp_state
        new = tcp.step(state, direction, signal)
        if new is None or new is TcpState.IGNORED or signal in tcp.SYNS:
            return new
        if signal is Signal.ACK and self.assured:
            window.note(self.sides, direction, segment, octets)
            return new  # As data on the fast path: it says nothing that is believed.
        if not window.accepts(self.sides, direction, segment, octets):
            return None
        if signal is Signal.RST:
            believed = window.resets(self.sides, direction, segment)
            if believed is None:
                return None
            if not believed and state is TcpState.ESTABLISHED and self.assured:
                return TcpState.IGNORED  # Its receiver may challenge it.
        return new

    def follow(self, direction: Direction, segment: bytes, octets: int) -> bool:
        """Step TCP's state by a segment; False, and nothing changed, if that is not all to do."""
        signal = tcp.signal_of(segment[9])
        if signal in tcp.SYNS or (signal is Signal.RST and not self.seen_reply):
            return False
        new = self.judge(direction, segment, octets)
        if new is not None and new is not TcpState.IGNORED:
            self.enter(new)
        return new is not None

    def forget_fast_entries(self) -> None:
        """Make every packet of this connection take the slow path again."""
        for table, key in self.fast_entries:
            flow = table.get(key)
            if flow is not None and flow.connection is self:
                del table[key]
        self.fast_entries.clear()


def timeout_s(protocol: int) -> float:
    """Return how long a new connection that is not TCP is remembered."""
    return _TIMEOUTS_S.get(protocol, _GENERIC_TIMEOUT_S)
