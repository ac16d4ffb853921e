"""Hints: by whom an endpoint should be used (upstream: endpointslice/trafficdist, topologycache).

`trafficDistribution` gives every ready endpoint the hint of its own zone (PreferSameZone, and
PreferClose, its older name), and with PreferSameNode that of its node, too. The annotation
topology-mode `Auto`, which wins, spreads the endpoints over the zones in proportion to their CPUs;
where that would put any zone's endpoints under more than 20 % too much load there are no hints.
Deviation: the shares are reckoned anew each time, so a change may move more hints than upstream's,
which changes a slice only when it must.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

from kubeapi.objects import Object, annotations_of, condition, labels_of
from kubeapi.quantity import QuantityError, parse_quantity

ZONE: Final = "topology.kubernetes.io/zone"
_NODE_HINTS: Final = "PreferSameNode"
_ZONE_HINTS: Final = ("PreferClose", "PreferSameZone", _NODE_HINTS)
_MODES: Final = (
    "service.kubernetes.io/topology-mode",
    "service.kubernetes.io/topology-aware-hints",
)
_OVERLOAD: Final = Fraction(12, 10)
_EXCLUDED: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")

Zones = Mapping[str, Fraction]  # Zone → its part of all CPUs.


@dataclass(frozen=True, slots=True)
class NoHints:
    """Why a Service that asks for shares by zone gets none; upstream's words."""

    reason: str


def is_auto(service: Object) -> bool:
    """Tell whether the annotation asks for shares by zone."""
    annotations = annotations_of(service)
    mode = next((annotations[key] for key in _MODES if key in annotations), "")
    return mode in ("Auto", "auto")


def by_distribution(service: Object, endpoints: Iterable[Object]) -> None:
    """Hint what `trafficDistribution` says, in *endpoints*."""
    wish = service["spec"].get("trafficDistribution")
    if wish not in _ZONE_HINTS:
        return
    for endpoint in endpoints:
        if not endpoint["conditions"]["ready"]:
            continue
        hints: Object = {}
        if endpoint.get("zone"):
            hints["forZones"] = [{"name": endpoint["zone"]}]
        if wish == _NODE_HINTS and endpoint.get("nodeName"):
            hints["forNodes"] = [{"name": endpoint["nodeName"]}]
        if hints:
            endpoint["hints"] = hints


def zone_of(node: Object) -> str:
    """Return the zone that *node* is in; "" for none, and for no node."""
    return labels_of(node).get(ZONE, "") if node else ""


def place_of(node: Object) -> tuple[str, bool, int]:
    """Return what of *node* any hint depends on."""
    if not node:
        return "", False, 0
    ready = condition(node, "Ready")
    return zone_of(node), ready is not None and ready["status"] == "True", _cpu_millis(node)


def zones_of(nodes: Iterable[Object]) -> Zones:
    """Return the zones' parts of the CPUs; none where a node says too little, or for one zone."""
    cpus: Counter[str] = Counter()
    for node in nodes:
        labels, ready = labels_of(node), condition(node, "Ready")
        if any(key in labels for key in _EXCLUDED) or ready is None or ready["status"] != "True":
            continue
        millis, zone = _cpu_millis(node), labels.get(ZONE)
        if not zone or not millis:
            return {}
        cpus[zone] += millis
    total = cpus.total()
    return {zone: Fraction(n, total) for zone, n in cpus.items()} if len(cpus) > 1 else {}


def _cpu_millis(node: Object) -> int:
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    try:
        return ceil(parse_quantity(str(allocatable.get("cpu") or "0")) * 1000)
    except QuantityError:
        return 0


def by_zone(endpoints: Sequence[Object], zones: Zones) -> NoHints | None:
    """Share the ready of *endpoints* out to *zones*; say so if that cannot be."""
    ready = [each for each in endpoints if each["conditions"]["ready"]]
    counts = f" ({len(ready)} endpoints, {len(zones)} zones)"
    if not zones:
        return NoHints(
            "Insufficient Node information: allocatable CPU or zone not specified on one or more"
            " nodes"
        )
    if len(ready) < len(zones):
        return NoHints("Insufficient number of endpoints" + counts)
    desired = {zone: part * len(ready) for zone, part in zones.items()}
    least = {zone: ceil(wish / _OVERLOAD) for zone, wish in desired.items()}
    if sum(least.values()) > len(ready):
        return NoHints("Unable to allocate minimum required endpoints to each zone without"
                       " exceeding overload threshold" + counts)  # fmt: skip
    if any(not each.get("zone") for each in ready):
        return NoHints("One or more endpoints do not have a zone specified")
    wanted = {zone: max(wish, Fraction(least[zone])) for zone, wish in desired.items()}
    moves = _moves(Counter(each["zone"] for each in ready), wanted)
    for endpoint in ready:
        zone = endpoint["zone"]
        if moves.get(zone):
            zone = moves[zone].pop()
        endpoint["hints"] = {"forZones": [{"name": zone}]}
    return None


def _moves(have: Counter[str], wanted: Mapping[str, Fraction]) -> dict[str, list[str]]:
    """Return to which zones each zone gives endpoints: most from where the surplus is largest."""
    surplus = {zone: have[zone] - wish for zone, wish in sorted(wanted.items())}
    moves: dict[str, list[str]] = {}
    half = Fraction(1, 2)
    while True:
        giving, receiving = (
            max(surplus, key=surplus.__getitem__),
            min(surplus, key=surplus.__getitem__),
        )
        more, less = surplus[giving], -surplus[receiving]
        if (more < 1 and less < 1) or more < half or less < half:
            return moves
        moves.setdefault(giving, []).append(receiving)
        surplus[giving] -= 1
        surplus[receiving] += 1
