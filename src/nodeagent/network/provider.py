"""What a network provider is: pure answers about this node and about each other node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from kubeapi.objects import Object

Network = IPv4Network | IPv6Network
#: An entry and the table it belongs to.
TableEntry = tuple[str, Object]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIdentity:
    """What a provider knows of the node that it runs on."""

    name: str
    internal_ip: str  # Of IPv4: what carries the packets of every family.
    #: The node's addresses on the network between the nodes, with their prefix lengths.
    eth0: tuple[str, ...]
    mtu: int = 1500  # Of the network between the nodes.


class Provider(Protocol):
    """One way to connect nodes."""

    @property
    def mtu(self) -> int:
        """Return the MTU of pod interfaces."""

    def annotations(self) -> dict[str, str]:
        """Return what this node publishes about itself on its Node object."""

    def own_entries(self, pod_cidrs: Sequence[Network]) -> list[TableEntry]:
        """Return the entries of this node itself, which has a range of each family."""

    def cni_config(self, pod_cidrs: Sequence[Network]) -> Object:
        """Return the CNI network configuration list that attaches pods to this node."""

    def remote_entries(self, node: Object) -> list[TableEntry]:
        """Return the entries that lead to *node*; none while it has not said enough."""
