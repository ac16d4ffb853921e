"""Whether the plugins' arguments make sense (upstream: validation_pluginargs.go), in its words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from controlplane.scheduler.framework import arguments as args
from controlplane.scheduler.node_affinity import NodeAffinity
from kubeapi import field, validation
from kubeapi.objects import Object
from kubeapi.selectors import SelectorError
from kubeapi.status import Cause

_SHAPE_SCORE_MAX: Final = 10
_STRATEGIES: Final = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")
_DEFAULTING: Final = ("System", "List")
_ACTIONS: Final = ("DoNotSchedule", "ScheduleAnyway")

A = TypeVar("A", bound=args.Arguments)
#: Judges a plugin's arguments, which stand at a path.
Rule = Callable[[Object, str], Iterator[Cause]]


def problems(name: str, config: Object, path: str) -> Iterator[Cause]:
    """Return what is wrong with the arguments of the plugin *name*; a user's own are its own."""
    rule = _OF_PLUGINS.get(name)
    return iter(()) if rule is None else rule(config, path)


def _rule(kind: type[A], check: Callable[[A, str], Iterator[Cause]]) -> Rule:
    """Return what reads arguments as *kind* and has *check* judge them."""

    def judge(config: Object, path: str) -> Iterator[Cause]:
        try:
            arguments = msgspec.convert(config, kind)
        except msgspec.ValidationError as error:
            yield field.invalid(path, config, " ".join(str(error).split()))
            return
        yield from check(arguments, path)

    return judge


def _default_preemption(given: args.DefaultPreemptionArgs, path: str) -> Iterator[Cause]:
    share, least = given.minCandidateNodesPercentage, given.minCandidateNodesAbsolute
    of_share, of_least = f"{path}.minCandidateNodesPercentage", f"{path}.minCandidateNodesAbsolute"
    if not 0 <= share <= 100:
        yield field.invalid(of_share, share, "not in valid range [0, 100]")
    if least < 0:
        yield field.invalid(of_least, least, "not in valid range [0, inf)")
    if share == 0 == least:
        both = "cannot be zero at the same time as"
        yield field.invalid(of_share, share, f"{both} minCandidateNodesAbsolute")
        yield field.invalid(of_least, least, f"{both} minCandidateNodesPercentage")


def _inter_pod_affinity(given: args.InterPodAffinityArgs, path: str) -> Iterator[Cause]:
    weight = given.hardPodAffinityWeight
    if not 0 <= weight <= 100:
        yield field.invalid(f"{path}.hardPodAffinityWeight", weight, "not in valid range [0, 100]")


def _node_affinity(given: args.NodeAffinityArgs, path: str) -> Iterator[Cause]:
    try:
        NodeAffinity.from_spec({"affinity": {"nodeAffinity": given.addedAffinity}})
    except (SelectorError, LookupError, TypeError, ValueError, AttributeError) as error:
        yield field.invalid(f"{path}.addedAffinity", given.addedAffinity, str(error))


def _volume_binding(given: args.VolumeBindingArgs, path: str) -> Iterator[Cause]:
    timeout_s = given.bindTimeoutSeconds
    if timeout_s < 0:
        why = "invalid BindTimeoutSeconds, should not be a negative value"
        yield field.invalid(f"{path}.bindTimeoutSeconds", timeout_s, why)


def _balanced_allocation(
    given: args.NodeResourcesBalancedAllocationArgs, path: str
) -> Iterator[Cause]:
    names = [resource.name for resource in given.resources]
    for i, resource in enumerate(given.resources):
        of_it = f"{path}.resources[{i}]"
        if resource.name in names[:i]:
            yield field.duplicate(f"{of_it}.name", resource.name)
        if resource.weight not in (0, 1):  # None given: 1.
            yield field.invalid(f"{of_it}.weight", resource.weight, "must be 1")


def _node_resources_fit(given: args.NodeResourcesFitArgs, path: str) -> Iterator[Cause]:
    for i, name in enumerate(given.ignoredResources):
        yield from _label_name(name, f"{path}.ignoredResources[{i}]")
    for i, group in enumerate(given.ignoredResourceGroups):
        of_it = f"{path}.ignoredResourceGroups[{i}]"
        if "/" in group:
            yield field.invalid(of_it, group, "resource group name can't contain '/'")
        yield from _label_name(group, of_it)
    yield from _strategy(given.scoringStrategy, f"{path}.scoringStrategy")


