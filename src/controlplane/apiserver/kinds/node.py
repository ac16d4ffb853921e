"""Nodes: registered by their kubelets, printed with roles and addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, quantities, strategy
from controlplane.apiserver.kinds.addresses import validate_cidr
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, labels_of, name_of
from kubeapi.resources import NODES
from kubeapi.status import Cause

TAINT_EFFECTS: Final = ("NoExecute", "NoSchedule", "PreferNoSchedule")
_ROLE_PREFIX: Final = "node-role.kubernetes.io/"
_ROLE: Final = "kubernetes.io/role"


def default(node: Object) -> None:
    """podCIDR and podCIDRs[0] are one; what is not reserved is allocatable."""
    spec = node["spec"] = node.get("spec") or {}
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif spec.get("podCIDRs") and not spec.get("podCIDR"):
        spec["podCIDR"] = spec["podCIDRs"][0]
    status = node["status"] = node.get("status") or {}
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])
    for key in ("capacity", "allocatable"):
        if status.get(key):
            status[key] = quantities.canonicalized(status[key])


def validate(node: Object) -> list[Cause]:
    spec, status = node.get("spec") or {}, node.get("status") or {}
    causes = metadata.validate(node, validation.dns1123_subdomain)
    causes += _validate_taints(spec.get("taints") or [])
    pod_cidrs = spec.get("podCIDRs") or []
    for index, cidr in enumerate(pod_cidrs):
        causes += validate_cidr(cidr, f"spec.podCIDRs[{index}]")
    if pod_cidrs and spec.get("podCIDR") != pod_cidrs[0]:
        detail = "must be equal to the first of podCIDRs"
        causes.append(field.invalid("spec.podCIDR", spec.get("podCIDR"), detail))
    for key in ("capacity", "allocatable"):
        causes += quantities.validate(status.get(key) or {}, f"status.{key}")
    return [*causes, *_validate_addresses(status.get("addresses") or [])]


def _validate_taints(taints: Sequence[Object]) -> Iterator[Cause]:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        path = f"metadata.taints[{index}]"  # Upstream's path says metadata, too.
        key, effect = taint.get("key") or "", taint.get("effect") or ""
        yield from validation.validate_name(key, f"{path}.key", validation.qualified_name)
        for message in validation.label_value(taint.get("value") or ""):
            yield field.invalid(f"{path}.value", taint.get("value"), message)
        if not effect:
            yield field.required(f"{path}.effect")
        elif effect not in TAINT_EFFECTS:
            yield field.not_supported(f"{path}.effect", effect, TAINT_EFFECTS)
        if (key, effect) in seen:
            yield field.duplicate(path, taint)
        seen.add((key, effect))


def _validate_addresses(addresses: Sequence[Object]) -> Iterator[Cause]:
    seen: list[Object] = []
    for index, address in enumerate(addresses):
        if address in seen:
            yield field.duplicate(f"status.addresses[{index}]", address)
        seen.append(address)


def validate_update(new: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(new, old)
    after, before = new.get("spec") or {}, old.get("spec") or {}
    for key, path in (("podCIDRs", "spec.podCIDRs"), ("providerID", "spec.providerID")):
        if before.get(key) and after.get(key) != before[key]:
            what = key.removesuffix("s")
            detail = f'node updates may not change {what} except from "" to valid'
            causes.append(field.forbidden(path, detail))
    return causes


def fields(node: Object) -> Mapping[str, str]:
    unschedulable = bool((node.get("spec") or {}).get("unschedulable"))
    return {"spec.unschedulable": "true" if unschedulable else "false"}


COLUMNS: Final = (
    cells.NAME,
    Column("Status", description="Ready or not, and whether it takes new pods."),
    Column("Roles", description="Roles, from labels."),
    cells.AGE,
    Column("Version", description="Version of the kubelet."),
    Column("Internal-IP", priority=1, description="Address inside the cluster."),
    Column("External-IP", priority=1, description="Address for the world outside."),
    Column("OS-Image", priority=1, description="Operating system."),
    Column("Kernel-Version", priority=1, description="Kernel."),
    Column("Container-Runtime", priority=1, description="Container runtime and its version."),
)


def row(node: Object, now: float) -> Sequence[Cell]:
    info = (node.get("status") or {}).get("nodeInfo") or {}
    return (
        name_of(node),
        _status(node),
        ",".join(_roles(node)) or cells.NONE,
        cells.age(node, now),
        info.get("kubeletVersion") or "",
        _address(node, "InternalIP"),
        _address(node, "ExternalIP"),
        info.get("osImage") or cells.UNKNOWN,
        info.get("kernelVersion") or cells.UNKNOWN,
        info.get("containerRuntimeVersion") or cells.UNKNOWN,
    )


def _status(node: Object) -> str:
    words = [
        "Ready" if condition.get("status") == "True" else "NotReady"
        for condition in (node.get("status") or {}).get("conditions") or []
        if condition.get("type") == "Ready"
    ]
    words = words or ["Unknown"]
    if (node.get("spec") or {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(node: Object) -> list[str]:
    labels = labels_of(node)
    roles = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    return sorted((roles | {labels.get(_ROLE, "")}) - {""})


def _address(node: Object, kind: str) -> str:
    for address in (node.get("status") or {}).get("addresses") or []:
        if address.get("type") == kind:
            return str(address.get("address"))
    return cells.NONE


NODE: Final = Kind(
    resource=NODES,
    singular="node",
    short_names=("no",),
    subresources=("status",),
    default=default,
    prepare_update=strategy.keep_status,
    prepare_status_update=strategy.keep_spec,
    validate=validate,
    validate_update=validate_update,
    fields=fields,
    columns=COLUMNS,
    cells=row,
)
