"""The default profile: which plugins run, in which order, with which weight.

Filters stop at the first that refuses a node, so the order decides which reason people read.
Absent: InterPodAffinity, the volume plugins, ImageLocality, DefaultPreemption.
"""

from __future__ import annotations

from typing import Final

from controlplane.scheduler.framework.interface import FilterPlugin, ScorePlugin
from controlplane.scheduler.framework.plugins.node_affinity import NodeAffinityPlugin
from controlplane.scheduler.framework.plugins.node_name import NodeName
from controlplane.scheduler.framework.plugins.node_ports import NodePorts
from controlplane.scheduler.framework.plugins.node_resources_balanced_allocation import (
    NodeResourcesBalancedAllocation,
)
from controlplane.scheduler.framework.plugins.node_resources_fit import NodeResourcesFit
from controlplane.scheduler.framework.plugins.node_unschedulable import NodeUnschedulable
from controlplane.scheduler.framework.plugins.pod_topology_spread import PodTopologySpread
from controlplane.scheduler.framework.plugins.taint_toleration import TaintToleration

FILTERS: Final[tuple[FilterPlugin, ...]] = (
    NodeUnschedulable(),
    NodeName(),
    TaintToleration(),
    NodeAffinityPlugin(),
    NodePorts(),
    NodeResourcesFit(),
    PodTopologySpread(),
)

SCORES: Final[tuple[tuple[ScorePlugin, int], ...]] = (
    (TaintToleration(), 3),
    (NodeAffinityPlugin(), 2),
    (NodeResourcesFit(), 1),
    (PodTopologySpread(), 2),
    (NodeResourcesBalancedAllocation(), 1),
)
