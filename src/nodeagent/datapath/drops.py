"""Why a packet went no further. Every drop is counted under one of these."""

from __future__ import annotations

from enum import StrEnum


class DropReason(StrEnum):
    """Named after SKB_DROP_REASON_* of Linux where it has one."""

    MALFORMED_FRAME = "malformed-frame"
    MALFORMED_PACKET = "malformed-packet"
    MALFORMED_VXLAN = "malformed-vxlan"
    FOREIGN_VNI = "foreign-vni"
    OTHER_HOST = "otherhost"
    UNHANDLED_PROTOCOL = "unhandled-proto"
    NO_VTEP = "no-vtep"
    NO_ROUTE = "ip-outnoroutes"
    NO_NEIGHBOUR = "neigh-failed"
    NEIGHBOUR_QUEUE_FULL = "neigh-queuefull"
    NO_FDB = "vxlan-no-remote"
    TTL_EXCEEDED = "ttl-exceeded"
    TOO_BIG = "pkt-too-big"
    LINK_DOWN = "dev-ready"
    RING_FULL = "full-ring"
    INVALID = "conntrack-invalid"
    TABLE_FULL = "conntrack-table-full"
    PORTS_EXHAUSTED = "nat-ports-exhausted"
    NO_ENDPOINTS = "service-no-endpoints"
    NO_LOCAL_ENDPOINTS = "service-no-local-endpoints"
    NO_SERVICE_PORT = "service-no-port"
    SOURCE_RANGE = "service-source-range"
    NETWORK_POLICY = "network-policy"
    MARTIAN = "ip-martian"
    OPTION_UNKNOWN = "ip6-option-unknown"
    BEYOND_SCOPE = "ip6-beyond-scope"
    NOT_A_NEIGHBOUR = "ndp-not-a-neighbour"
    ADDRESS_CONFLICT = "address-conflict"
    RP_FILTER = "ip-rpfilter"
    BLACKHOLE = "ip-blackhole"
    PROHIBITED = "ip-prohibited"
    LOOPED = "vxlan-looped"
    LINK_LOCAL_GROUP = "bridge-link-local"
    FLOOD_RATE = "bridge-flood-rate"
