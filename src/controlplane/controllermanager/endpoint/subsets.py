"""Endpoints as Endpoints objects list them (upstream: pkg/controller/endpoint `repackSubsets`).

One subset for each set of ports, with the addresses that are ready and those that are not. Pods
that terminate are left out. Beyond `ADDRESSES_MAX` addresses the rest is left out too, and an
annotation says so; unlike upstream, which shrinks every subset in proportion, the last ones go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.controllermanager.endpointslice.endpoints import Group
from controlplane.controllermanager.endpointslice.well_known import HEADLESS
from kubeapi.objects import Object, annotations_of, labels_of, name_of, namespace_of

ADDRESSES_MAX: Final = 1000
OVER_CAPACITY: Final = "endpoints.kubernetes.io/over-capacity"


def wanted_object(service: Object, groups: Mapping[Group, Sequence[Object]]) -> Object:
    """Return the Endpoints of *service*; *groups* as the slices' `wanted_endpoints` makes them."""
    labels = {key: value for key, value in labels_of(service).items() if key != HEADLESS}
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS] = ""
    subsets, truncated = _subsets(service, groups)
    metadata: Object = {"name": name_of(service), "namespace": namespace_of(service)}
    if labels:
        metadata["labels"] = labels
    if truncated:
        metadata["annotations"] = {OVER_CAPACITY: "truncated"}
    wanted: Object = {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata}
    return {**wanted, "subsets": subsets} if subsets else wanted


def _subsets(
    service: Object, groups: Mapping[Group, Sequence[Object]]
) -> tuple[list[Object], bool]:
    family = (service["spec"].get("ipFamilies") or ["IPv4"])[0]
    room, found, truncated = ADDRESSES_MAX, [], False
    for group in sorted(groups, key=repr):
        if group.address_type != family:
            continue
        alive = [one for one in groups[group] if _is_listed(service, one)]
        alive.sort(key=lambda one: (not one["conditions"]["ready"], one["addresses"][0]))
        truncated = truncated or len(alive) > room
        alive = alive[:room]
        room -= len(alive)
        if alive:
            found.append(_subset(group, alive))
    return found, truncated


def _is_listed(service: Object, endpoint: Object) -> bool:
    regardless = bool(service["spec"].get("publishNotReadyAddresses"))
    return regardless or not endpoint["conditions"]["terminating"]


def _subset(group: Group, endpoints: Sequence[Object]) -> Object:
    ready = [_address(one) for one in endpoints if one["conditions"]["ready"]]
    unready = [_address(one) for one in endpoints if not one["conditions"]["ready"]]
    subset: Object = {}
    if ready:
        subset["addresses"] = ready
    if unready:
        subset["notReadyAddresses"] = unready
    if group.ports:
        subset["ports"] = [
            {key: value for key, value in port.to_object().items() if value} for port in group.ports
        ]
    return subset


def _address(endpoint: Object) -> Object:
    address: Object = {"ip": endpoint["addresses"][0], "targetRef": endpoint["targetRef"]}
    for key in ("hostname", "nodeName"):
        if key in endpoint:
            address[key] = endpoint[key]
    return address


def is_as_wanted(existing: Object, wanted: Object) -> bool:
    """Tell whether *existing* needs no write; annotations that others put there may stay."""
    return (
        (existing.get("subsets") or []) == (wanted.get("subsets") or [])
        and labels_of(existing) == labels_of(wanted)
        and annotations_of(existing).get(OVER_CAPACITY) == annotations_of(wanted).get(OVER_CAPACITY)
    )


def updated(existing: Object, wanted: Object) -> Object:
    """Return *wanted* as the next version of *existing*, with what others have noted there."""
    metadata = {
        key: value
        for key, value in existing["metadata"].items()
        if key not in ("labels", "annotations")
    }
    noted = {key: each for key, each in annotations_of(existing).items() if key != OVER_CAPACITY}
    metadata |= wanted["metadata"]
    if annotations := {**noted, **annotations_of(wanted)}:
        metadata["annotations"] = annotations
    return {**wanted, "metadata": metadata}
