"""The states of a connection and what moves it between them (RFC 9293 §3.3.2), as one table.

A connection's own FIN is queued behind its data, so `APP_CLOSE` moves the state when the user
closes, as Linux does, not when the FIN is sent. LISTEN is where a connection that a listener makes
begins; the listener itself is no connection. What else a transition entails is done by the module
that gives the signal.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final


class State(enum.Enum):
    """States as `ss` prints them."""

    __hash__ = object.__hash__  # Members are unique; enum's own hash is that of the name, slowly.

    CLOSED = "CLOSED"
    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED = "SYN-RECEIVED"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"


class Signal(enum.Enum):
    """What happens to a connection."""

    __hash__ = object.__hash__

    ACTIVE_OPEN = "connect"
    PASSIVE_OPEN = "listen"
    SYN = "SYN"
    SYN_ACK = "SYN+ACK"
    HANDSHAKE_ACK = "ACK of SYN"
    APP_CLOSE = "close"
    FIN_ACKED = "ACK of FIN"
    PEER_FIN = "FIN"
    RESET = "RST or abort"
    TIMEOUT = "timeout"


class IllegalTransition(AssertionError):
    """A signal that its sender should have known to be impossible."""


_S, _G = State, Signal

#: States in which a peer is known, so that it may fall silent or reset the connection.
_WITH_PEER: Final = tuple(state for state in State if state not in (_S.CLOSED, _S.LISTEN))

NEXT: Final[Mapping[tuple[State, Signal], State]] = {
    (_S.CLOSED, _G.ACTIVE_OPEN): _S.SYN_SENT,
    (_S.CLOSED, _G.PASSIVE_OPEN): _S.LISTEN,
    (_S.LISTEN, _G.SYN): _S.SYN_RECEIVED,
    (_S.SYN_SENT, _G.SYN): _S.SYN_RECEIVED,
    (_S.SYN_SENT, _G.SYN_ACK): _S.ESTABLISHED,
    (_S.SYN_SENT, _G.APP_CLOSE): _S.CLOSED,
    (_S.SYN_RECEIVED, _G.HANDSHAKE_ACK): _S.ESTABLISHED,
    (_S.SYN_RECEIVED, _G.APP_CLOSE): _S.CLOSED,
    (_S.ESTABLISHED, _G.APP_CLOSE): _S.FIN_WAIT_1,
    (_S.ESTABLISHED, _G.PEER_FIN): _S.CLOSE_WAIT,
    (_S.CLOSE_WAIT, _G.APP_CLOSE): _S.LAST_ACK,
    (_S.FIN_WAIT_1, _G.FIN_ACKED): _S.FIN_WAIT_2,
    (_S.FIN_WAIT_1, _G.PEER_FIN): _S.CLOSING,
    (_S.FIN_WAIT_2, _G.PEER_FIN): _S.TIME_WAIT,
    (_S.CLOSING, _G.FIN_ACKED): _S.TIME_WAIT,
    (_S.LAST_ACK, _G.FIN_ACKED): _S.CLOSED,
    **{(state, _G.RESET): _S.CLOSED for state in _WITH_PEER},
    **{(state, _G.TIMEOUT): _S.CLOSED for state in _WITH_PEER},
}

#: States in which the user may still send.
MAY_SEND: Final = (_S.SYN_SENT, _S.SYN_RECEIVED, _S.ESTABLISHED, _S.CLOSE_WAIT)
#: States in which the peer may still send.
MAY_RECEIVE: Final = (_S.ESTABLISHED, _S.FIN_WAIT_1, _S.FIN_WAIT_2)
#: States in which data or our FIN may be on its way.
MAY_TRANSMIT: Final = (_S.ESTABLISHED, _S.CLOSE_WAIT, _S.FIN_WAIT_1, _S.CLOSING, _S.LAST_ACK)


def step(state: State, signal: Signal) -> State:
    """Return the state after *signal*."""
    try:
        return NEXT[state, signal]
    except KeyError:
        raise IllegalTransition(f"{signal.name} in {state.name}") from None


def diagram() -> str:
    """Return the table as a mermaid state diagram; RESET and TIMEOUT are left out for clarity."""
    lines = ["stateDiagram-v2"]
    for (state, signal), after in NEXT.items():
        if signal not in (_G.RESET, _G.TIMEOUT):
            lines.append(f"    {state.name} --> {after.name}: {signal.value}")
    lines.append(f"    {_S.TIME_WAIT.name} --> {_S.CLOSED.name}: {_G.TIMEOUT.value}")
    return "\n".join(lines)
