"""What may happen in a cluster that makes a pod schedulable (upstream: framework.ClusterEvent)."""

from __future__ import annotations

from enum import Enum, auto


class ClusterEvent(Enum):
    """One kind of change; plugins say which of them may turn their no into a yes."""

    NODE_ADDED = auto()
    NODE_ALLOCATABLE = auto()
    NODE_LABELS = auto()
    NODE_TAINTS = auto()  # also spec.unschedulable
    POD_PLACED = auto()  # some pod has got a node
    POD_GONE = auto()  # some pod has left its node
    POD_ITSELF = auto()  # the waiting pod was changed
