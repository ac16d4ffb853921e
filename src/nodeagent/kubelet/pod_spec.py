"""What decisions need of a Pod's spec, and the small questions about Pod objects.

The hash of a container covers the fields whose change restarts it; of a running pod the API lets
only the image change (upstream: kubecontainer.HashContainer).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from kubeapi.objects import Object, metadata_of, name_of, namespace_of, uid_of
from kubeapi.pod_containers import every_container

#: Upstream: v1.DefaultTerminationGracePeriodSeconds (the API server writes it into the object).
_GRACE_DEFAULT_S: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """One container as wanted."""

    name: str
    image: str
    hash: str
    #: An init container with `restartPolicy: Always`: started in order, then kept running.
    sidecar: bool = False
    has_startup_probe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSpec:
    """The containers of a pod and its restart policy."""

    containers: tuple[ContainerSpec, ...]
    init_containers: tuple[ContainerSpec, ...] = ()
    #: Added to a running pod (`kubectl debug`), and never restarted.
    ephemeral_containers: tuple[ContainerSpec, ...] = ()
    restart_policy: str = "Always"

    @property
    def every_container(self) -> tuple[ContainerSpec, ...]:
        """Return the containers of all types."""
        return (*self.init_containers, *self.containers, *self.ephemeral_containers)


def pod_spec(pod: Object) -> PodSpec:
    """Return what decisions need of *pod*."""
    spec = pod["spec"]
    return PodSpec(
        containers=tuple(_container(c, init=False) for c in spec.get("containers") or ()),
        init_containers=tuple(_container(c, init=True) for c in spec.get("initContainers") or ()),
        ephemeral_containers=tuple(
            _container(c, init=False) for c in spec.get("ephemeralContainers") or ()
        ),
        restart_policy=spec.get("restartPolicy") or "Always",
    )


def _container(container: Object, *, init: bool) -> ContainerSpec:
    return ContainerSpec(
        name=container["name"],
        image=container.get("image") or "",
        hash=container_hash(container),
        sidecar=init and is_sidecar(container),
        has_startup_probe=bool(container.get("startupProbe")),
    )


def is_sidecar(container: Object) -> bool:
    """Tell whether an init container is kept running (IsRestartableInitContainer)."""
    return bool(container.get("restartPolicy") == "Always")


def container_hash(container: Object) -> str:
    """Return eight hex digits that change when the container must be made anew."""
    identity = [container["name"], container.get("image") or ""]
    return hashlib.sha256(msgspec.json.encode(identity)).hexdigest()[:8]


def containers_by_name(pod: Object) -> Mapping[str, Object]:
    """Return every container of the spec, init containers first."""
    return {container["name"]: container for container in every_container(pod["spec"])}


def grace_period_s(pod: Object) -> float:
    """Return how long containers may take to end: the deletion's word before the spec's."""
    of_deletion = metadata_of(pod).get("deletionGracePeriodSeconds")
    if of_deletion is not None:
        return float(of_deletion)
    grace_s = pod["spec"].get("terminationGracePeriodSeconds")
    return float(_GRACE_DEFAULT_S if grace_s is None else grace_s)


def probe_grace_s(pod: Object, container: str, probe: str) -> float:
    """Return how long a container may take to end after *probe* ("": none) has failed."""
    spec = containers_by_name(pod).get(container, {}).get(probe) or {}
    own = spec.get("terminationGracePeriodSeconds")
    return grace_period_s(pod) if own is None else float(own)


def is_terminal(pod: Object) -> bool:
    """Tell whether the pod has ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def full_name(pod: Object) -> str:
    """Return `name_namespace(uid)`, as upstream's messages name a pod (format.Pod)."""
    return f"{name_of(pod)}_{namespace_of(pod)}({uid_of(pod)})"
