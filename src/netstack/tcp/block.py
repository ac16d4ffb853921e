"""The transmission control block (RFC 9293 §3.3.1) and what all blocks of a host share.

Sequence numbers are unbounded ints here: the wire's 32 bits are their lower part. A number that
arrives becomes one by its distance to a known one, so everything else compares plainly.

The roles (send, receive, retransmit, ...) are modules of functions that take a block. `Tcb` has the
variables, by their names in the RFC where it names them; `TcpConnection` gives it a user's face.
"""

from __future__ import annotations

import abc
import enum
import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, Protocol

from netstack.drops import DropReason
from netstack.ip_family import Families
from netstack.tcp.buffers import ReceiveBuffer, SendBuffer
from netstack.tcp.congestion import CONGESTION_CONTROLS
from netstack.tcp.ecn import Ecn
from netstack.tcp.isn import IsnGenerator
from netstack.tcp.prr import Prr
from netstack.tcp.rack import Rack
from netstack.tcp.reassembly import HeldData
from netstack.tcp.resent import Resent
from netstack.tcp.rtt import RttEstimator
from netstack.tcp.scoreboard import Range, Scoreboard
from netstack.tcp.settings import TcpSettings
from netstack.tcp.states import Signal, State, step
from netstack.tcp.syn_cookies import SynCookies
from netstack.tcp.undo import Undo
from netstack.timers import TimerHeap
from netstack.token_bucket import TokenBucket
from netstack.wakeups import Wakeups
from netstack.wire import ipv4, tcp

MASK: Final = 0xFFFFFFFF
_HALF: Final = 1 << 31
#: The least MSS that is believed (Linux TCP_MIN_SND_MSS).
MSS_MIN: Final = 48
TIMESTAMPS_OCTETS: Final = 12
#: What of IPv4's header is the same for everyone: version, DF, TTL and protocol.
_IPV4_BASE: Final = 0x4500 + ipv4.DONT_FRAGMENT + (64 << 8 | ipv4.PROTOCOL_TCP)
#: Data offset and flags of what the fast path takes.
_EXPECTED: Final = 5 << 12 | int(tcp.Flag.ACK)
_EXPECTED_WITH_STAMPS: Final = 8 << 12 | int(tcp.Flag.ACK)


class Recovery(enum.Enum):
    """Whether lost data is being sent again, and why."""

    NONE = "none"
    FAST = "fast"
    LOSS = "loss"


class Acceptor(Protocol):
    """A listener, as the connections see it that it made."""

    def complete(self, tcb: Tcb) -> bool:
        """The handshake is over; return False when there is no room in the accept queue."""
        ...

    def forget(self, tcb: Tcb) -> None:
        """The connection died before anyone accepted it."""
        ...


@dataclass(slots=True, kw_only=True)
class TcpContext:
    """What the connections of a host share."""

    settings: TcpSettings
    families: Families
    timers: TimerHeap
    wakeups: Wakeups
    drops: Counter[DropReason]
    rng: random.Random
    isn: IsnGenerator
    cookies: SynCookies
    challenges: TokenBucket
    connections: dict[bytes, Tcb] = field(default_factory=dict)
    #: Whether the link takes TCP segments without their checksum, and several in one.
    offload: bool = False
    #: Whether the checksums of what arrives mean nothing.
    partial: bool = False
    #: Connections that owe an acknowledgment at the end of the batch.
    owing: dict[Tcb, None] = field(default_factory=dict)
    #: Connections in TIME-WAIT.
    waiting: int = 0
    #: By how much buffers are larger than at first: see `tuning`.
    grown_octets: int = 0


