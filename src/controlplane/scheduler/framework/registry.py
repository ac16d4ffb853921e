"""Which plugins there are, and which the default profile has (upstream: plugins/registry.go).

A name with a colon, `package.module:Class`, is a class of the user's own. It is called with its
pluginConfig, a mapping, and the `Handle`.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from componentbase.tasks import Raised, attempted
from controlplane.scheduler.framework import arguments as args
from controlplane.scheduler.framework.fence import PluginFailed, fenced
from controlplane.scheduler.framework.handle import Handle
from controlplane.scheduler.framework.interface import Plugin
from controlplane.scheduler.framework.plugins.default_binder import DefaultBinder
from controlplane.scheduler.framework.plugins.default_preemption import DefaultPreemption
from controlplane.scheduler.framework.plugins.image_locality import ImageLocality
from controlplane.scheduler.framework.plugins.inter_pod_affinity import InterPodAffinity
from controlplane.scheduler.framework.plugins.node_affinity import NodeAffinityPlugin
from controlplane.scheduler.framework.plugins.node_name import NodeName
from controlplane.scheduler.framework.plugins.node_ports import NodePorts
from controlplane.scheduler.framework.plugins.node_resources_balanced_allocation import (
    NodeResourcesBalancedAllocation,
)
from controlplane.scheduler.framework.plugins.node_resources_fit import NodeResourcesFit
from controlplane.scheduler.framework.plugins.node_unschedulable import NodeUnschedulable
from controlplane.scheduler.framework.plugins.node_volume_limits import NodeVolumeLimits
from controlplane.scheduler.framework.plugins.pod_topology_spread import PodTopologySpread
from controlplane.scheduler.framework.plugins.priority_sort import PrioritySort
from controlplane.scheduler.framework.plugins.scheduling_gates import SchedulingGates
from controlplane.scheduler.framework.plugins.taint_toleration import TaintToleration
from controlplane.scheduler.framework.plugins.volume_binding import VolumeBinding
from controlplane.scheduler.framework.plugins.volume_restrictions import VolumeRestrictions
from controlplane.scheduler.framework.plugins.volume_zone import VolumeZone
from controlplane.scheduler.framework.runtime import POINTS
from kubeapi.objects import Object
from kubeapi.selectors import SelectorError


class BadPlugin(Exception):
    """A plugin that there is not, or that cannot be made with its arguments."""


@dataclass(frozen=True, slots=True)
class Registration:
    """How a plugin is made of its pluginConfig, and its weight by default."""

    make: Callable[[Object, Handle], Plugin]
    weight: int = 1


def _without(plugin: Callable[[], Plugin]) -> Callable[[Object, Handle], Plugin]:
    """Return what makes a plugin that has no arguments."""

    def make(config: Object, _handle: Handle) -> Plugin:
        msgspec.convert(config, args.NoArgs)
        return plugin()

    return make


def _node_affinity(config: Object, _handle: Handle) -> Plugin:
    return NodeAffinityPlugin(msgspec.convert(config, args.NodeAffinityArgs))


def _node_resources_fit(config: Object, _handle: Handle) -> Plugin:
    return NodeResourcesFit(msgspec.convert(config, args.NodeResourcesFitArgs))


def _balanced_allocation(config: Object, _handle: Handle) -> Plugin:
    arguments = msgspec.convert(config, args.NodeResourcesBalancedAllocationArgs)
    return NodeResourcesBalancedAllocation(arguments)


def _pod_topology_spread(config: Object, handle: Handle) -> Plugin:
    arguments = msgspec.convert(config, args.PodTopologySpreadArgs)
    return PodTopologySpread(arguments, handle.nodes, handle.listers)


def _inter_pod_affinity(config: Object, handle: Handle) -> Plugin:
    arguments = msgspec.convert(config, args.InterPodAffinityArgs)
    return InterPodAffinity(arguments, handle.nodes, handle.listers.namespace_labels)


def _default_preemption(config: Object, handle: Handle) -> Plugin:
    return DefaultPreemption(msgspec.convert(config, args.DefaultPreemptionArgs), handle)


def _volume_binding(config: Object, handle: Handle) -> Plugin:
    arguments = msgspec.convert(config, args.VolumeBindingArgs)
    return VolumeBinding(arguments, handle.listers, handle.volumes)


def _volume_restrictions(config: Object, handle: Handle) -> Plugin:
    msgspec.convert(config, args.NoArgs)
    return VolumeRestrictions(handle.listers, handle.nodes)


def _node_volume_limits(config: Object, handle: Handle) -> Plugin:
    msgspec.convert(config, args.NoArgs)
    return NodeVolumeLimits(handle.listers)


def _volume_zone(config: Object, handle: Handle) -> Plugin:
    msgspec.convert(config, args.NoArgs)
    return VolumeZone(handle.listers)


def _image_locality(config: Object, handle: Handle) -> Plugin:
    msgspec.convert(config, args.NoArgs)
    return ImageLocality(handle.nodes)


def _default_binder(config: Object, handle: Handle) -> Plugin:
    msgspec.convert(config, args.NoArgs)
    return DefaultBinder(handle.binder)


#: In the order in which the default profile asks them, and people read their reasons.
REGISTRY: Final[Mapping[str, Registration]] = {
    "SchedulingGates": Registration(_without(SchedulingGates)),
    "PrioritySort": Registration(_without(PrioritySort)),
    "NodeUnschedulable": Registration(_without(NodeUnschedulable)),
    "NodeName": Registration(_without(NodeName)),
    "TaintToleration": Registration(_without(TaintToleration), weight=3),
    "NodeAffinity": Registration(_node_affinity, weight=2),
    "NodePorts": Registration(_without(NodePorts)),
    "NodeResourcesFit": Registration(_node_resources_fit),
    "VolumeRestrictions": Registration(_volume_restrictions),
    "NodeVolumeLimits": Registration(_node_volume_limits),
    "VolumeBinding": Registration(_volume_binding),
    "VolumeZone": Registration(_volume_zone),
    "PodTopologySpread": Registration(_pod_topology_spread, weight=2),
    "InterPodAffinity": Registration(_inter_pod_affinity, weight=2),
    "DefaultPreemption": Registration(_default_preemption),
    "NodeResourcesBalancedAllocation": Registration(_balanced_allocation),
    "ImageLocality": Registration(_image_locality),
    "DefaultBinder": Registration(_default_binder),
}


def find_plugin(name: str) -> None:
    """See to it that there is a plugin *name*; raises BadPlugin."""
    if ":" in name:
        named_class(name)
    elif name not in REGISTRY:
        raise BadPlugin(f"there is no plugin {name}; one of your own is named package.module:Class")


def make_plugin(name: str, config: Object, handle: Handle) -> Plugin:
    """Make the plugin *name* with its pluginConfig; raises BadPlugin."""
    if ":" in name:
        return _made_by_user(name, config, handle)
    find_plugin(name)
    try:
        return REGISTRY[name].make(config, handle)
    except (msgspec.ValidationError, SelectorError) as error:
        raise BadPlugin(f"pluginConfig of {name}: {error}") from None


def _made_by_user(name: str, config: Object, handle: Handle) -> Plugin:
    kind = named_class(name)
    plugin = attempted(f"making {name}", lambda: kind(config, handle))
    if isinstance(plugin, Raised):
        raise BadPlugin(f"{name} cannot be made: {plugin.text}")
    if not isinstance(getattr(plugin, "name", None), str):
        raise BadPlugin(f"{name} has no attribute `name`")
    if not any(isinstance(plugin, kind) for kind in POINTS.values()):
        raise BadPlugin(f"{name} has no method of any extension point")
    try:
        return fenced(plugin)
    except PluginFailed as error:
        raise BadPlugin(f"{name}: {error}") from None


def named_class(name: str) -> Callable[[Object, Handle], Plugin]:
    """Return the class that `package.module:Class` means; raises BadPlugin."""
    module, _, attribute = name.partition(":")
    found = attempted(
        f"importing {name}",
        lambda: getattr(importlib.import_module(module), attribute),
        level=logging.DEBUG,  # Whoever types the name sees one line.
    )
    if isinstance(found, Raised):
        raise BadPlugin(f"{name}: {' '.join(found.text.split())}; is its folder in PYTHONPATH?")
    if not callable(found):
        raise BadPlugin(f"{name} is no class")
    kind: Callable[[Object, Handle], Plugin] = found
    return kind
