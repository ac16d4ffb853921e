"""Which gateway a pod's packets to the world outside take, and whose address they get there.

`ip rule from POD` and a SNAT rule in one, after Cilium's CiliumEgressGatewayPolicy: on the pod's
node such packets go to the gateway node by the route that leads there, with their own source; the
gateway masquerades them as the rule's address. They are those that a pod begins to send to what is
neither the cluster's nor on the nodes' own network. Where nobody is the gateway they are dropped,
so nothing leaves with another address than the one that was asked for. A connection that was
masqueraded before its pod got a rule stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodeagent.datapath.packet import Direction, Packet
from nodeagent.datapath.policy import holds

if TYPE_CHECKING:
    from nodeagent.datapath.node import Node
    from nodeagent.datapath.routes import Route

HERE: Final = 0


@dataclass(frozen=True, slots=True)
class EgressRule:
    """What packets of *source* get: *address*, at the node that has *gateway*."""

    source: int
    address: int
    gateway: int | None  # An address of the other node's pods, or HERE; None: there is none now.


def rule_for(node: Node, packet: Packet) -> EgressRule | None:
    """Return the rule that says how *packet* leaves the cluster, if one does."""
    rule = node.routes.egress.get(packet.source)
    if rule is None or packet.direction is not Direction.ORIGINAL:
        return None
    if not node.policy.leaves_cluster(packet.source, packet.destination):
        return None
    own = node.eth0.address if packet.version == 4 else node.eth0.address6
    on_link = own is not None and holds(node.addresses[int(own)][0].network, packet.destination)
    return None if on_link else rule


def choose(node: Node, packet: Packet, route: Route | None) -> tuple[bool, Route | None]:
    """Return whether a way is left to *packet*, and the route in place of *route*."""
    connection = packet.connection
    rule = rule_for(node, packet)
    if rule is None or (connection is not None and connection.is_source_translated):
        return True, route
    if rule.gateway is None:
        return False, None
    return True, route if rule.gateway == HERE else node.routes.lookup(rule.gateway)


def source(node: Node, packet: Packet, address: int | None) -> int | None:
    """Return who hides the source of a new connection, where *address* would without a rule."""
    rule = rule_for(node, packet)
    if rule is None:
        return address
    return rule.address if rule.gateway == HERE else None
