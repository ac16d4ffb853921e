"""Buffers that grow where they are what limits a connection (Linux tcp_moderate_rcvbuf).

After a whole window has come within a second, and its reader keeps up, the next one is twice as
large (DRS, tcp_rcv_space_adjust: there by the reader's octets in a round trip, which a receiver
that sends nothing can hardly measure). A send buffer that is full doubles while both windows would
let half of it fly (tcp_sndbuf_expand). What all connections of a host have grown by is bounded, as
tcp_mem bounds it on Linux; it is given back when they end.
"""

from __future__ import annotations

from typing import Final

from netstack.tcp.block import Tcb

#: A window that takes longer does not limit anyone.
_WINDOW_LASTS_S: Final = 1.0


def grow_receive(tcb: Tcb, now: float) -> None:
    """All that was promised at `window_at` has come: judge whether that was enough."""
    limit = tcb.receive_limit
    fast = now - tcb.window_at < _WINDOW_LASTS_S
    if tcb.window_edge and fast and tcb.rcv_wscale > 0 and 4 * tcb.receive_buffer.octets <= limit:
        more = min(2 * limit, tcb.context.settings.receive_buffer_max_octets) - limit
        tcb.receive_limit += _granted(tcb, more)
    tcb.window_edge, tcb.window_at = max(tcb.rcv_adv, tcb.rcv_nxt + 1), now


def grow_send(tcb: Tcb) -> None:
    """The user has more to say than fits."""
    limit = tcb.send_limit
    if 2 * min(tcb.congestion.window, tcb.snd_wnd) >= limit:
        more = min(2 * limit, tcb.context.settings.send_buffer_max_octets) - limit
        tcb.send_limit += _granted(tcb, more)


def give_back(tcb: Tcb) -> None:
    """The connection is over, or as good as that."""
    settings = tcb.context.settings
    tcb.context.grown_octets -= tcb.receive_limit - settings.receive_buffer_octets
    tcb.context.grown_octets -= tcb.send_limit - settings.send_buffer_octets
    tcb.receive_limit = settings.receive_buffer_octets
    tcb.send_limit = settings.send_buffer_octets


def _granted(tcb: Tcb, octets: int) -> int:
    context = tcb.context
    granted = max(0, min(octets, context.settings.grown_octets_max - context.grown_octets))
    context.grown_octets += granted
    return granted
