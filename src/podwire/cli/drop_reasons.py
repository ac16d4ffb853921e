"""What each reason for a drop means to a person, and what to do about it: one line each.

The reasons are the datapath's (`nodeagent.datapath.drops`), its sockets' and wires', and those of
the stacks (`netstack.drops`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_DATAPATH: Final = {
    "malformed-frame": "shorter than Ethernet, or from a group address: capture the pod's port",
    "malformed-packet": "an IP header that makes no sense: a bug or corruption; capture it",
    "malformed-vxlan": "a datagram at port 4789 that is no VXLAN: somebody else sends there",
    "foreign-vni": "VXLAN of another network: compare the nodes' backend annotations",
    "otherhost": "addressed to another MAC or a group: a stale FDB entry, or multicast",
    "unhandled-proto": "neither IP nor ARP: nothing to do, nodes forward no other protocol",
    "no-vtep": "VXLAN came before flannel.1 was made: it ends when the node is Ready",
    "ip-outnoroutes": "no route to the destination: podwire routes NODE; is that node Ready?",
    "neigh-failed": "nobody answers for that address: the pod or node has gone",
    "neigh-queuefull": "too many packets wait for one address: it does not answer ARP",
    "vxlan-no-remote": "no FDB entry for the remote VTEP: podwire fdb NODE; flannel adds it",
    "ttl-exceeded": "the last hop was made: traceroute, or a loop in the routes",
    "pkt-too-big": "longer than the MTU, not to be cut: the sender was told; lower its MTU",
    "dev-ready": "the pod is not connected to its veth: it starts, or has died",
    "full-ring": "the pod does not take its packets fast enough: it is busy or stopped",
    "conntrack-invalid": "fits no connection: a late or forged segment, or one that was forgotten",
    "conntrack-table-full": "too many connections at once: podwire conntrack NODE --count",
    "nat-ports-exhausted": "no port is free for masquerading: too many connections to one place",
    "network-policy": "a policy denies it: see `policies:`, and podwire policy explain --help",
    "service-no-endpoints": "a Service without ready endpoints: podwire get endpoints",
    "service-no-local-endpoints": "traffic policy Local, and no ready endpoint on this node",
    "service-no-port": "no such port of a ClusterIP: podwire services NODE",
    "service-source-range": "not within the Service's loadBalancerSourceRanges",
    "ip6-beyond-scope": "a link-local address that would leave its link: use a global one",
    "ip6-option-unknown": "a hop-by-hop option that asks routers to drop what they do not know",
    "ndp-not-a-neighbour": "neighbour discovery from beyond the link: spoofed, or forwarded",
    "address-conflict": "somebody else claims an address of the node: a stray or spoofing pod",
    "ip-martian": "a source nobody can have here (loopback, group, the node's): spoofed",
    "ip-rpfilter": "a source without a way back there: spoofed, or a route is missing",
    "no-egress-gateway": "the namespace's egress-ip has no Ready node: kubectl describe namespace",
    "ip-blackhole": "a blackhole route says so: podwire routes NODE",
    "ip-prohibited": "a prohibit route says so: podwire routes NODE",
    "vxlan-looped": "came back by the overlay it went out by: nodes disagree on routes",
    "bridge-link-local": "for the bridge alone (01:80:c2...): nothing to do",
    "bridge-flood-rate": "too many broadcasts or unknown addresses: a storm is held off",
}
_SOCKETS: Final = {
    "underlay-unknown-sender": "a datagram from a stranger's address: nodes only are listened to",
    "underlay-send-buffer-full": "the kernel's send buffer is full: this machine is overloaded",
    "underlay-too-long": "a datagram longer than the kernel carries: lower the overlay's MTU",
    "underlay-unreachable": "nobody listens at the other node: it is dead or starts",
    "nodeport-bind-failed": "a NodePort is taken by another program: podwire services NODE",
    "nodeport-udp": "UDP to a NodePort that could not be handed on: too many clients at once",
    "impairment-loss": "a fault that was asked for loses packets: podwire fault list",
    "impairment-overlimit": "a fault's queue is full (rate or delay): podwire fault list",
}
_STACK: Final = {
    "frame_malformed": "shorter than Ethernet: corruption",
    "frame_not_for_us": "addressed to another MAC: a flood",
    "ethertype_unknown": "a protocol that this stack does not speak",
    "arp_malformed": "ARP that makes no sense",
    "ndp_malformed": "neighbour discovery that makes no sense",
    "ndp_not_a_neighbour": "neighbour discovery that crossed a router: forged",
    "ndp_unheeded": "a router's words, which static addressing does not heed",
    "address_conflict": "somebody else claims this address: look for a duplicate pod",
    "address_duplicate": "the address was taken when the host came up",
    "no_route": "no route to that address from here: no gateway, or another family",
    "neighbours_full": "too many neighbours at once: a scan of the network",
    "neighbour_queue_full": "too many packets wait for one neighbour",
    "neighbour_failed": "a neighbour does not answer: it has gone",
    "ip_malformed": "an IP header that makes no sense: corruption",
    "ip_checksum": "a wrong IPv4 header checksum: corruption on the way (a fault?)",
    "ip_not_for_us": "addressed to somebody else: a stale neighbour entry at the sender",
    "ip_martian": "a source that nobody can have: spoofed",
    "ip_protocol_unknown": "neither TCP, UDP nor ICMP: the sender was told",
    "extension_header_bad": "an IPv6 extension header that makes no sense",
    "extension_headers_too_many": "more IPv6 extension headers than anybody needs",
    "option_unknown": "an IPv6 option that must be understood and is not",
    "routing_header_refused": "IPv6 source routing, which is refused",
    "fragment_bad": "fragments that overlap or are too long: an attack, or corruption",
    "fragments_full": "too many packets wait for their fragments: a flood",
    "fragments_late": "fragments whose rest did not come in time: loss on the way",
    "transmit_queue_full": "more was sent at once than the interface takes",
    "loopback_full": "more was sent to itself at once than is kept",
    "icmp_malformed": "ICMP that makes no sense: corruption",
    "icmp_rate": "errors that were not sent, to keep their rate low",
    "udp_malformed": "a UDP length that makes no sense: corruption",
    "udp_checksum": "a wrong UDP checksum: corruption on the way (a fault?)",
    "udp_no_socket": "nobody listens at that UDP port: the sender was told",
    "udp_queue_full": "the program does not read its datagrams fast enough",
    "tcp_malformed": "a TCP header that makes no sense: corruption",
    "tcp_checksum": "a wrong TCP checksum: corruption on the way (a fault?)",
    "tcp_no_socket": "nobody listens at that TCP port, or the connection is gone: reset",
    "tcp_unacceptable": "outside of the window: late, repeated or forged",
    "tcp_paws": "an older timestamp: a segment of long ago",
    "tcp_receive_full": "more than the window allowed: the peer's fault",
    "tcp_syn_queue_full": "too many handshakes at once: a SYN flood",
    "tcp_accept_queue_full": "the program does not accept fast enough: podwire ss --pod, Recv-Q",
    "tcp_challenge_rate": "too many forged segments: answers were held back",
    "tcp_time_wait_full": "too many connections ended at once: the oldest were let go",
}
REASONS: Final[Mapping[str, str]] = {**_DATAPATH, **_SOCKETS, **_STACK}


def meaning(reason: str) -> str:
    """Return what *reason* means, "" when nobody has written it down."""
    return REASONS.get(reason, "")
