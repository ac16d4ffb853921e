"""How a packet crosses this node: netfilter's hooks, and what is registered at each, in order.

A stage may rely on those above it and must not know those below. It lets the packet pass by
returning None, or names the reason for which it goes no further.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from nodeagent.datapath import egress_rules, reject
from nodeagent.datapath.conntrack import nat
from nodeagent.datapath.devices import HOST_GATEWAY, HOST_LOOPBACK
from nodeagent.datapath.drops import DropReason
from nodeagent.datapath.packet import CtState, FlowTuple, Packet

if TYPE_CHECKING:
    from nodeagent.datapath.conntrack.connection import Connection
    from nodeagent.datapath.frontends import Frontend
    from nodeagent.datapath.network_policy import NetworkPolicies
    from nodeagent.datapath.node import Node

_LOOPBACK: Final = 0x7F000001  # 127.0.0.1

Stage = Callable[["Node", Packet, float], DropReason | None]


class Hook(Enum):
    """Where on its way a packet is."""

    __hash__ = object.__hash__  # Members are unique; enum's own hash is that of the name, slowly.

    PREROUTING = auto()
    INPUT = auto()
    FORWARD = auto()
    OUTPUT = auto()
    POSTROUTING = auto()


def verify(_node: Node, packet: Packet, _now: float) -> DropReason | None:
    """nf_conntrack_checksum: what arrives broken belongs to no connection."""
    if not packet.checksum_holds():
        packet.state = CtState.INVALID
    return None


def track(node: Node, packet: Packet, now: float) -> DropReason | None:
    """conntrack: find the packet's connection."""
    if packet.state is not CtState.INVALID:
        node.conntrack.track(packet, now)
    return None


def drop_invalid(_node: Node, packet: Packet, _now: float) -> DropReason | None:
    """kube-proxy: what belongs to no connection could slip past translation."""
    return DropReason.INVALID if packet.state is CtState.INVALID else None


def dnat(node: Node, packet: Packet, now: float) -> DropReason | None:
    """kube-proxy: choose an endpoint for what is addressed to a Service."""
    connection, flow = packet.connection, packet.flow
    if connection is not None and not connection.confirmed and flow is not None:
        meant = asked = flow.destination
        if asked in (HOST_GATEWAY, HOST_LOOPBACK) and node.is_local(flow.source):
            meant = int(node.eth0.address)
            asked = _LOOPBACK if asked == HOST_LOOPBACK else meant
            nat.bind_destination(connection, meant, flow.destination_port)
        port, protocol = flow.destination_port, flow.protocol
        local = node.is_local(meant)
        frontend = node.frontends.lookup(meant, port, protocol, local=local)
        if frontend is None and local:
            frontend = node.host_ports.lookup(asked, port, protocol, local=True)
        if frontend is not None:
            reason = _serve(node, packet, frontend, now)
            if reason is not None:
                return reason
    nat.translate_destination(packet)
    return None


def _serve(node: Node, packet: Packet, frontend: Frontend, now: float) -> DropReason | None:
    """Bind a new connection to an endpoint, as the chains KUBE-FW, -EXT, -SVC and -SVL would."""
    connection, flow = packet.connection, packet.flow
    assert connection is not None
    assert flow is not None
    candidates, rule = frontend.endpoints, frontend.entry.masquerade
    if frontend.ranges and not frontend.admits(flow.source):
        return DropReason.SOURCE_RANGE
    if frontend.local is not None:
        if node.is_local(flow.source):
            rule = "always"  # Its source could be the Service's own address.
        elif node.policy.cluster_cidr.holds(flow.source) is not True:
            candidates = frontend.local
    endpoint = node.frontends.choose(frontend, candidates, flow, now)
    if endpoint is None:
        return reject.no_endpoints(node, packet, frontend, now)
    nat.bind_destination(connection, *endpoint)
    if frontend.entry.scheduler != "random":
        connection.destination = node.frontends.destination(frontend, endpoint)
    packet.masquerade = endpoint[0] == flow.source or node.policy.masquerades(rule, flow.source)
    return None


