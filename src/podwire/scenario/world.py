"""What a scenario sees of its cluster: facts drawn from API objects, and judged by expectations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kubeapi.objects import (
    Object,
    condition,
    controller_of,
    is_being_deleted,
    key_of,
    labels_of,
    name_of,
    uid_of,
)

_SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class PodFact:
    """A pod that nobody has deleted yet."""

    key: str
    uid: str
    node: str
    ready: bool
    owner: str  # The name of the ReplicaSet or other controller, or "".


@dataclass(frozen=True, slots=True)
class World:
    """The cluster at one moment. *answers* and *writes* say how the API server took a probe."""

    nodes: Mapping[str, bool] = field(default_factory=dict)  # name -> Ready
    pods: tuple[PodFact, ...] = ()
    wanted: Mapping[str, int] = field(default_factory=dict)  # Deployment -> replicas
    endpoints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # Service -> nodes
    answers: bool = True
    writes: bool = True

    def unready_nodes(self) -> list[str]:
        return sorted(name for name, ready in self.nodes.items() if not ready)

    def missing_pods(self, deployment: str = "") -> list[str]:
        """Return what keeps the pods of *deployment* (or of all) from being as wanted."""
        missing = [
            f"{pod.key} is not Ready"
            for pod in self.pods
            if not pod.ready and _belongs(pod, deployment)
        ]
        for name, wanted in self.wanted.items():
            if deployment not in ("", name):
                continue
            there = sum(pod.ready and _belongs(pod, name) for pod in self.pods)
            if there != wanted:
                missing.append(f"{name} has {there} of {wanted} pods Ready")
        if deployment and deployment not in self.wanted:
            missing.append(f"there is no Deployment {deployment}")
        return missing


def _belongs(pod: PodFact, deployment: str) -> bool:
    """Tell whether a Deployment's pod is *pod*: its ReplicaSet adds one word to the name."""
    return not deployment or pod.owner.rpartition("-")[0] == deployment


def nodes_of(objects: Iterable[Object]) -> dict[str, bool]:
    """Return which Nodes are Ready."""
    return {name_of(node): _is_ready(node) for node in objects}


def pods_of(objects: Iterable[Object]) -> tuple[PodFact, ...]:
    """Return the pods that nobody has deleted and that have not ended."""
    return tuple(
        PodFact(
            key=key_of(pod),
            uid=uid_of(pod),
            node=pod["spec"].get("nodeName", ""),
            ready=_is_ready(pod),
            owner=str((controller_of(pod) or {}).get("name", "")),
        )
        for pod in objects
        if not is_being_deleted(pod)
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    )


def wanted_of(objects: Iterable[Object]) -> dict[str, int]:
    """Return how many replicas each Deployment wants."""
    return {name_of(one): one["spec"].get("replicas", 1) for one in objects}


def endpoints_of(objects: Iterable[Object]) -> dict[str, tuple[str, ...]]:
    """Return, for each Service, the nodes of its ready endpoints, one for each endpoint."""
    found: dict[str, list[str]] = {}
    for one in objects:
        nodes = found.setdefault(labels_of(one).get(_SERVICE_NAME, ""), [])
        nodes += [
            str(endpoint.get("nodeName", ""))
            for endpoint in one.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready") is not False
        ]
    return {service: tuple(sorted(nodes)) for service, nodes in found.items()}


def _is_ready(obj: Object) -> bool:
    ready = condition(obj, "Ready")
    return ready is not None and ready["status"] == "True"
