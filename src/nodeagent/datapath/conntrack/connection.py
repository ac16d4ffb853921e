"""One tracked connection: its two tuples, what has been seen of it, when it is forgotten."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from netstack.wire.ipv4 import PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP
from nodeagent.datapath.conntrack.tcp import STEADY, TcpState
from nodeagent.datapath.packet import Direction, FlowTuple

if TYPE_CHECKING:
    from nodeagent.datapath.fast_path import Flow

#: Seconds of silence: before and after an answer was seen. Linux's defaults.
_TIMEOUTS_S: Final = {PROTOCOL_UDP: (30.0, 120.0), PROTOCOL_ICMP: (30.0, 30.0)}
_GENERIC_TIMEOUTS_S: Final = (600.0, 600.0)


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
    tcp_state: TcpState = TcpState.NONE
    confirmed: bool = False
    seen_reply: bool = False
    assured: bool = False
    source_bound: bool = False  # Source translation has been decided, also when there is none.
    #: Where the fast path keeps entries of this connection: (table, key).
    fast_entries: list[tuple[dict[bytes, Flow], bytes]] = field(default_factory=list)

    def expired(self, now: float) -> bool:
        return now - self.seen_at >= self.timeout_s

    def tuple_of(self, direction: Direction) -> FlowTuple:
        """Return the tuple that packets of *direction* carry on arrival."""
        return self.original if direction is Direction.ORIGINAL else self.reply

    def translated(self, direction: Direction) -> FlowTuple:
        """Return the tuple that packets of *direction* leave with."""
        other = self.reply if direction is Direction.ORIGINAL else self.original
        return other.inverted()

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

    @property
    def steady(self) -> bool:
        """Whether a packet without SYN, FIN and RST changes nothing but the time of last use."""
        if self.original.protocol == PROTOCOL_TCP:
            return self.tcp_state in STEADY
        return self.original.protocol == PROTOCOL_UDP

    def forget_fast_entries(self) -> None:
        """Make every packet of this connection take the slow path again."""
        for table, key in self.fast_entries:
            table.pop(key, None)
        self.fast_entries.clear()


def timeout_s(protocol: int, *, seen_reply: bool) -> float:
    """Return how long a connection that is not TCP is remembered."""
    return _TIMEOUTS_S.get(protocol, _GENERIC_TIMEOUTS_S)[seen_reply]
