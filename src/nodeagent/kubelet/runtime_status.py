"""What runs on this node, read from CRI's lists (upstream: pkg/kubelet/container, PodStatus).

Pods are found again by labels alone, so a kubelet that has just started knows what its
predecessor ran. Restart counts are the runtime's container attempts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kubeapi.objects import Object

POD_NAME_LABEL: Final = "io.kubernetes.pod.name"
POD_NAMESPACE_LABEL: Final = "io.kubernetes.pod.namespace"
POD_UID_LABEL: Final = "io.kubernetes.pod.uid"
CONTAINER_NAME_LABEL: Final = "io.kubernetes.container.name"
HASH_ANNOTATION: Final = "io.kubernetes.container.hash"
RESTART_COUNT_ANNOTATION: Final = "io.kubernetes.container.restartCount"
MESSAGE_PATH_ANNOTATION: Final = "io.kubernetes.container.terminationMessagePath"
MESSAGE_POLICY_ANNOTATION: Final = "io.kubernetes.container.terminationMessagePolicy"
GRACE_ANNOTATION: Final = "io.kubernetes.pod.terminationGracePeriod"


class ContainerState(StrEnum):
    """CRI's container states."""

    CREATED = "CONTAINER_CREATED"
    RUNNING = "CONTAINER_RUNNING"
    EXITED = "CONTAINER_EXITED"
    UNKNOWN = "CONTAINER_UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStatus:
    """One container, alive or dead. Times are Unix seconds, 0 for *not yet*."""

    id: str
    sandbox_id: str
    name: str
    attempt: int
    state: ContainerState
    created_at: float = 0
    started_at: float = 0
    finished_at: float = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    image: str = ""
    image_ref: str = ""
    hash: str = ""

    @property
    def running(self) -> bool:
        return self.state is ContainerState.RUNNING

    @property
    def exited(self) -> bool:
        return self.state is ContainerState.EXITED


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStatus:
    """One sandbox, ready or dead."""

    id: str
    attempt: int
    ready: bool
    created_at: float = 0
    #: One of a family, IPv4's first.
    addresses: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """Return the address that the node itself uses for the pod, empty when it has none."""
        return self.addresses[0] if self.addresses else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRuntimeStatus:
    """Everything of one pod that the runtime knows, newest first."""

    uid: str
    name: str
    namespace: str
    sandboxes: tuple[SandboxStatus, ...] = ()
    containers: tuple[ContainerStatus, ...] = ()

    def container(self, name: str) -> ContainerStatus | None:
        """Return the newest container called *name*."""
        return next((c for c in self.containers if c.name == name), None)

    def previous(self, name: str) -> ContainerStatus | None:
        """Return the container called *name* before the newest."""
        return next((c for c in [c for c in self.containers if c.name == name][1:]), None)

    @property
    def running(self) -> tuple[ContainerStatus, ...]:
        return tuple(c for c in self.containers if c.running)

    @property
    def sandbox(self) -> SandboxStatus | None:
        """Return the newest sandbox."""
        return self.sandboxes[0] if self.sandboxes else None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the pod's addresses, none while it has no ready sandbox."""
        newest = self.sandbox
        return newest.addresses if newest and newest.ready else ()

    @property
    def address(self) -> str:
        """Return the address that the node itself uses for the pod, empty while it has none."""
        return self.addresses[0] if self.addresses else ""


def pods_of(
    sandboxes: Iterable[Object], containers: Iterable[Object]
) -> dict[str, PodRuntimeStatus]:
    """Group CRI's ListPodSandbox and ListContainers by pod uid."""
    names: dict[str, tuple[str, str]] = {}
    found: dict[str, tuple[list[SandboxStatus], list[ContainerStatus]]] = {}
    owners: dict[str, str] = {}
    for item in sandboxes:
        metadata = item["metadata"]
        uid = metadata["uid"]
        names[uid] = (metadata["name"], metadata["namespace"])
        owners[item["id"]] = uid
        found.setdefault(uid, ([], []))[0].append(_sandbox(item))
    for item in containers:
        owner = (item.get("labels") or {}).get(POD_UID_LABEL) or owners.get(item["pod_sandbox_id"])
        if owner in found:
            found[owner][1].append(container_status(item))
    return {uid: _pod(uid, names[uid], *lists) for uid, lists in found.items()}


def _pod(
    uid: str, named: tuple[str, str], sandboxes: list[SandboxStatus], all_: list[ContainerStatus]
) -> PodRuntimeStatus:
    sandboxes.sort(key=lambda s: (s.attempt, s.created_at), reverse=True)
    all_.sort(key=lambda c: (c.attempt, c.created_at), reverse=True)
    return PodRuntimeStatus(
        uid=uid,
        name=named[0],
        namespace=named[1],
        sandboxes=tuple(sandboxes),
        containers=tuple(all_),
    )


def _sandbox(item: Object) -> SandboxStatus:
    network = item.get("network") or {}
    return SandboxStatus(
        id=item["id"],
        attempt=item["metadata"].get("attempt", 0),
        ready=item["state"] == "SANDBOX_READY",
        created_at=item.get("created_at") or 0,
        addresses=tuple(
            str(network[key]).partition("/")[0]
            for key in ("address", "address6")
            if network.get(key)
        ),
    )


def container_status(item: Object) -> ContainerStatus:
    """Decode one of CRI's container statuses."""
    metadata, labels = item["metadata"], item.get("labels") or {}
    return ContainerStatus(
        id=item["id"],
        sandbox_id=item["pod_sandbox_id"],
        name=labels.get(CONTAINER_NAME_LABEL) or metadata["name"],
        attempt=metadata.get("attempt", 0),
        state=ContainerState(item["state"]),
        created_at=item.get("created_at") or 0,
        started_at=item.get("started_at") or 0,
        finished_at=item.get("finished_at") or 0,
        exit_code=item.get("exit_code") or 0,
        reason=item.get("reason") or "",
        message=item.get("message") or "",
        image=_image_name(item.get("image")),
        image_ref=item.get("image_ref") or "",
        hash=(item.get("annotations") or {}).get(HASH_ANNOTATION, ""),
    )


def _image_name(image: object) -> str:
    """Return the image's name; cri-api wraps it into an ImageSpec, our runtime need not."""
    if isinstance(image, dict):
        return str(image.get("image") or "")
    return str(image or "")


def garbage(seen: PodRuntimeStatus) -> tuple[list[str], list[str]]:
    """Return (containers, sandboxes) that nobody needs: all but the newest two of each name.

    The one before the newest is kept for lastState and `kubectl logs --previous` (upstream:
    MaxPerPodContainer 1). A sandbox goes when it is not the newest and holds none of those.
    """
    kept: dict[str, int] = {}
    containers: list[str] = []
    used: dict[str, None] = {}
    for container in seen.containers:
        kept[container.name] = kept.get(container.name, 0) + 1
        if kept[container.name] > 2 and not container.running:
            containers.append(container.id)
        else:
            used[container.sandbox_id] = None
    sandboxes = [s.id for s in seen.sandboxes[1:] if not s.ready and s.id not in used]
    return containers, sandboxes
