"""What an administrator may set, by the names of Linux' sysctls where there is one."""

from __future__ import annotations

from dataclasses import dataclass

from netstack.tcp.congestion import CongestionName


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSettings:
    """Bounds and timers of all connections of a host. Seconds and octets."""

    #: Data that was written and is not yet acknowledged (tcp_wmem).
    send_buffer_octets: int = 1024 * 1024
    #: Data that was received and is not yet read (tcp_rmem).
    receive_buffer_octets: int = 1024 * 1024
    #: What both may grow to where they limit a connection (the last of tcp_wmem and tcp_rmem), and
    #: by how much all connections of the host together. By default there is no such tuning.
    send_buffer_max_octets: int = 0
    receive_buffer_max_octets: int = 0
    grown_octets_max: int = 64 * 1024 * 1024
    #: SYNs after the first (tcp_syn_retries) and SYN+ACKs (tcp_synack_retries).
    syn_retries: int = 6
    synack_retries: int = 5
    #: Answer by cookies while a listener's queue of handshakes is full (tcp_syncookies=1).
    syncookies: bool = True
    #: Retransmissions without an answer before a connection is given up (tcp_retries2).
    retries: int = 15
    #: How long FIN-WAIT-2 lasts after close (tcp_fin_timeout).
    fin_timeout_s: float = 60.0
    #: How long TIME-WAIT lasts: 60 s on Linux. An emulated wire holds no packet that long; this
    #: outlasts five retransmissions of a FIN whose acknowledgment was lost (at rto_min_s).
    time_wait_s: float = 10.0
    #: Connections in TIME-WAIT (tcp_max_tw_buckets); more are closed at once.
    time_wait_max: int = 4096
    #: How often a connection answers what makes no sense (tcp_invalid_ratelimit): two peers that
    #: disagree on their numbers would otherwise acknowledge each other's acknowledgments for ever.
    invalid_ratelimit_s: float = 0.5
    #: tcp_congestion_control.
    congestion: CongestionName = "cubic"
    #: tcp_timestamps and tcp_sack.
    timestamps: bool = True
    sack: bool = True
    #: Send smaller segments when larger ones seem to vanish (tcp_mtu_probing): 0 never, 1 do.
    mtu_probing: int = 0
    #: Explicit congestion notification (tcp_ecn): 0 never, 1 asked for, 2 when the peer asks.
    ecn: int = 2
    #: Retransmission timeout: at first (RFC 6298 §2.1), at least and at most (as Linux).
    rto_initial_s: float = 1.0
    rto_min_s: float = 0.2
    rto_max_s: float = 120.0
    #: How long an acknowledgment may wait for company (TCP_DELACK_MIN).
    delayed_ack_s: float = 0.04
    #: tcp_keepalive_time, _intvl and _probes, for connections that ask for keep-alive.
    keepalive_idle_s: float = 7200.0
    keepalive_interval_s: float = 75.0
    keepalive_probes: int = 9

    def __post_init__(self) -> None:
        assert 0 < self.rto_min_s <= self.rto_initial_s <= self.rto_max_s
        assert 0 <= self.ecn <= 2
        assert 0 <= self.mtu_probing <= 1
        assert 1024 <= self.receive_buffer_octets < 1 << 30
        assert 1024 <= self.send_buffer_octets < 1 << 30
        assert 0 <= self.receive_buffer_max_octets < 1 << 30
        assert 0 <= self.send_buffer_max_octets < 1 << 30