def admit(node: Node, packet: Packet, now: float) -> DropReason | None:
    """NetworkPolicy: may this begin, or go on?"""
    policies, connection = node.network_policies, packet.connection
    if not policies or packet.state is CtState.RELATED:
        return None
    if connection is None:  # Untracked: nothing that has ports.
        judgement = policies.judge(packet.source, packet.destination, packet.protocol, 0)
    elif connection.admitted == policies.generation:
        return None
    else:
        first, endpoint = connection.original, connection.reply
        judgement = policies.judge(
            first.source, endpoint.source, first.protocol, endpoint.source_port
        )
        if connection.picked_up and _may_be_an_answer(policies, connection):
            judgement = None
    if judgement is not None and judgement.noted:
        policies.note(judgement, _judged_flow(packet), now)
        if judgement.denial is not None:
            if node.verdict is not None:
                node.verdict.denial = judgement.denial
            return DropReason.NETWORK_POLICY
    if connection is not None:
        connection.admitted = policies.generation
    return None


def _may_be_an_answer(policies: NetworkPolicies, connection: Connection) -> bool:
    """Tell whether the other end might have begun what was picked up in the middle.

    So connections outlive the death of this datapath, also where an isolated pod goes on speaking.
    """
    receiver, sender = connection.original, connection.reply
    judgement = policies.judge(
        sender.source, receiver.source, receiver.protocol, receiver.source_port
    )
    return judgement is None or judgement.denial is None


def _judged_flow(packet: Packet) -> FlowTuple:
    """Return from whom to which endpoint a packet's connection goes."""
    connection = packet.connection
    if connection is None:
        return FlowTuple(packet.protocol, packet.source, 0, packet.destination, 0)
    first, endpoint = connection.original, connection.reply
    return first._replace(destination=endpoint.source, destination_port=endpoint.source_port)


def masquerade(node: Node, packet: Packet, _now: float) -> DropReason | None:
    """kube-proxy and flannel: decide the source of a new connection by where it goes."""
    connection = packet.connection
    if connection is not None and not connection.source_bound:
        hide = packet.masquerade or node.policy.leaves_cluster(packet.source, packet.destination)
        address = node.source_on(packet.device, packet.destination) if hide else None
        if node.routes.egress:
            address = egress_rules.source(node, packet, address)
        if not nat.bind_source(node.conntrack, connection, address, node.rng):
            return DropReason.PORTS_EXHAUSTED
    nat.translate_source(packet)
    return None


def keep_source(node: Node, packet: Packet, _now: float) -> DropReason | None:
    """Bind a new connection to its own source: what ends here is never masqueraded."""
    connection = packet.connection
    if (
        connection is not None
        and not connection.source_bound
        and not nat.bind_source(node.conntrack, connection, None, node.rng)
    ):
        return DropReason.PORTS_EXHAUSTED
    nat.translate_source(packet)
    return None


def confirm(node: Node, packet: Packet, _now: float) -> DropReason | None:
    """conntrack: the packet has passed everything, so its connection exists."""
    connection = packet.connection
    if (
        connection is None
        or connection.confirmed
        or packet.state is CtState.RELATED
        or node.conntrack.confirm(connection)
    ):
        return None
    return DropReason.TABLE_FULL


NODE_HOOKS: Final[dict[Hook, tuple[Stage, ...]]] = {
    Hook.PREROUTING: (verify, track, dnat),
    Hook.INPUT: (keep_source, confirm),
    Hook.FORWARD: (drop_invalid, admit),
    Hook.OUTPUT: (track, dnat),
    Hook.POSTROUTING: (masquerade, confirm),
}


def run(hook: Hook, node: Node, packet: Packet, now: float) -> bool:
    """Take *packet* through the stages of *hook*; False when it was dropped, and counted."""
    if node.verdict is not None:  # Somebody captures.
        node.verdict.packet, node.verdict.hook = packet, hook
    for stage in NODE_HOOKS[hook]:
        reason = stage(node, packet, now)
        if reason is not None:
            node.drops[reason] += 1
            return False
    return True
