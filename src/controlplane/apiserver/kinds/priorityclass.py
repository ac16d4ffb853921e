"""PriorityClasses: names for how important pods are (scheduling.k8s.io/v1).

Upstream: pkg/apis/scheduling/validation. The two system classes are there from the start, and
their names' prefix is kept for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from controlplane.apiserver.kinds import cells, metadata, strategy
from controlplane.apiserver.kinds.kind import Cell, Column, Kind
from kubeapi import field, validation
from kubeapi.objects import Object, name_of
from kubeapi.resources import PRIORITYCLASSES
from kubeapi.status import Cause

#: The classes that every cluster has.
SYSTEM: Final[Mapping[str, int]] = {
    "system-node-critical": 2_000_001_000,
    "system-cluster-critical": 2_000_000_000,
}
PREEMPTS: Final = "PreemptLowerPriority"
_POLICIES: Final = (PREEMPTS, "Never")
_RESERVED: Final = "system-"
_USER_MAX: Final = 1_000_000_000


def default(priority_class: Object) -> None:
    """Preempt, and have a value, be it 0."""
    priority_class["preemptionPolicy"] = priority_class.get("preemptionPolicy") or PREEMPTS
    priority_class["value"] = priority_class.get("value") or 0


def validate(priority_class: Object) -> list[Cause]:
    causes = metadata.validate(priority_class, validation.dns1123_subdomain)
    name, value = name_of(priority_class), priority_class["value"]
    if name.startswith(_RESERVED):
        if why := _why_no_system_class(priority_class):
            detail = (
                f"priority class names with '{_RESERVED}' prefix are reserved for system use only."
                f" error: {why}"
            )
            causes.append(field.forbidden("metadata.name", detail))
    elif value > _USER_MAX:
        detail = f"maximum allowed value of a user defined priority is {_USER_MAX}"
        causes.append(field.forbidden("value", detail))
    policy = priority_class["preemptionPolicy"]
    if policy not in _POLICIES:
        causes.append(field.not_supported("preemptionPolicy", policy, _POLICIES))
    return causes


def _why_no_system_class(priority_class: Object) -> str:
    name = name_of(priority_class)
    known = SYSTEM.get(name)
    if known is None:
        return f"{name} is not a known system priority class"
    if priority_class["value"] != known:
        return f"value of {name} PriorityClass must be {known}"
    if priority_class.get("globalDefault"):
        return f"globalDefault of {name} PriorityClass must be false"
    return ""


def validate_update(new: Object, old: Object) -> list[Cause]:
    return [*metadata.validate_update(new, old), *_validate_kept(new, old)]


def _validate_kept(new: Object, old: Object) -> Iterator[Cause]:
    if new["value"] != old["value"]:
        yield field.forbidden("value", "may not be changed in an update.")
    yield from metadata.immutable(new, old, "preemptionPolicy", "preemptionPolicy")


def row(priority_class: Object, now: float) -> Sequence[Cell]:
    return (
        name_of(priority_class),
        priority_class.get("value") or 0,
        bool(priority_class.get("globalDefault")),
        cells.age(priority_class, now),
        priority_class.get("preemptionPolicy") or "",
    )


PRIORITYCLASS: Final = Kind(
    resource=PRIORITYCLASSES,
    singular="priorityclass",
    short_names=("pc",),
    default=default,
    prepare_create=strategy.first_generation,
    validate=validate,
    validate_update=validate_update,
    columns=(
        cells.NAME,
        Column("Value", "integer", description="The priority of pods of this class."),
        Column("Global-Default", "boolean", description="Whether pods without a class have it."),
        cells.AGE,
        Column("PreemptionPolicy", description="Whether its pods push others away."),
    ),
    cells=row,
)
