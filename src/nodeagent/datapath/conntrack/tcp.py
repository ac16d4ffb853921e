"""What conntrack knows of a TCP connection: nf_conntrack_proto_tcp's state machine.

The table says what state a packet of either direction leads to; a missing entry is INVALID (the
packet is dropped, as kube-proxy's rules do), IGNORED lets it pass without believing it. A first
packet that is no SYN is picked up in the middle (`nf_conntrack_tcp_loose`), so that connections
survive the loss of this table. Whether its numbers can be true is `window`'s question.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Final

from netstack.wire.tcp import Flag
from nodeagent.datapath.packet import Direction


class TcpState(StrEnum):
    """States by conntrack's names; SYN_SENT2 is a simultaneous open."""

    __hash__ = str.__hash__  # enum's own is that of the name, slowly.

    NONE = "NONE"
    SYN_SENT = "SYN_SENT"
    SYN_RECV = "SYN_RECV"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT = "FIN_WAIT"
    CLOSE_WAIT = "CLOSE_WAIT"
    LAST_ACK = "LAST_ACK"
    TIME_WAIT = "TIME_WAIT"
    CLOSE = "CLOSE"
    SYN_SENT2 = "SYN_SENT2"
    IGNORED = "IGNORED"


class Signal(IntEnum):
    """What a segment's flags amount to."""

    SYN = 0
    SYN_ACK = 1
    FIN = 2
    ACK = 3
    RST = 4
    NONE = 5


#: Seconds of silence after which a connection is forgotten: Linux's defaults, where kube-proxy
#: does not set others (ESTABLISHED 24 h, CLOSE_WAIT 1 h).
TIMEOUT_S: Final[Mapping[TcpState, float]] = {
    TcpState.SYN_SENT: 120,
    TcpState.SYN_RECV: 60,
    TcpState.ESTABLISHED: 86400,
    TcpState.FIN_WAIT: 120,
    TcpState.CLOSE_WAIT: 3600,
    TcpState.LAST_ACK: 30,
    TcpState.TIME_WAIT: 120,
    TcpState.CLOSE: 10,
    TcpState.SYN_SENT2: 120,
}

_S = TcpState
_ENDING: Final = {
    _S.ESTABLISHED: _S.FIN_WAIT,
    _S.FIN_WAIT: _S.LAST_ACK,
    _S.CLOSE_WAIT: _S.LAST_ACK,
    _S.LAST_ACK: _S.LAST_ACK,
    _S.TIME_WAIT: _S.TIME_WAIT,
    _S.CLOSE: _S.CLOSE,
}
_ACKING: Final = {
    _S.ESTABLISHED: _S.ESTABLISHED,
    _S.FIN_WAIT: _S.CLOSE_WAIT,
    _S.CLOSE_WAIT: _S.CLOSE_WAIT,
    _S.LAST_ACK: _S.TIME_WAIT,
    _S.TIME_WAIT: _S.TIME_WAIT,
    _S.CLOSE: _S.CLOSE,
}
_RESET: Final[dict[TcpState, TcpState]] = {
    state: _S.CLOSE for state in TcpState if state not in (_S.NONE, _S.IGNORED)
}
_MIDDLE: Final = (
    _S.SYN_RECV,
    _S.ESTABLISHED,
    _S.FIN_WAIT,
    _S.CLOSE_WAIT,
    _S.LAST_ACK,
)
_IGNORED_IN_THE_MIDDLE: Final = dict.fromkeys(_MIDDLE, _S.IGNORED)

#: (direction, signal) → state → next state.
NEXT: Final[Mapping[tuple[Direction, Signal], Mapping[TcpState, TcpState]]] = {
    (Direction.ORIGINAL, Signal.SYN): {
        _S.NONE: _S.SYN_SENT,
        _S.SYN_SENT: _S.SYN_SENT,  # Retransmitted.
        **_IGNORED_IN_THE_MIDDLE,
        _S.TIME_WAIT: _S.SYN_SENT,  # Reopened.
        _S.CLOSE: _S.SYN_SENT,
        _S.SYN_SENT2: _S.SYN_SENT2,
    },
    (Direction.ORIGINAL, Signal.SYN_ACK): {
        _S.SYN_RECV: _S.SYN_RECV,
        _S.SYN_SENT2: _S.SYN_RECV,
    },
    (Direction.ORIGINAL, Signal.FIN): {_S.SYN_RECV: _S.FIN_WAIT, **_ENDING},
    (Direction.ORIGINAL, Signal.ACK): {
        _S.NONE: _S.ESTABLISHED,  # Picked up in the middle.
        _S.SYN_RECV: _S.ESTABLISHED,
        **_ACKING,
    },
    (Direction.ORIGINAL, Signal.RST): _RESET,
    (Direction.REPLY, Signal.SYN): {
        _S.SYN_SENT: _S.SYN_SENT2,
        _S.SYN_SENT2: _S.SYN_SENT2,
        _S.TIME_WAIT: _S.SYN_SENT,
    },
    (Direction.REPLY, Signal.SYN_ACK): {
        _S.SYN_SENT: _S.SYN_RECV,
        _S.SYN_SENT2: _S.SYN_RECV,
        **_IGNORED_IN_THE_MIDDLE,
        _S.TIME_WAIT: _S.IGNORED,
        _S.CLOSE: _S.IGNORED,
    },
    (Direction.REPLY, Signal.FIN): {_S.SYN_RECV: _S.FIN_WAIT, **_ENDING},
    (Direction.REPLY, Signal.ACK): {
        _S.SYN_SENT: _S.IGNORED,
        _S.SYN_SENT2: _S.IGNORED,
        _S.SYN_RECV: _S.SYN_RECV,
        **_ACKING,
    },
    (Direction.REPLY, Signal.RST): _RESET,
}

#: A lone ACK changes nothing in these, so packets of such a connection may take the fast path.
STEADY: Final = (_S.ESTABLISHED, _S.CLOSE_WAIT)
#: Segments that begin a sequence space; no window holds them.
SYNS: Final = (Signal.SYN, Signal.SYN_ACK)


def _signal_of(flags: int) -> Signal:
    if flags & Flag.RST:
        return Signal.RST
    if flags & Flag.SYN:
        if flags & Flag.FIN:
            return Signal.NONE
        return Signal.SYN_ACK if flags & Flag.ACK else Signal.SYN
    if flags & Flag.FIN:
        return Signal.FIN if flags & Flag.ACK else Signal.NONE
    return Signal.ACK if flags & Flag.ACK else Signal.NONE


#: By the six flags that count; looked up for every packet of the slow path.
_SIGNALS: Final = tuple(_signal_of(flags) for flags in range(64))


def signal_of(flags: int) -> Signal:
    """Return what *flags* amount to; combinations that TCP does not send are NONE."""
    return _SIGNALS[flags & 0x3F]


#: The rows of `NEXT` by direction and signal as numbers; asked for every packet of the slow path.
_ROWS: Final = tuple(
    tuple(NEXT.get((direction, signal), {}) for signal in Signal) for direction in Direction
)


def step(state: TcpState, direction: Direction, signal: Signal) -> TcpState | None:
    """Return the state after *signal*, None when it is INVALID."""
    return _ROWS[direction][signal].get(state)