class Tcb(abc.ABC):
    """The variables of one connection."""

    __slots__ = (
        "_rack", "_resent", "ack_at", "ack_now", "advanced_at", "bursts", "calm", "challenged_at",
        "close_at", "congestion", "context", "dupacks", "duplicate", "ecn", "error", "expected",
        "family", "fin_queued", "fin_received_at", "fin_sent_at", "frto", "heard_at", "held",
        "ip_base", "ip_id", "irs", "iss", "keepalive", "keepalive_at", "keepalive_out", "key",
        "last_ack_sent", "listener", "loopback", "lost_edge", "mss", "nodelay", "orphaned", "owed",
        "peer_mss", "probe_at", "probes_out", "probing_since", "prr", "rack_at", "rcv_adv",
        "rcv_nxt", "rcv_wscale", "receive_buffer", "receive_limit", "received_at", "recovery",
        "recovery_point", "retransmit_at", "retries", "route", "rtt", "sack", "sack_permitted",
        "segs_in", "segs_out", "send_buffer", "send_limit", "sent_at", "snd_nxt", "snd_sml",
        "snd_una", "snd_wl1", "snd_wl2", "snd_wnd", "snd_wnd_max", "snd_wscale", "state",
        "tcp_base", "timer_at", "timestamps", "tlp_again", "tlp_end", "transmit", "ts_offset",
        "ts_recent", "ts_recent_at", "undo", "user_timeout_s", "waits", "window_at", "window_edge",
    )  # fmt: skip

    def __init__(self, context: TcpContext, key: bytes) -> None:
        """*key* is the source, destination and ports of packets that arrive."""
        settings = context.settings
        self.context = context
        self.key = key
        self._head_for(key)
        self.state = State.CLOSED
        self.error: OSError | None = None
        self.listener: Acceptor | None = None
        #: Data offset and flags of the segment that the fast path takes; 0: none.
        self.expected = 0
        self.ecn: Ecn | None = None

        # Sending. `send_buffer` begins at snd_una, or after our SYN.
        self.iss = self.snd_una = self.snd_nxt = 0
        self.snd_wnd = self.snd_wnd_max = self.snd_wl1 = self.snd_wl2 = 0
        self.snd_wscale = 0
        self.snd_sml = 0  # The end of the last segment that was less than an MSS.
        self.mss = self.peer_mss = self.family.mss_default
        self.send_buffer = SendBuffer()
        self.send_limit = settings.send_buffer_octets
        self.fin_queued = self.nodelay = self.orphaned = False
        self.fin_sent_at: int | None = None
        self.congestion = CONGESTION_CONTROLS[settings.congestion](self.mss)
        self.rtt = RttEstimator(
            initial_s=settings.rto_initial_s, min_s=settings.rto_min_s, max_s=settings.rto_max_s
        )
        #: Ends of what was sent at one moment, and that moment: originals, in both orders.
        self.bursts: list[tuple[int, float]] = []

        # Losses.
        self.calm = True  # Nothing below says otherwise: see `predict`.
        self.recovery = Recovery.NONE
        self.recovery_point = self.dupacks = self.retries = self.probes_out = 0
        #: What is missing below is lost, unless it was sent again.
        self.lost_edge = 0
        self.sack = Scoreboard()
        self._resent: Resent | None = None
        self._rack: Rack | None = None
        self.prr: Prr | None = None
        self.undo: Undo | None = None
        self.frto = False  # After a timeout, which the next acknowledgments may prove needless.
        self.tlp_end = 0  # TLP.end_seq; 0: no probe is out.
        self.tlp_again = False  # TLP.is_retrans.

        # Receiving.
        self.irs = self.rcv_nxt = self.rcv_adv = 0
        self.rcv_wscale = 0
        self.receive_buffer = ReceiveBuffer()
        self.receive_limit = settings.receive_buffer_octets
        #: Where the window ended at a moment; 0: not looked at yet.
        self.window_edge, self.window_at = 0, 0.0
        self.held = HeldData()
        self.duplicate: Range | None = None  # What arrived twice, to be told (D-SACK).
        self.fin_received_at: int | None = None
        self.owed = 0  # Segments not yet acknowledged.
        self.segs_in = self.segs_out = 0  # Ever: tcpi_segs_in, tcpi_segs_out.
        self.ack_now = False
        self.last_ack_sent = self.ts_recent = 0
        self.sack_permitted = settings.sack
        self.timestamps = settings.timestamps
        self.ts_offset = context.isn.stamp_offset(key[:-4])
        self.ts_recent_at = 0.0
        self._begin_timers()

    def _begin_timers(self) -> None:
        """Set none of them: all are at math.inf."""
        self.timer_at = math.inf
        self.retransmit_at = self.probe_at = self.ack_at = math.inf
        #: While calm the probe timeout of TLP, otherwise the reordering timeout of RACK.
        self.rack_at = math.inf
        self.keepalive_at = self.close_at = math.inf
        self.probing_since = 0.0  # While `probe_at` is set.
        self.user_timeout_s = math.inf
        self.keepalive: tuple[float, float, int] | None = None  # Idle, interval, probes.
        self.keepalive_out = 0
        self.heard_at = 0.0
        #: When data was last sent, and came in, new or again; before that, when the handshake did.
        self.sent_at = self.received_at = 0.0
        self.challenged_at = -math.inf  # When something senseless was last answered.
        self.advanced_at = -math.inf  # When the peer last acknowledged something new.
        self.waits = False  # Counted among those in TIME-WAIT.

    def _head_for(self, key: bytes) -> None:
        """Compute what is the same in the headers of all packets that are sent."""
        context, size = self.context, len(key) - 4 >> 1
        self.family = context.families[size]
        remote, local = key[:size], key[size:-4]
        #: The key of what is sent.
        self.route = local + remote + key[-2:] + key[-4:-2]
        #: Sums of what is the same in all headers, for checksums (65536 is 1 there, so a number of
        #: any length is the sum of its words); IPv6 headers have none.
        addresses = int.from_bytes(key[:-4], "big") % 0xFFFF
        self.ip_base = _IPV4_BASE + addresses if size == 4 else 0
        self.tcp_base = ipv4.PROTOCOL_TCP + addresses + int.from_bytes(key[-4:], "big")
        self.ip_id = context.rng.randrange(1 << 16)
        output = self.family.output
        self.loopback = output.is_local(remote)
        self.transmit = output.loop if self.loopback else output.link

    @abc.abstractmethod
    def handle_deadline(self, now: float) -> None:
        """Do what is due."""

    @abc.abstractmethod
    def wake(self) -> None:
        """Tell the user that something changed."""

    def deadline(self) -> float:
        return min(
            self.retransmit_at, self.rack_at, self.probe_at, self.ack_at, self.keepalive_at,
            self.close_at,
        )  # fmt: skip

    def signal(self, signal: Signal) -> State:
        """Change the state as the table says, tell the user, return the new state."""
        self.state = step(self.state, signal)
        self.context.wakeups.note(self)
        if self.state is State.ESTABLISHED:
            self.predict()
        else:
            self.expected = 0
        return self.state

    def predict(self) -> None:
        """Set what the fast path takes: in ESTABLISHED, while nothing is missing or doubtful."""
        self.calm = not (
            self.sack.ranges
            or (self._resent is not None and self._resent.ranges)
            or self.dupacks
            or self.tlp_end
            or self.recovery is not Recovery.NONE
        )
        if self.calm and self.state is State.ESTABLISHED and self.ecn is None:
            self.expected = _EXPECTED_WITH_STAMPS if self.timestamps else _EXPECTED
        else:
            self.expected = 0

    @property
    def local_address(self) -> bytes:
        return self.route[: self.family.address_octets]

    @property
    def remote_address(self) -> bytes:
        return self.key[: self.family.address_octets]

    # Most connections lose nothing: these are made when they are first asked for.

    @property
    def resent(self) -> Resent:
        if self._resent is None:
            self._resent = Resent()
        return self._resent

    @property
    def rack(self) -> Rack:
        if self._rack is None:
            self._rack = Rack()
        return self._rack

    @property
    def retransmitted(self) -> tuple[int, int]:
        """How many segments, and octets, were sent again since the connection began."""
        resent = self._resent
        return (0, 0) if resent is None else (resent.segments_ever, resent.octets_ever)

    @property
    def send_end(self) -> int:
        """The sequence number after the last octet that was written."""
        if self.fin_sent_at is not None:
            return self.fin_sent_at
        syn = self.snd_una == self.iss
        return self.snd_una + syn + self.send_buffer.octets

    @property
    def fin_acked(self) -> bool:
        return self.fin_sent_at is not None and self.snd_una > self.fin_sent_at


def near(number: int, reference: int) -> int:
    """Return the unbounded sequence number nearest to *reference* that the wire writes *number*."""
    distance = (number - reference) & MASK
    return reference + distance - ((distance & _HALF) << 1)
