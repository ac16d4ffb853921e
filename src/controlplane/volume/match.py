"""Which volume fits a claim best (upstream: component-helpers `FindMatchingVolume`, pv index).

One that names the claim already comes first; of the others those with the fewest access modes
that are enough, and of these the smallest that is large enough.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from controlplane.volume.claims import (
    allows_node,
    capacity_of,
    class_of,
    is_bound_to,
    phase,
    size_of,
)
from kubeapi.objects import Object, is_being_deleted, labels_of, name_of
from kubeapi.selectors import LabelSelector


@dataclass(frozen=True, slots=True)
class Place:
    """The node that a volume must be reachable from."""

    name: str
    labels: Mapping[str, str]


def find_match(
    claim: Object,
    volumes: Iterable[Object],
    place: Place | None = None,
    *,
    delayed: bool = False,
    excluded: Collection[str] = (),
) -> Object | None:
    """Return the best of *volumes* for *claim*.

    Where binding is *delayed* and no node chosen, only one that names the claim is taken.
    """
    found: list[tuple[int, object, str, Object]] = []
    for volume in volumes:
        if name_of(volume) in excluded or is_being_deleted(volume):
            continue
        if why_not(volume, claim) or (place and not allows_node(volume, place.name, place.labels)):
            continue
        if is_bound_to(volume, claim):
            return volume
        if (delayed and place is None) or not _is_free(volume) or not _is_selected(volume, claim):
            continue
        modes = len(volume["spec"].get("accessModes") or ())
        found.append((modes, capacity_of(volume), name_of(volume), volume))
    return min(found, key=lambda row: row[:3])[3] if found else None


def why_not(volume: Object, claim: Object) -> str:
    """Return why *volume* cannot hold what *claim* asks for; "" when it can."""
    if capacity_of(volume) < size_of(claim):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if _mode(volume) != _mode(claim):
        return "incompatible volumeMode"
    have = volume["spec"].get("accessModes") or ()
    if any(mode not in have for mode in claim["spec"].get("accessModes") or ()):
        return "incompatible accessMode"
    return ""


def _mode(obj: Object) -> str:
    return str(obj["spec"].get("volumeMode") or "Filesystem")


def _is_free(volume: Object) -> bool:
    return not volume["spec"].get("claimRef") and phase(volume) == "Available"


def _is_selected(volume: Object, claim: Object) -> bool:
    selector = claim["spec"].get("selector")
    return not selector or LabelSelector.from_object(selector).matches(labels_of(volume))
