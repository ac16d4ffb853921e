"""Endpoints as slices (upstream: pkg/controller/endpointslicemirroring).

A Service without selector may have Endpoints that somebody else writes. Slices with the same
addresses stand beside them, for kube-proxy, which reads nothing else. At most 1,000 addresses of a
subset are mirrored. Not mirrored: Endpoints that are labelled so, and those that are a lock of
leader election.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from itertools import islice
from typing import Final

from controlplane.controllermanager.endpointslice.endpoints import Group, Port
from controlplane.controllermanager.endpointslice.reconcile import Template
from controlplane.controllermanager.endpointslice.trigger_time import ANNOTATION
from controlplane.controllermanager.endpointslice.well_known import (
    MANAGED_BY,
    MIRRORING_CONTROLLER_NAME,
    SERVICE_NAME,
    SKIP_MIRROR,
)
from kubeapi.objects import (
    Object,
    annotations_of,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
)

ENDPOINTS_MAX: Final = 1000  # MaxEndpointsPerSubset
_LEADER: Final = "control-plane.alpha.kubernetes.io/leader"
_NOT_COPIED: Final = (ANNOTATION, "kubectl.kubernetes.io/last-applied-configuration")


def is_mirrored(endpoints: Object | None, service: Object | None) -> bool:
    """Tell whether *endpoints* of *service* are to have slices of this controller."""
    if endpoints is None or service is None or service["spec"].get("selector"):
        return False
    skipped = labels_of(endpoints).get(SKIP_MIRROR) == "true"
    return not skipped and _LEADER not in annotations_of(endpoints)


def template_of(endpoints: Object) -> Template:
    """Return what the slices of *endpoints* have in common."""
    annotations = {
        key: value for key, value in annotations_of(endpoints).items() if key not in _NOT_COPIED
    }
    labels = {
        **labels_of(endpoints),
        SERVICE_NAME: name_of(endpoints),
        MANAGED_BY: MIRRORING_CONTROLLER_NAME,
    }
    return Template(
        name=name_of(endpoints),
        namespace=namespace_of(endpoints),
        owner=owner_reference(
            {"apiVersion": "v1", "kind": "Endpoints", **endpoints}, controller=True
        ),
        labels=labels,
        annotations=annotations,
        endpoints_max=ENDPOINTS_MAX,
    )


def wanted_endpoints(endpoints: Object) -> dict[Group, list[Object]]:
    """Return the endpoints that *endpoints* lists, by what may share a slice."""
    groups: dict[Group, list[Object]] = {}
    for subset in endpoints.get("subsets") or ():
        ports = tuple(Port.from_object(item) for item in subset.get("ports") or ())
        for family, endpoint in islice(_of_subset(subset), ENDPOINTS_MAX):
            groups.setdefault(Group(family, ports), []).append(endpoint)
    return groups


def skipped_addresses(endpoints: Object) -> int:
    """Return how many addresses are not mirrored because their subset has too many."""
    subsets = endpoints.get("subsets") or ()
    return sum(max(0, sum(1 for _ in _of_subset(each)) - ENDPOINTS_MAX) for each in subsets)


def _of_subset(subset: Object) -> Iterator[tuple[str, Object]]:
    """Return the family and the endpoint of each address, the ready ones first."""
    for address in subset.get("addresses") or ():
        yield f"IPv{ip_address(address['ip']).version}", _endpoint(address, ready=True)
    for address in subset.get("notReadyAddresses") or ():
        yield f"IPv{ip_address(address['ip']).version}", _endpoint(address, ready=False)


def _endpoint(address: Object, *, ready: bool) -> Object:
    endpoint: Object = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    copied = ("hostname", "nodeName", "targetRef")
    return endpoint | {name: address[name] for name in copied if address.get(name)}
