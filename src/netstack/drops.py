"""Why a host drops what it is sent or asked to send: one counter for each reason."""

from __future__ import annotations

import enum


class DropReason(enum.Enum):
    """The reasons, in the order in which a frame meets them."""

    FRAME_MALFORMED = "frame_malformed"
    FRAME_NOT_FOR_US = "frame_not_for_us"
    ETHERTYPE_UNKNOWN = "ethertype_unknown"
    ARP_MALFORMED = "arp_malformed"
    NEIGHBOURS_FULL = "neighbours_full"
    NEIGHBOUR_QUEUE_FULL = "neighbour_queue_full"
    NEIGHBOUR_FAILED = "neighbour_failed"
    IP_MALFORMED = "ip_malformed"
    IP_CHECKSUM = "ip_checksum"
    IP_NOT_FOR_US = "ip_not_for_us"
    IP_MARTIAN = "ip_martian"
    IP_PROTOCOL_UNKNOWN = "ip_protocol_unknown"
    FRAGMENT_BAD = "fragment_bad"
    FRAGMENTS_FULL = "fragments_full"
    FRAGMENTS_LATE = "fragments_late"
    TRANSMIT_QUEUE_FULL = "transmit_queue_full"
    LOOPBACK_FULL = "loopback_full"
    ICMP_MALFORMED = "icmp_malformed"
    ICMP_RATE = "icmp_rate"
    UDP_MALFORMED = "udp_malformed"
    UDP_CHECKSUM = "udp_checksum"
    UDP_NO_SOCKET = "udp_no_socket"
    UDP_QUEUE_FULL = "udp_queue_full"
    TCP_MALFORMED = "tcp_malformed"
    TCP_CHECKSUM = "tcp_checksum"
    TCP_NO_SOCKET = "tcp_no_socket"
    TCP_UNACCEPTABLE = "tcp_unacceptable"
    TCP_PAWS = "tcp_paws"
    TCP_RECEIVE_FULL = "tcp_receive_full"
    TCP_SYN_QUEUE_FULL = "tcp_syn_queue_full"
    TCP_ACCEPT_QUEUE_FULL = "tcp_accept_queue_full"
    TCP_CHALLENGE_RATE = "tcp_challenge_rate"
    TCP_TIME_WAIT_FULL = "tcp_time_wait_full"
