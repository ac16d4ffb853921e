"""A node and what runs on it, with the sums kept up to date (upstream: framework.NodeInfo)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, Self

from controlplane.scheduler.pod_affinity import NO_AFFINITY
from controlplane.scheduler.pod_info import HostPort, PodInfo
from controlplane.scheduler.resources import Amounts, add, amounts, subtract
from controlplane.scheduler.tolerations import Taint
from kubeapi.objects import Object, labels_of
from kubeapi.selectors import LabelSelector

_ANY_ADDRESS = "0.0.0.0"
#: Groups whose pods a node counts as they come and go; more than these are counted anew.
_GROUPS_MAX: Final = 32


class PodGroup:
    """Pods of a namespace that a selector means; one object for one group, so that it is a key."""

    __slots__ = ("_matches", "_namespace")

    def __init__(self, namespace: str, selector: LabelSelector) -> None:
        self._namespace, self._matches = namespace, selector.matches

    def means(self, pod: PodInfo) -> bool:
        """Tell whether *pod* is one of them; a pod that ends is none any more."""
        return (
            pod.namespace == self._namespace and not pod.being_deleted and self._matches(pod.labels)
        )


class NodeInfo:
    """What the plugins ask of a node; `known` is false while only its pods were seen."""

    __slots__ = (
        "alike",
        "allocatable",
        "claims",
        "images",
        "known",
        "labels",
        "name",
        "pods",
        "pods_with_affinity",
        "pods_with_required_anti_affinity",
        "ports",
        "requested",
        "scored_requested",
        "taints",
        "unschedulable",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.known = False
        self.labels: Mapping[str, str] = {}
        self.taints: tuple[Taint, ...] = ()
        self.unschedulable = False
        self.allocatable: Amounts = {}
        self.requested: Amounts = {}
        self.scored_requested: Amounts = {}
        #: Octets of each image that is there, by each of its names.
        self.images: Mapping[str, int] = {}
        self.pods: dict[str, PodInfo] = {}
        self.pods_with_affinity: dict[str, PodInfo] = {}
        self.pods_with_required_anti_affinity: dict[str, PodInfo] = {}
        self.ports: dict[HostPort, None] = {}
        #: How many pods of a group are here, of those that were asked for.
        self.alike: dict[PodGroup, int] = {}
        #: How many pods use a PersistentVolumeClaim.
        self.claims: Counter[str] = Counter()

    def set_node(self, node: Object) -> None:
        """Take over what the Node object says."""
        spec, status = node.get("spec") or {}, node.get("status") or {}
        self.known = True
        self.labels = labels_of(node)
        self.taints = tuple(map(Taint.from_object, spec.get("taints") or ()))
        self.unschedulable = bool(spec.get("unschedulable"))
        self.allocatable = amounts(status.get("allocatable") or status.get("capacity"))
        self.images = {
            name: int(image.get("sizeBytes") or 0)
            for image in status.get("images") or ()
            for name in image.get("names") or ()
        }

    def forget_node(self) -> None:
        """The Node object is gone; its pods may still be there."""
        self.known = False

    def clone(self) -> Self:
        """Return a node to try other pods on."""
        copy = type(self)(self.name)
        copy.known, copy.labels, copy.taints = self.known, self.labels, self.taints
        copy.unschedulable, copy.images = self.unschedulable, self.images
        copy.allocatable = self.allocatable
        copy.requested, copy.scored_requested = dict(self.requested), dict(self.scored_requested)
        copy.pods, copy.ports, copy.alike = dict(self.pods), dict(self.ports), dict(self.alike)
        copy.claims = self.claims.copy()
        copy.pods_with_affinity = dict(self.pods_with_affinity)
        copy.pods_with_required_anti_affinity = dict(self.pods_with_required_anti_affinity)
        return copy

    def add_pod(self, pod: PodInfo) -> None:
        assert pod.key not in self.pods
        self.pods[pod.key] = pod
        if pod.pod_affinity is not NO_AFFINITY:
            self.pods_with_affinity[pod.key] = pod
            if pod.pod_affinity.anti_required:
                self.pods_with_required_anti_affinity[pod.key] = pod
        add(self.requested, pod.requests)
        add(self.scored_requested, pod.scored_requests)
        self.ports |= dict.fromkeys(pod.host_ports)
        if pod.claims:
            self.claims.update(pod.claims)
        self._count(pod, 1)

    def remove_pod(self, key: str) -> None:
        pod = self.pods.pop(key)
        self.pods_with_affinity.pop(key, None)
        self.pods_with_required_anti_affinity.pop(key, None)
        subtract(self.requested, pod.requests)
        subtract(self.scored_requested, pod.scored_requests)
        if pod.host_ports:  # Another one, bound past the scheduler, may have the same.
            others = self.pods.values()
            self.ports = dict.fromkeys(port for other in others for port in other.host_ports)
        for claim in pod.claims:
            self.claims[claim] -= 1
        self._count(pod, -1)

    def _count(self, pod: PodInfo, by: int) -> None:
        for group in self.alike:
            if group.means(pod):
                self.alike[group] += by

    def count_alike(self, group: PodGroup) -> int:
        """Return how many pods of *group* are here, those that end left out."""
        count = self.alike.get(group)
        if count is None:
            if len(self.alike) >= _GROUPS_MAX:
                self.alike.clear()
            count = self.alike[group] = sum(map(group.means, self.pods.values()))
        return count

    def is_port_taken(self, wanted: HostPort) -> bool:
        address, protocol, number = wanted
        if address != _ANY_ADDRESS:
            return wanted in self.ports or (_ANY_ADDRESS, protocol, number) in self.ports
        return any(port[1:] == (protocol, number) for port in self.ports)
