"""A connection's internals as getsockopt(TCP_INFO) has them: Linux's struct tcp_info.

The values are those that `ss -i` shows (netstack.socket_table). What this stack does not have
(pacing, delivery rates, the buffers' tuning) is zero, as Linux
leaves what it has not measured; the struct ends behind tcpi_bytes_retrans.
"""

from __future__ import annotations

import struct
from typing import Final

from netstack.socket_table import connection_info
from netstack.tcp.connection import TcpConnection
from netstack.tcp.states import State

#: Eight octets, tcpi_rto to tcpi_total_retrans, tcpi_pacing_rate to tcpi_bytes_retrans.
_STRUCT: Final = struct.Struct("=8B24I4Q6I4Q2I2Q")
#: include/net/tcp_states.h.
_STATES: Final = {
    State.ESTABLISHED: 1,
    State.SYN_SENT: 2,
    State.SYN_RECEIVED: 3,
    State.FIN_WAIT_1: 4,
    State.FIN_WAIT_2: 5,
    State.TIME_WAIT: 6,
    State.CLOSED: 7,
    State.CLOSE_WAIT: 8,
    State.LAST_ACK: 9,
    State.LISTEN: 10,
    State.CLOSING: 11,
}
#: enum tcp_ca_state, by how the stack recovers.
_CA_STATES: Final = {"": 0, "fast": 3, "loss": 4}
_TIMESTAMPS, _SACK, _WSCALE, _ECN = 1, 2, 4, 8
_WORD_MAX: Final = 2**32 - 1
#: TCP_INFINITE_SSTHRESH: nothing was lost yet.
_NO_THRESHOLD: Final = 0x7FFFFFFF
_US: Final = 1000


def tcp_info(connection: TcpConnection, now: float) -> bytes:
    """Return the struct, whole."""
    info = connection_info(connection, now)

    def number(name: str, scale: int = 1) -> int:
        value = info.get(name, 0)
        assert isinstance(value, int | float)
        return min(_WORD_MAX, int(value * scale))

    mss = max(1, connection.mss)
    segments = {name: -(-number(f"{name}_octets") // mss) for name in _IN_OCTETS}
    wscale = number("wscale_send") | number("wscale_receive") << 4
    options = (
        _TIMESTAMPS * number("timestamps")
        | _SACK * number("sack")
        | _WSCALE * bool(wscale)
        | _ECN * number("ecn")
    )
    threshold = number("ssthresh") if "ssthresh" in info else _NO_THRESHOLD
    ca_state, backoff = _CA_STATES[str(info["recovery"])], min(255, number("backoff"))
    head = (_STATES[connection.state], ca_state, backoff, 0, backoff, options, wscale, 0)
    words = (
        *(number("rto_ms", _US), 0, mss, 0),
        *(segments["unacked"], segments["sacked"], segments["lost"], segments["retrans_now"]),
        *(0, number("lastsnd_ms"), 0, number("lastrcv_ms"), number("lastack_ms")),
        *(number("pmtu"), 0),
        *(number("rtt_ms", _US), number("rttvar_ms", _US), threshold, number("cwnd")),
        *(0, 0, 0, 0, number("retrans_total")),
    )
    acked, received = info["bytes_acked"], info["bytes_received"]
    counts = (number("segs_out"), number("segs_in"), number("unsent_octets"))
    tail = (*counts, number("minrtt_ms", _US), 0, 0, 0, 0, 0, 0, 0, 0)
    sent = (info["bytes_sent"], info["bytes_retrans"])
    return _STRUCT.pack(*head, *words, 0, 0, acked, received, *tail, *sent)


#: What the stack counts in octets and Linux in segments.
_IN_OCTETS: Final = ("unacked", "sacked", "lost", "retrans_now")
