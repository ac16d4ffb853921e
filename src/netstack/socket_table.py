"""The sockets of a host as `ss` shows them: rows of plain values, for whoever asks a pod or node.

Names and meanings are iproute2's and tcp_info's, units in the names. What this stack does not
have (pacing, delivery rates) is left out rather than made up. Octets
are data's: SYN and FIN, which Linux counts where they have a number, are none.
"""

from __future__ import annotations

import math
from typing import Final

from netstack.addresses import Endpoint
from netstack.ip_host import IpHost
from netstack.tcp.block import Recovery, Tcb
from netstack.tcp.congestion import CONGESTION_CONTROLS
from netstack.tcp.connection import TcpConnection
from netstack.tcp.listener import TcpListener
from netstack.tcp.states import State
from netstack.tcp.window import WINDOW_MAX
from netstack.udp import UdpSocket

Row = dict[str, object]

#: More sockets than a person reads; a pod has thousands at most.
ROWS_MAX: Final = 10_000
#: As ss shortens them.
_STATES: Final = {
    State.ESTABLISHED: "ESTAB",
    State.SYN_RECEIVED: "SYN-RECV",
    State.CLOSED: "UNCONN",
}
_CONGESTION: Final = {type(make(1)): name for name, make in CONGESTION_CONTROLS.items()}


def sockets(host: IpHost, now: float) -> list[Row]:
    """Return the host's sockets: UDP, listeners, connections."""
    rows = [_udp(each) for each in host.udp.sockets()]
    rows += [_listener(each) for each in host.tcp.listeners()]
    connections = [each for each in host.tcp.connections() if isinstance(each, TcpConnection)]
    rows += [_connection(each, now) for each in connections[: ROWS_MAX - len(rows)]]
    return rows


def _row(protocol: str, state: str, queues: tuple[int, int], local: str, remote: str) -> Row:
    return {
        "protocol": protocol,
        "state": state,
        "recv_q": queues[0],
        "send_q": queues[1],
        "local": local,
        "remote": remote,
    }


def _shown(endpoint: Endpoint) -> str:
    address, port = endpoint
    text = f"[{address}]" if address.version == 6 else str(address)
    return f"{text}:{port or '*'}"


def _udp(socket: UdpSocket) -> Row:
    state = "UNCONN" if socket.remote is None else "ESTAB"
    local = _any_or(socket.bound_address, socket.local)
    remote = _nobody(local) if socket.remote is None else _shown(socket.remote)
    return _row("udp", state, (socket.queued_octets, 0), local, remote)


def _listener(listener: TcpListener) -> Row:
    queues = (listener.queued, listener.backlog)
    local = _any_or(listener.address, listener.local)
    return _row("tcp", "LISTEN", queues, local, _nobody(local))


def _any_or(bound: bytes, local: Endpoint) -> str:
    """Return the local end; without an address of either family it is any."""
    return _shown(local) if bound else f"*:{local[1]}"


def _nobody(local: str) -> str:
    """Return the remote end of a socket that has none, in the family of its own."""
    if local.startswith("*"):
        return "*:*"
    return "[::]:*" if local.startswith("[") else "0.0.0.0:*"


def _connection(connection: TcpConnection, now: float) -> Row:
    state = _STATES.get(connection.state, connection.state.value)
    queues = (connection.readable_octets, connection.unacknowledged_octets)
    row = _row("tcp", state, queues, _shown(connection.local), _shown(connection.remote))
    row["orphaned"] = connection.orphaned
    row["info"] = connection_info(connection, now)
    return row


def connection_info(connection: TcpConnection, now: float) -> Row:
    """Return internals and totals of one connection."""
    return _info(connection) | _totals(connection) | _moments(connection, now)


def _moments(tcb: Tcb, now: float) -> Row:
    """Return the path's MTU, and how long ago data left and came, and an acknowledgment."""
    return {
        "pmtu": tcb.family.output.mtu_towards(tcb.remote_address, now),
        "lastsnd_ms": _ago_ms(tcb.sent_at, now),
        "lastrcv_ms": _ago_ms(tcb.received_at, now),
        "lastack_ms": _ago_ms(tcb.heard_at, now),  # All that comes acknowledges, but for a reset.
    }


def _ago_ms(then: float, now: float) -> int:
    return round((now - then) * 1e3) if then else 0


def _info(tcb: Tcb) -> Row:
    """Return the internals that `ss -i` prints, by its names."""
    congestion, rtt = tcb.congestion, tcb.rtt
    info: Row = {
        "congestion": _CONGESTION[type(congestion)],
        "timestamps": tcb.timestamps,
        "sack": tcb.sack_permitted,
        "ecn": tcb.ecn is not None,
        "wscale_send": tcb.snd_wscale,
        "wscale_receive": tcb.rcv_wscale,
        "rto_ms": round(rtt.rto_s * 1e3, 3),
        "mss": tcb.mss,
        "cwnd": max(1, congestion.window // max(1, tcb.mss)),
        "cwnd_octets": congestion.window,
        "unacked_octets": tcb.snd_nxt - tcb.snd_una,
        "unsent_octets": max(0, tcb.send_end - tcb.snd_nxt),
        "snd_wnd": tcb.snd_wnd,
        "sacked_octets": sum(end - start for start, end in tcb.sack.ranges),
        "lost_octets": 0 if tcb.calm else tcb.sack.missing(tcb.snd_una, tcb.lost_edge),
        "backoff": tcb.retries,
        "recovery": tcb.recovery.value if tcb.recovery is not Recovery.NONE else "",
    }
    if rtt.measured:
        info |= {
            "rtt_ms": round(rtt.smoothed_s * 1e3, 3),
            "rttvar_ms": round(rtt.variance_s * 1e3, 3),
        }
    if rtt.shortest_s < math.inf:
        info["minrtt_ms"] = round(rtt.shortest_s * 1e3, 3)
    if congestion.threshold < WINDOW_MAX:
        info["ssthresh"] = congestion.threshold // max(1, tcb.mss)
    return info


def _totals(tcb: Tcb) -> Row:
    """Return what was counted since the connection began."""
    again, octets_again = tcb.retransmitted
    return {
        "bytes_sent": _data(tcb.iss, tcb.snd_nxt, tcb.fin_sent_at) + octets_again,
        "bytes_retrans": octets_again,
        "bytes_acked": _data(tcb.iss, tcb.snd_una, tcb.fin_sent_at),
        "bytes_received": _data(tcb.irs, tcb.rcv_nxt, tcb.fin_received_at),
        "segs_out": tcb.segs_out,
        "segs_in": tcb.segs_in,
        "retrans_now_octets": tcb.resent.octets if again else 0,
        "retrans_total": again,
    }


def _data(initial: int, following: int, fin_at: int | None) -> int:
    """Return how much data has numbers behind the SYN's, up to *following*."""
    fin = fin_at is not None and following > fin_at
    return max(0, following - initial - 1 - fin)
