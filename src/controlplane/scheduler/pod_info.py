"""A pod as the scheduler sees it: read once, compared often (upstream: framework.PodInfo)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from controlplane.scheduler.node_affinity import NodeAffinity
from controlplane.scheduler.pod_affinity import PodAffinity
from controlplane.scheduler.resources import Amounts, requests_of, scored_requests_of
from controlplane.scheduler.spread_constraints import SpreadConstraint, spread_constraints_of
from controlplane.scheduler.tolerations import Toleration
from kubeapi.objects import (
    Object,
    is_being_deleted,
    key_of,
    labels_of,
    make_key,
    namespace_of,
    uid_of,
)
from kubeapi.selectors import SelectorError

DEFAULT_SCHEDULER_NAME: Final = "default-scheduler"
#: (hostIP, protocol, hostPort)
HostPort = tuple[str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodInfo:
    """What matters of a pod."""

    key: str
    uid: str
    namespace: str
    labels: Mapping[str, str]
    node_name: str
    priority: int
    being_deleted: bool
    nominated_node: str  # where preemption made room for it
    images: tuple[str, ...]
    requests: Amounts
    scored_requests: Amounts
    tolerations: tuple[Toleration, ...]
    affinity: NodeAffinity
    pod_affinity: PodAffinity
    spread: tuple[SpreadConstraint, ...]
    host_ports: tuple[HostPort, ...]
    claims: tuple[str, ...]  # keys of PersistentVolumeClaims that it names
    obj: Object
    scheduler_name: str = DEFAULT_SCHEDULER_NAME
    problem: str = ""  # why its own wishes make no sense: then it fits nowhere

    @classmethod
    def read(cls, pod: Object) -> PodInfo:
        """Read any pod; one with a selector that makes no sense is read without its wishes."""
        try:
            return cls.from_object(pod)
        except SelectorError as error:
            spec = {**pod["spec"], "affinity": None, "topologySpreadConstraints": None}
            info = cls.from_object({**pod, "spec": spec})
            return replace(info, obj=pod, problem=f"invalid selector: {error}")

    @classmethod
    def from_object(cls, pod: Object) -> PodInfo:
        """Read a pod; raises SelectorError when a selector in it makes no sense."""
        spec = pod.get("spec") or {}
        requests = requests_of(spec)
        return cls(
            key=key_of(pod),
            uid=uid_of(pod),
            namespace=namespace_of(pod),
            labels=labels_of(pod),
            node_name=spec.get("nodeName") or "",
            priority=int(spec.get("priority") or 0),
            being_deleted=is_being_deleted(pod),
            nominated_node=(pod.get("status") or {}).get("nominatedNodeName") or "",
            images=_images(spec),
            requests=requests,
            scored_requests=scored_requests_of(spec, requests),
            tolerations=tuple(map(Toleration.from_object, spec.get("tolerations") or ())),
            affinity=NodeAffinity.from_spec(spec),
            pod_affinity=PodAffinity.from_spec(spec, namespace_of(pod), labels_of(pod)),
            spread=spread_constraints_of(spec, labels_of(pod)),
            host_ports=host_ports_of(spec),
            claims=_claims(pod, spec),
            obj=pod,
            scheduler_name=spec.get("schedulerName") or DEFAULT_SCHEDULER_NAME,
        )


def host_ports_of(spec: Object) -> tuple[HostPort, ...]:
    """Return the host ports of all that runs as long as the pod: containers and sidecars."""
    init = spec.get("initContainers") or ()
    sidecars = [each for each in init if each.get("restartPolicy") == "Always"]
    return tuple(
        (port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", int(port["hostPort"]))
        for container in (*(spec.get("containers") or ()), *sidecars)
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def _images(spec: Object) -> tuple[str, ...]:
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    return tuple(container.get("image") or "" for container in containers)


def _claims(pod: Object, spec: Object) -> tuple[str, ...]:
    """Return the claims that a pod names; those of ephemeral volumes are its own."""
    sources = (volume.get("persistentVolumeClaim") for volume in spec.get("volumes") or ())
    names = dict.fromkeys(source.get("claimName") or "" for source in sources if source)
    return tuple(make_key(namespace_of(pod), name) for name in names)
