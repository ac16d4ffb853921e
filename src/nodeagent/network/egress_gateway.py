"""Fixed source addresses for what namespaces' pods send outside, by gateway nodes.

The model is Cilium's CiliumEgressGatewayPolicy (egressIP, nodeSelector), written as annotations of
a Namespace: `podwire.io/egress-ip` has an address, or one of each family with a comma between, that
no node has and that is on the nodes' network; `podwire.io/egress-node-selector` says which nodes
may be the gateway (absent: any). Of these the Ready one whose name is first is it, so a gateway
that dies is replaced when its Node is no longer Ready. What makes no sense, and a selector that
selects nobody, leave the namespace without a way out instead of another address.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import Final

from kubeapi.objects import (
    Object,
    annotations_of,
    is_condition_true,
    labels_of,
    name_of,
)
from kubeapi.selectors import LabelSelector, SelectorError, parse_label_selector
from nodeagent.kubelet.node_status import NODE_KIND_LABEL
from nodeagent.network.provider import Network

ADDRESS: Final = "podwire.io/egress-ip"
SELECTOR: Final = "podwire.io/egress-node-selector"
_NODES_MAX: Final = 249  # Host parts that nodes may have; others are the control plane's.
_FINISHED: Final = ("Succeeded", "Failed")

Address = IPv4Address | IPv6Address


class EgressError(ValueError):
    """The annotations make no sense; the text says why."""


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What one namespace asks for."""

    addresses: tuple[Address, ...]
    selector: LabelSelector

    def address(self, version: int) -> Address | None:
        return next((each for each in self.addresses if each.version == version), None)


def asks(namespace: Object) -> bool:
    """Tell whether *namespace* wants an address of its own outside."""
    return ADDRESS in annotations_of(namespace)


def policy_of(namespace: Object, nodes: Iterable[Object], underlay: Sequence[str]) -> EgressPolicy:
    """Read the annotations; *underlay* is this node on the nodes' networks. Raises EgressError."""
    annotations = annotations_of(namespace)
    try:
        addresses = tuple(ip_address(text.strip()) for text in annotations[ADDRESS].split(","))
        selector = parse_label_selector(annotations.get(SELECTOR, ""))
    except (ValueError, SelectorError) as error:
        raise EgressError(str(error)) from None
    networks = [ip_interface(text).network for text in underlay]
    taken = {each["address"] for node in nodes for each in _addresses_of(node)}
    for address in addresses:
        home = next((each for each in networks if address in each), None)
        if home is None or not 0 < int(address) - int(home.network_address) <= _NODES_MAX:
            raise EgressError(f"{address} is not among the nodes' addresses")
        if str(address) in taken:
            raise EgressError(f"{address} is a node's own")
    return EgressPolicy(addresses, selector)


def _addresses_of(node: Object) -> list[Object]:
    return [
        each
        for each in (node.get("status") or {}).get("addresses") or ()
        if each["type"] == "InternalIP"
    ]


def gateway_of(policy: EgressPolicy, nodes: Iterable[Object]) -> Object | None:
    """Return the Ready node that *policy* selects and whose name is first."""
    fit = [
        node
        for node in nodes
        if policy.selector.matches(labels_of(node)) and _carries_packets(node)
    ]
    return min(fit, key=name_of, default=None)


def speaker(nodes: Iterable[Object]) -> str:
    """Return which node tells events for all: the Ready one whose name is first; "" for none."""
    ready = (name_of(node) for node in nodes if _carries_packets(node))
    return min(ready, default="")


def _carries_packets(node: Object) -> bool:
    """Tell whether *node* is Ready, and no hollow one."""
    hollow = labels_of(node).get(NODE_KIND_LABEL) == "hollow"
    return is_condition_true(node, "Ready") and not hollow


def rules(
    pods: Iterable[Object], policy: EgressPolicy | None, gateway: Object | None, here: str
) -> list[Object]:
    """Return the rows of a namespace's *pods*; *here* is this node's name."""
    return [
        row
        for pod in pods
        if not _is_over(pod)
        for each in (pod.get("status") or {}).get("podIPs") or ()
        if (row := _rule(ip_address(each["ip"]), policy, gateway, here)) is not None
    ]


def _is_over(pod: Object) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return phase in _FINISHED or bool((pod.get("spec") or {}).get("hostNetwork"))


def _rule(
    source: Address, policy: EgressPolicy | None, gateway: Object | None, here: str
) -> Object | None:
    if policy is None:  # Closed: which address does not matter.
        return {"source": str(source), "address": str(source), "gateway": None}
    address = policy.address(source.version)
    if address is None:  # The other family leaves as ever.
        return None
    row: Object = {"source": str(source), "address": str(address), "gateway": None}
    if gateway is None:
        return row
    if name_of(gateway) == here:
        return row | {"gateway": ""}
    cidrs = _pod_cidrs(gateway)
    network = next((each for each in cidrs if each.version == source.version), None)
    return row | {"gateway": None if network is None else str(network[0])}


def _pod_cidrs(node: Object) -> list[Network]:
    spec = node.get("spec") or {}
    texts = spec.get("podCIDRs") or [spec.get("podCIDR")]
    return [ip_network(text) for text in texts if text]