def _strategy(given: args.ScoringStrategy, path: str) -> Iterator[Cause]:
    if given.type not in _STRATEGIES:
        yield field.not_supported(f"{path}.type", given.type, _STRATEGIES)
    for i, resource in enumerate(given.resources):
        if not 0 <= resource.weight <= 100:  # None given: 1.
            why = f"resource weight of {resource.name} not in valid range (0, 100]"
            yield field.invalid(f"{path}.resources[{i}].weight", resource.weight, why)
    ratio, of_ratio = given.requestedToCapacityRatio, f"{path}.requestedToCapacityRatio"
    if given.type != _STRATEGIES[2]:
        if ratio is not None:
            yield field.forbidden(of_ratio, f"must be nil when type is not {_STRATEGIES[2]}")
    elif ratio is None:
        yield field.required(of_ratio, f"must be specified when type is {_STRATEGIES[2]}")
    else:
        yield from _shape(ratio.shape, f"{of_ratio}.shape")


def _shape(points: Sequence[args.ShapePoint], path: str) -> Iterator[Cause]:
    if not points:
        yield field.required(path, "at least one point must be specified")
    for i in range(1, len(points)):
        if points[i - 1].utilization >= points[i].utilization:
            why = "values must be sorted in increasing order"
            yield field.invalid(f"{path}[{i}].utilization", points[i].utilization, why)
            break
    for i, point in enumerate(points):
        if not 0 <= point.utilization <= 100:
            why = "not in valid range [0, 100]"
            yield field.invalid(f"{path}[{i}].utilization", point.utilization, why)
        if not 0 <= point.score <= _SHAPE_SCORE_MAX:
            why = f"not in valid range [0, {_SHAPE_SCORE_MAX}]"
            yield field.invalid(f"{path}[{i}].score", point.score, why)


def _pod_topology_spread(given: args.PodTopologySpreadArgs, path: str) -> Iterator[Cause]:
    of_type = f"{path}.defaultingType"
    if given.defaultingType not in _DEFAULTING:
        yield field.not_supported(of_type, given.defaultingType, _DEFAULTING)
    elif given.defaultingType == "System" and given.defaultConstraints:
        why = "when .defaultConstraints are not empty"
        yield field.invalid(of_type, given.defaultingType, why)
    seen: list[tuple[object, object]] = []
    for i, row in enumerate(given.defaultConstraints):
        yield from _constraint(row, f"{path}.defaultConstraints[{i}]", seen)


def _constraint(row: Object, path: str, seen: list[tuple[object, object]]) -> Iterator[Cause]:
    skew, key, action = row.get("maxSkew", 0), row.get("topologyKey"), row.get("whenUnsatisfiable")
    if not isinstance(skew, int) or skew <= 0:
        yield field.invalid(f"{path}.maxSkew", skew, "not in valid range (0, inf)")
    if not key:
        yield field.required(f"{path}.topologyKey", "can not be empty")
    else:
        yield from _label_name(str(key), f"{path}.topologyKey")
    if not action:
        yield field.required(f"{path}.whenUnsatisfiable", "can not be empty")
    elif action not in _ACTIONS:
        yield field.not_supported(f"{path}.whenUnsatisfiable", action, _ACTIONS)
    if row.get("labelSelector") is not None:
        why = "constraint must not define a selector, as they deduced for each pod"
        yield field.forbidden(f"{path}.labelSelector", why)
    if (key, action) in seen:
        yield field.duplicate(path, f"{{{key}, {action}}}")
    seen.append((key, action))


def _label_name(name: str, path: str) -> Iterator[Cause]:
    yield from (field.invalid(path, name, why) for why in validation.qualified_name(name))


_OF_PLUGINS: Final[Mapping[str, Rule]] = {
    "DefaultPreemption": _rule(args.DefaultPreemptionArgs, _default_preemption),
    "InterPodAffinity": _rule(args.InterPodAffinityArgs, _inter_pod_affinity),
    "NodeAffinity": _rule(args.NodeAffinityArgs, _node_affinity),
    "NodeResourcesBalancedAllocation": _rule(
        args.NodeResourcesBalancedAllocationArgs, _balanced_allocation
    ),
    "NodeResourcesFit": _rule(args.NodeResourcesFitArgs, _node_resources_fit),
    "PodTopologySpread": _rule(args.PodTopologySpreadArgs, _pod_topology_spread),
    "VolumeBinding": _rule(args.VolumeBindingArgs, _volume_binding),
}
