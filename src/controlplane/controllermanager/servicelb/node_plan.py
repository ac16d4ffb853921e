"""Load balancers without addresses of their own: every node answers at its own (k3s' ServiceLB).

Where no network can carry balancers' addresses (containers of Compose), a Service gets those of
the nodes that are Ready, and kube-proxies listen there. So two Services cannot have one port: of
those the one that had it first keeps it. `loadBalancerIP` means nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from controlplane.controllermanager.servicelb.plan import (
    CLASS,
    Refuse,
    Release,
    has_finalizer,
    ingress_of,
)
from kubeapi.objects import Object, is_being_deleted, is_condition_true, key_of, labels_of, name_of

EXCLUDED: Final = "node.kubernetes.io/exclude-from-external-load-balancers"

#: A port of all nodes, and the key of the Service that has it.
Port = tuple[str, int]
Owners = Mapping[Port, str]


@dataclass(frozen=True, slots=True)
class EnsureNodes:
    """Give the Service these addresses."""

    ingress: tuple[Object, ...]


def addresses(nodes: Iterable[Object]) -> tuple[str, ...]:
    """Return the InternalIPs of the nodes that balance, in order of the nodes' names."""
    found: list[str] = []
    for node in sorted(nodes, key=name_of):
        if balances(node):
            listed = (node.get("status") or {}).get("addresses") or ()
            found += [each["address"] for each in listed if each["type"] == "InternalIP"]
    return tuple(found)


def balances(node: Object) -> bool:
    """Tell whether clients are sent to this node, as upstream's service controller has it."""
    is_excluded = EXCLUDED in labels_of(node) or is_being_deleted(node)
    return not is_excluded and is_condition_true(node, "Ready")


def ports(service: Object) -> tuple[Port, ...]:
    """Return which ports of the nodes *service* wants."""
    given = service["spec"].get("ports") or ()
    return tuple((each.get("protocol") or "TCP", each["port"]) for each in given)


def owners(services: Iterable[Object]) -> dict[Port, str]:
    """Return who has which port by its status; of two that claim one, the older has it."""
    found: dict[Port, str] = {}
    for service in sorted(services, key=lambda each: str(each["metadata"]["creationTimestamp"])):
        if ours(service) and has_finalizer(service) and ingress_of(service):
            for port in ports(service):
                found.setdefault(port, key_of(service))
    return found


def ours(service: Object) -> bool:
    """Tell whether *service* names this controller, or none."""
    return (service["spec"].get("loadBalancerClass") or CLASS) == CLASS


def plan(
    service: Object, taken: Owners, nodes: Sequence[str]
) -> EnsureNodes | Release | Refuse | None:
    """Return the next step for *service*; None when there is nothing to do."""
    if not ours(service):
        return None
    if service["spec"].get("type") != "LoadBalancer" or is_being_deleted(service):
        return Release() if has_finalizer(service) else None
    for port in ports(service):
        owner = taken.get(port, key_of(service))
        if owner != key_of(service):
            return Refuse(f"port {port[1]}/{port[0]} of the nodes belongs to {owner}")
    families = [int(each[-1]) for each in service["spec"].get("ipFamilies") or ["IPv4"]]
    wanted = [
        {"ip": address, "ipMode": "VIP"}
        for family in families
        for address in nodes
        if ip_address(address).version == family
    ]
    if not wanted and not ingress_of(service):
        return Refuse("no node is Ready")
    if has_finalizer(service) and ingress_of(service) == wanted:
        return None
    return EnsureNodes(tuple(wanted))
