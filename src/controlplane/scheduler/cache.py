"""What runs where, a moment ahead of the server (upstream: internal/cache).

A pod counts on its node from the moment the scheduler decides (*assumed*), long before the
server's watch confirms it: else the next pod would be given the same room. What the watch says
always wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import Final

from controlplane.scheduler.node_info import NodeInfo
from controlplane.scheduler.pod_info import PodInfo
from kubeapi.objects import Object, name_of

_ZONE: Final = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")


class Cache:
    """Nodes with their pods, assumed ones included."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeInfo] = {}
        self._place: dict[str, str] = {}  # pod key → node name
        self._assumed: dict[str, None] = {}
        self._known: list[NodeInfo] | None = None

    def nodes(self) -> list[NodeInfo]:
        """Return the nodes that pods may be given to, their zones in turn; not to be changed."""
        if self._known is None:
            self._known = _zones_in_turn(node for node in self._nodes.values() if node.known)
        return self._known

    def sizes(self) -> dict[str, int]:
        """Return how much is held, as the metrics call it."""
        return {
            "nodes": len(self.nodes()),
            "pods": len(self._place),
            "assumed_pods": len(self._assumed),
        }

    def set_node(self, node: Object) -> None:
        self._node(name_of(node)).set_node(node)
        self._known = None

    def remove_node(self, name: str) -> None:
        node = self._nodes.get(name)
        if node is not None:
            node.forget_node()
            self._drop_if_empty(node)
            self._known = None

    def assume(self, pod: PodInfo, node_name: str) -> None:
        """Count *pod* on a node before the server knows."""
        assert pod.key not in self._place
        self._put(pod, node_name)
        self._assumed[pod.key] = None

    def is_assumed(self, key: str) -> bool:
        return key in self._assumed

    def forget(self, key: str) -> None:
        """The binding failed: what was assumed is not so. No matter if the watch knows better."""
        if key in self._assumed:
            self.remove_pod(key)

    def set_pod(self, pod: PodInfo) -> None:
        """Take over what the server says of a pod that has a node."""
        assert pod.node_name
        self.remove_pod(pod.key)
        self._put(pod, pod.node_name)

    def remove_pod(self, key: str) -> bool:
        """Forget a pod; tell whether it was known."""
        self._assumed.pop(key, None)
        place = self._place.pop(key, None)
        if place is None:
            return False
        node = self._nodes[place]
        node.remove_pod(key)
        self._drop_if_empty(node)
        return True

    def _put(self, pod: PodInfo, node_name: str) -> None:
        self._node(node_name).add_pod(pod)
        self._place[pod.key] = node_name

    def _node(self, name: str) -> NodeInfo:
        return self._nodes.setdefault(name, NodeInfo(name))

    def _drop_if_empty(self, node: NodeInfo) -> None:
        if not node.known and not node.pods:
            del self._nodes[node.name]


def _zones_in_turn(nodes: Iterable[NodeInfo]) -> list[NodeInfo]:
    """Return the first node of each zone, then the second ones (upstream: node_tree.go).

    So those that are judged first, when not all are, lie in different zones.
    """
    zones: dict[tuple[str, ...], list[NodeInfo]] = {}
    for node in nodes:
        zones.setdefault(tuple(node.labels.get(key, "") for key in _ZONE), []).append(node)
    rows = zip_longest(*zones.values())
    return [node for row in rows for node in row if node is not None]
