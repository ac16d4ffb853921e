"""Endpoints as Endpoints objects list them (upstream: pkg/controller/endpoint `repackSubsets`).

One subset for each set of ports, with the addresses that are ready and those that are not. Pods
that terminate, or that have none of the Service's ports, are left out. Beyond `ADDRESSES_MAX`
addresses every subset shrinks in proportion, those that are not ready first, and an annotation
says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from controlplane.controllermanager.endpointslice import trigger_time
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
    by_group: dict[Group, tuple[list[Object], list[Object]]] = {}
    for group in sorted(groups, key=repr):
        if group.address_type != family or not _has_ports(service, group):
            continue
        listed = [one for one in groups[group] if _is_listed(service, one)]
        listed.sort(key=lambda one: str(one["addresses"][0]))
        ready = [one for one in listed if one["conditions"]["ready"]]
        by_group[group] = ready, [one for one in listed if not one["conditions"]["ready"]]
    sizes, truncated = kept_sizes([(len(yes), len(no)) for yes, no in by_group.values()])
    found = []
    for (group, (ready, unready)), (ready_max, unready_max) in zip(
        by_group.items(), sizes, strict=True
    ):
        if ready_max or unready_max:
            found.append(_subset(group, ready[:ready_max], unready[:unready_max]))
    return found, truncated


def _has_ports(service: Object, group: Group) -> bool:
    return bool(group.ports) or not service["spec"].get("ports")


def kept_sizes(sizes: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], bool]:
    """Return how many ready and other addresses each subset may keep, and whether any must go."""
    ready, unready = (sum(each) for each in zip(*sizes, strict=True)) if sizes else (0, 0)
    if ready + unready <= ADDRESSES_MAX:
        return list(sizes), False
    if ready > ADDRESSES_MAX:
        shares = _shares([yes for yes, _ in sizes], ADDRESSES_MAX)
        return [(share, 0) for share in shares], True
    shares = _shares([no for _, no in sizes], ADDRESSES_MAX - ready)
    return [(yes, share) for (yes, _), share in zip(sizes, shares, strict=True)], True


def _shares(counts: Sequence[int], room: int) -> list[int]:
    """Share *room* in proportion to *counts*, rounded up, so that the last one may get less."""
    total, left, shares = sum(counts), room, []
    for count in counts:
        shares.append(min(-(-count * room // total), left))
        left -= shares[-1]
    return shares


def _is_listed(service: Object, endpoint: Object) -> bool:
    regardless = bool(service["spec"].get("publishNotReadyAddresses"))
    return regardless or not endpoint["conditions"]["terminating"]


def _subset(group: Group, ready: Sequence[Object], unready: Sequence[Object]) -> Object:
    subset: Object = {}
    if ready:
        subset["addresses"] = [_address(one) for one in ready]
    if unready:
        subset["notReadyAddresses"] = [_address(one) for one in unready]
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
    ours = (OVER_CAPACITY, trigger_time.ANNOTATION)
    noted = {key: each for key, each in annotations_of(existing).items() if key not in ours}
    metadata |= wanted["metadata"]
    if annotations := {**noted, **annotations_of(wanted)}:
        metadata["annotations"] = annotations
    return {**wanted, "metadata": metadata}
