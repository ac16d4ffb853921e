"""Pods that were promised a node on which others have to end first (upstream: nominator.go)."""

from __future__ import annotations

from collections.abc import Container, Sequence

from controlplane.scheduler.pod_info import PodInfo


class Nominator:
    """Who waits for which node. Others of lower priority are not given the room."""

    def __init__(self) -> None:
        self._nodes: dict[str, dict[str, PodInfo]] = {}
        self._place: dict[str, str] = {}

    def nominate(self, pod: PodInfo, node_name: str) -> None:
        """Promise *pod* a node, and no other one."""
        self.forget(pod.key)
        if node_name:
            self._nodes.setdefault(node_name, {})[pod.key] = pod
            self._place[pod.key] = node_name

    def forget(self, key: str) -> None:
        node_name = self._place.pop(key, None)
        if node_name is not None:
            pods = self._nodes[node_name]
            del pods[key]
            if not pods:
                del self._nodes[node_name]

    def place_of(self, key: str) -> str:
        """Return which node was promised to a pod; empty: none."""
        return self._place.get(key, "")

    @property
    def promised_nodes(self) -> Container[str]:
        """Return the nodes that somebody was promised."""
        return self._nodes

    def as_important(self, pod: PodInfo, node_name: str) -> Sequence[PodInfo]:
        """Return who was promised *node_name* and is not less important than *pod*."""
        promised = self._nodes.get(node_name)
        if not promised:
            return ()
        return [
            other
            for other in promised.values()
            if other.priority >= pod.priority and other.key != pod.key
        ]

    def less_important(self, pod: PodInfo, node_name: str) -> Sequence[PodInfo]:
        """Return who was promised *node_name* and must wait for *pod* now."""
        promised = self._nodes.get(node_name) or {}
        return [other for other in promised.values() if other.priority < pod.priority]
