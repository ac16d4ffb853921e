"""What CSI drivers say of themselves (storage.k8s.io/v1).

CSIDriver: what one can. CSINode: which ones a node has. CSIStorageCapacity: what is left where.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, quantities, strategy
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from controlplane.apiserver.kinds.metadata import IMMUTABLE
from controlplane.apiserver.kinds.pod.scheduling import validate_label_selector
from controlplane.apiserver.kinds.quantities import NOT_NEGATIVE
from controlplane.apiserver.kinds.storage.sources import validate_driver_name
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import CSIDRIVERS, CSINODES, CSISTORAGECAPACITIES
from kubeapi.status import Cause

_GROUP_POLICIES: Final = ("File", "None", "ReadWriteOnceWithFSType")
_LIFECYCLES: Final = ("Persistent", "Ephemeral")
_TOKEN_MIN_S: Final = 600
_TOKEN_MAX_S: Final = 1 << 32
_NODE_ID_MAX: Final = 256
_SWITCHES: Final = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "requiresRepublish": False,
    "seLinuxMount": False,
}
_UNSET: Final = "<unset>"


def default_driver(driver: Object) -> None:
    """Attach; tell nothing of the pod; keep volumes beyond pods."""
    spec = driver["spec"] = driver.get("spec") or {}
    for key, value in _SWITCHES.items():
        if spec.get(key) is None:
            spec[key] = value
    spec["fsGroupPolicy"] = spec.get("fsGroupPolicy") or _GROUP_POLICIES[-1]
    spec["volumeLifecycleModes"] = spec.get("volumeLifecycleModes") or [_LIFECYCLES[0]]


def validate_driver(driver: Object) -> list[Cause]:
    return [
        *metadata.validate(driver, validation.dns1123_subdomain),
        *_validate_driver_spec(driver["spec"]),
    ]


def _validate_driver_spec(spec: Object) -> Iterator[Cause]:
    if (policy := spec["fsGroupPolicy"]) not in _GROUP_POLICIES:
        yield field.not_supported("spec.fsGroupPolicy", policy, _GROUP_POLICIES)
    audiences: set[str] = set()
    for index, request in enumerate(spec.get("tokenRequests") or ()):
        at, audience = f"spec.tokenRequests[{index}]", request.get("audience") or ""
        if audience in audiences:
            yield field.duplicate(f"{at}.audience", audience)
            continue
        audiences.add(audience)
        seconds = request.get("expirationSeconds")
        if seconds is not None and seconds < _TOKEN_MIN_S:
            detail = "may not specify a duration less than 10 minutes"
            yield field.invalid(f"{at}.expirationSeconds", seconds, detail)
        elif seconds is not None and seconds > _TOKEN_MAX_S:
            detail = "may not specify a duration larger than 2^32 seconds"
            yield field.invalid(f"{at}.expirationSeconds", seconds, detail)
    for mode in spec["volumeLifecycleModes"]:
        if mode not in _LIFECYCLES:
            yield field.not_supported("spec.volumeLifecycleModes", mode, _LIFECYCLES)


def validate_driver_update(new: Object, old: Object) -> list[Cause]:
    after, before = new["spec"], old["spec"]
    modes = "volumeLifecycleModes"
    return [
        *metadata.validate_update(new, old),
        *metadata.immutable(after, before, "attachRequired", "spec.attachedRequired"),
        *metadata.immutable(after, before, modes, f"spec.{modes}"),
    ]


def driver_row(driver: Object, now: float) -> Sequence[Cell]:
    spec = driver["spec"]
    audiences = [request.get("audience") or "" for request in spec.get("tokenRequests") or ()]
    return (
        name_of(driver),
        bool(spec.get("attachRequired")),
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        ",".join(audiences) or _UNSET,
        bool(spec.get("requiresRepublish")),
        ",".join(spec.get("volumeLifecycleModes") or ()) or cells.NONE,
        cells.age(driver, now),
    )


def count_changes(new: Object, old: Object) -> None:
    """Count changes of the spec as a generation; there is none before the first."""
    if new["spec"] != old["spec"]:
        strategy.count(new, old)


CSIDRIVER: Final = Kind(
    resource=CSIDRIVERS,
    returns_deleted=True,
    singular="csidriver",
    default=default_driver,
    prepare_update=count_changes,
    validate=validate_driver,
    validate_update=validate_driver_update,
    columns=(
        cells.NAME,
        Column("AttachRequired", "boolean", description="Whether volumes are attached first."),
        Column("PodInfoOnMount", "boolean", description="Whether it is told of the pod."),
        Column("StorageCapacity", "boolean", description="Whether it says what is left."),
        Column("TokenRequests", description="For whom it gets tokens of the pod's account."),
        Column("RequiresRepublish", "boolean", description="Whether it is called again."),
        Column("Modes", description="How long its volumes last."),
        cells.AGE,
    ),
    cells=driver_row,
)


def default_node(node: Object) -> None:
    spec = node["spec"] = node.get("spec") or {}
    spec["drivers"] = spec.get("drivers") or []


def validate_node(node: Object) -> list[Cause]:
    causes = metadata.validate(node, validation.dns1123_subdomain)
    names: set[str] = set()
    for index, driver in enumerate(node["spec"]["drivers"]):
        causes += _validate_node_driver(driver, names, f"spec.drivers[{index}]")
    return causes


def _validate_node_driver(driver: Object, names: set[str], path: str) -> Iterator[Cause]:
    name, node_id = driver.get("name") or "", driver.get("nodeID") or ""
    yield from validate_driver_name(name, f"{path}.name")
    if not node_id:
        yield field.required(f"{path}.nodeID")
    if len(node_id) > _NODE_ID_MAX:
        yield field.invalid(f"{path}.nodeID", node_id, f"must be {_NODE_ID_MAX} characters or less")
    if (count := (driver.get("allocatable") or {}).get("count") or 0) < 0:
        yield field.invalid(f"{path}.allocatable.count", count, NOT_NEGATIVE)
    if name in names:
        yield field.duplicate(f"{path}.name", name)
    names.add(name)
    keys: Sequence[str] = driver.get("topologyKeys") or ()
    for index, key in enumerate(keys):
        if not key:
            yield field.required(path)
        if key in keys[:index]:
            yield field.duplicate(path, key)
        yield from validation.validate_name(key, path, validation.qualified_name)


def validate_node_update(new: Object, old: Object) -> list[Cause]:
    causes = metadata.validate_update(new, old)
    known = {driver.get("name"): driver for driver in old["spec"]["drivers"]}
    for driver in new["spec"]["drivers"]:
        if known.get(driver.get("name"), driver) != driver:
            causes.append(field.invalid("spec.drivers", driver, IMMUTABLE))
    return causes


CSINODE: Final = Kind(
    resource=CSINODES,
    returns_deleted=True,
    singular="csinode",
    default=default_node,
    validate=validate_node,
    validate_update=validate_node_update,
    columns=(
        cells.NAME,
        Column("Drivers", "integer", description="How many drivers the node has."),
        cells.AGE,
    ),
    cells=lambda node, now: (name_of(node), len(node["spec"]["drivers"]), cells.age(node, now)),
)


def default_capacity(capacity: Object) -> None:
    capacity.update(
        quantities.canonicalized(
            {key: capacity[key] for key in ("capacity", "maximumVolumeSize") if capacity.get(key)}
        )
    )


def validate_capacity(capacity: Object) -> list[Cause]:
    name = capacity.get("storageClassName") or ""
    size = {"capacity": capacity["capacity"]} if capacity.get("capacity") is not None else {}
    return [
        *metadata.validate(capacity, validation.dns1123_subdomain),
        *validate_label_selector(capacity.get("nodeTopology"), "nodeTopology"),
        *validation.validate_name(name, "storageClassName", validation.dns1123_subdomain),
        *(
            field.invalid("capacity", size["capacity"], cause.message.rpartition(": ")[2])
            for cause in quantities.validate(size, "")
        ),
    ]


def validate_capacity_update(new: Object, old: Object) -> list[Cause]:
    return [
        *metadata.validate_update(new, old),
        *metadata.immutable(new, old, "nodeTopology", "nodeTopology"),
        *metadata.immutable(new, old, "storageClassName", "storageClassName"),
    ]


CSISTORAGECAPACITY: Final = Kind(
    resource=CSISTORAGECAPACITIES,
    singular="csistoragecapacity",
    default=default_capacity,
    validate=validate_capacity,
    validate_update=validate_capacity_update,
    columns=(
        cells.NAME,
        Column("StorageClassName", description="The class that it is about."),
        Column("Capacity", description="What is left."),
    ),
    cells=lambda capacity, _now: (
        name_of(capacity),
        capacity.get("storageClassName") or "",
        str(capacity.get("capacity") or cells.NONE),
    ),
)
