"""The conntrack table: which connection a packet belongs to (nf_conntrack_core).

One table holds both families: their addresses tell them apart. A new connection is only a
candidate until its first packet has passed every hook (`confirm`): what
is refused leaves no trace. The table holds at most `connections_max`; when it is full, an entry
that was never assured makes room (early drop), or the new packet is dropped. Entries are forgotten
after silence, when they are looked up too late or by `expire`, which looks at a bounded number and
goes on there next time: a full table must not hold the packets up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from netstack.wire.ethernet import HEADER_OCTETS as ETHERNET_OCTETS
from netstack.wire.ipv4 import HEADER_OCTETS as IPV4_OCTETS
from netstack.wire.ipv4 import PROTOCOL_TCP
from nodeagent.datapath.conntrack import icmp_error, tcp, window
from nodeagent.datapath.conntrack.connection import Connection, timeout_s
from nodeagent.datapath.conntrack.tcp import TcpState
from nodeagent.datapath.packet import CtState, Direction, FlowTuple, Packet

CONNECTIONS_MAX: Final = 131072  # kube-proxy's conntrack.min
_EARLY_DROP_SCAN: Final = 16
_L4_AT: Final = ETHERNET_OCTETS + IPV4_OCTETS
_EXPIRE_SCAN: Final = 2048


class ConntrackTable:
    """Connections by the tuples of both directions."""

    def __init__(self, *, connections_max: int = CONNECTIONS_MAX) -> None:
        self._connections_max = connections_max
        self._by_tuple: dict[FlowTuple, tuple[Connection, Direction]] = {}
        self._round: deque[Connection] = deque()  # Oldest look first; may hold forgotten ones.
        self._watch: Callable[[str, Connection], None] | None = None

    def set_watch(self, watch: Callable[[str, Connection], None] | None) -> None:
        """Let *watch* hear of what becomes of connections: "NEW", "UPDATE" and "DESTROY"."""
        self._watch = watch
        for connection in self:
            connection.watch = watch

    def __len__(self) -> int:
        return len(self._by_tuple) // 2

    def __iter__(self) -> Iterator[Connection]:
        for connection, way in list(self._by_tuple.values()):
            if way is Direction.ORIGINAL:
                connection.settle()
                yield connection

    def lookup(self, flow: FlowTuple, now: float) -> tuple[Connection, Direction] | None:
        """Return the live connection that *flow* belongs to, and which way it goes."""
        found = self._by_tuple.get(flow)
        if found is not None and found[0].expired(now):
            self.delete(found[0])
            return None
        return found

    def find(self, original: FlowTuple) -> Connection | None:
        """Return the connection that began with *original*."""
        found = self._by_tuple.get(original)
        return found[0] if found is not None and found[1] is Direction.ORIGINAL else None

    def taken(self, reply: FlowTuple) -> bool:
        """Tell whether another connection already expects packets with this tuple."""
        return reply in self._by_tuple

    def track(self, packet: Packet, now: float) -> None:
        """Find or prepare the connection of *packet* and say what the packet is to it."""
        if packet.is_icmp_error:
            self._track_error(packet, now)
            return
        flow = packet.flow
        if flow is None:
            return  # Later fragments, other ICMP: untracked.
        found = self.lookup(flow, now)
        if found is not None:
            packet.connection, packet.direction = found
            if packet.protocol == PROTOCOL_TCP:
                found = self._track_tcp(packet, now)
        if found is None:
            self._track_new(packet, flow, now)
        elif packet.state is not CtState.INVALID:
            self._seen(packet, now)

    def _track_new(self, packet: Packet, flow: FlowTuple, now: float) -> None:
        state, limit_s = TcpState.NONE, timeout_s(packet.protocol)
        if packet.protocol == PROTOCOL_TCP:
            signal = tcp.signal_of(packet.tcp_flags)
            first = tcp.step(TcpState.NONE, Direction.ORIGINAL, signal)
            if first is None:
                packet.state, packet.connection = CtState.INVALID, None
                return
            state = first
        elif packet.protocol == packet.icmp and packet.icmp_type != packet.echo_request:
            packet.state = CtState.INVALID
            return
        packet.state, packet.direction = CtState.NEW, Direction.ORIGINAL
        packet.connection = Connection(flow, flow.inverted(), limit_s, now, now)
        if state is not TcpState.NONE:
            packet.connection.enter(state)
            packet.connection.picked_up = state is not TcpState.SYN_SENT
            self._note(packet)

    def _track_tcp(self, packet: Packet, now: float) -> tuple[Connection, Direction] | None:
        """Step the state machine; None means that the packet begins a connection anew."""
        connection = packet.connection
        assert connection is not None
        octets = packet.octets - packet.l4 + _L4_AT  # As if IP had no options.
        old = connection.tcp_state
        new = connection.judge(packet.direction, packet.tcp_segment, octets)
        if new is None:
            packet.state, packet.connection = CtState.INVALID, None
        elif new is TcpState.SYN_SENT and old in (TcpState.TIME_WAIT, TcpState.CLOSE):
            self.delete(connection)
            return None
        elif new is not TcpState.IGNORED:
            connection.enter(new)
            signal = tcp.signal_of(packet.tcp_flags)
            if signal in tcp.SYNS:
                self._note(packet)
            elif signal is tcp.Signal.RST and not connection.seen_reply:
                self.delete(connection)  # Refused: nothing will follow.
        return connection, packet.direction

    @staticmethod
    def _note(packet: Packet) -> None:
        """Let the connection know a SYN, or the first segment of one picked up in the middle."""
        connection = packet.connection
        assert connection is not None
        sides, way = connection.sides, packet.direction
        sender, receiver = sides[way], sides[not way]
        segment, octets = packet.tcp_segment, packet.octets - packet.l4 + _L4_AT
        if tcp.signal_of(packet.tcp_flags) not in tcp.SYNS:
            window.note(sides, way, segment, octets)
            return
        window.open_side(sender, segment, octets, window.scale_of(packet.tcp_options))
        if receiver.opened:
            window.agree(sender, receiver)

    def _seen(self, packet: Packet, now: float) -> None:
        connection = packet.connection
        assert connection is not None
        connection.seen_at = now
        if packet.direction is Direction.REPLY:
            if connection.watch is not None and not connection.seen_reply:
                connection.watch("UPDATE", connection)
            connection.seen_reply = True
            packet.state = CtState.ESTABLISHED
        else:
            packet.state = CtState.ESTABLISHED if connection.seen_reply else CtState.NEW

    def _track_error(self, packet: Packet, now: float) -> None:
        """Relate an ICMP error to the connection of the packet that it quotes."""
        quoted = icmp_error.quoted_flow(packet)
        found = None if quoted is None else self.lookup(quoted.inverted(), now)
        if found is None:
            packet.state = CtState.INVALID
        else:
            packet.connection, packet.direction = found
            packet.state = CtState.RELATED

    def confirm(self, connection: Connection) -> bool:
        """Enter a candidate; return False when the table is full."""
        assert not connection.confirmed
        if len(self) >= self._connections_max and not self._early_drop():
            return False
        self._by_tuple[connection.original] = connection, Direction.ORIGINAL
        self._by_tuple[connection.reply] = connection, Direction.REPLY
        connection.confirmed = True
        if connection.destination is not None:
            connection.destination.joined(active=connection.is_active)
        self._round.append(connection)
        if self._watch is not None:
            connection.watch = self._watch
            self._watch("NEW", connection)
        return True

    def _early_drop(self) -> bool:
        """Make room; the next call looks at the next entries, so that a flood hits itself."""
        for _ in range(min(len(self._round), _EARLY_DROP_SCAN)):
            connection = self._round.popleft()
            if connection.forgotten:
                continue
            connection.settle()
            if not connection.assured:
                self.delete(connection)
                return True
            self._round.append(connection)
        return False

    def delete(self, connection: Connection) -> None:
        """Forget a connection; its next packet is a first packet."""
        if connection.watch is not None and not connection.forgotten:
            connection.watch("DESTROY", connection)
        if connection.destination is not None and connection.confirmed:
            connection.destination.left(active=connection.is_active)
            connection.destination = None
        connection.forgotten = True
        connection.forget_fast_entries()
        for flow in (connection.original, connection.reply):
            found = self._by_tuple.get(flow)
            if found is not None and found[0] is connection:
                del self._by_tuple[flow]

    def expire(self, now: float) -> float:
        """Forget what has been silent for too long; return what part was looked at."""
        entries = len(self._round)
        scanned = min(entries, _EXPIRE_SCAN)
        for _ in range(scanned):
            connection = self._round.popleft()
            if connection.forgotten:
                continue
            if connection.expired(now):
                self.delete(connection)
            else:
                self._round.append(connection)
        return scanned / entries if entries else 1.0
