"""What every pod worker of this node uses: the runtime, the network, the API, the recorder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from componentbase.clock import Clock
from componentbase.timings import Timings
from kubeapi.client import EventRecorder, Informer, RestClient
from kubeapi.objects import Object, namespace_of
from nodeagent.cni.chain import Wanted
from nodeagent.cni.host_network import HostNetwork
from nodeagent.cni.result import Attachment
from nodeagent.kubelet.dns import ClusterDns
from nodeagent.kubelet.environment import service_environment
from nodeagent.kubelet.metrics import KubeletMetrics
from nodeagent.kubelet.object_cache import ObjectCache
from nodeagent.kubelet.probe_actions import ProbeActions
from nodeagent.kubelet.references import Configuration, references
from nodeagent.kubelet.runtime import Runtime
from nodeagent.kubelet.status_manager import StatusManager
from nodeagent.kubelet.volumes.volume_manager import VolumeManager
from nodeagent.netlink import Netlink


class PodNetwork(Protocol):
    """What gives pods their interfaces: CNI, as `nodeagent.cni.network` does."""

    @property
    def error(self) -> str:
        """Return why pods cannot be attached, "" when they can."""

    async def refresh(self) -> bool:
        """Look at the network's configuration; tell whether it changed."""

    async def add(self, wanted: Wanted) -> Attachment:
        """Attach a pod; raises CniError."""

    async def delete(self, container_id: str) -> None:
        """Detach a pod; raises CniError."""


class Policies(Protocol):
    """What NetworkPolicies say of a pod that begins here."""

    async def attach(self, pod: Object, addresses: Sequence[str], timeout_s: float) -> bool:
        """Judge its packets from now on; False when it is not known in time how."""


@dataclass(slots=True, kw_only=True)
class NodeServices:
    """The kubelet's dependencies, made once in `run`."""

    node_name: str
    #: The node's addresses, of the cluster's foremost family first.
    host_ips: tuple[str, ...]
    directory: Path
    client: RestClient
    recorder: EventRecorder
    runtime: Runtime
    netlink: Netlink
    policies: Policies
    actions: ProbeActions
    statuses: StatusManager
    services: Informer
    objects: ObjectCache
    volumes: VolumeManager
    #: What the node can give of each resource.
    allocatable: Mapping[str, str]
    dns: ClusterDns
    timings: Timings
    clock: Clock
    cni: PodNetwork
    host_network: HostNetwork
    metrics: KubeletMetrics = field(default_factory=KubeletMetrics)
    #: Why the node does not take a pod that nothing runs of yet: reason and message.
    refuse: Callable[[Object, Object | None], tuple[str, str] | None] = lambda _pod, _node: None
    #: Whether containers write logs, and need directories for them.
    keeps_logs: bool = True

    @property
    def pods_directory(self) -> Path:
        return self.directory / "pods"

    @property
    def veth_socket(self) -> Path:
        return self.directory / "veth.sock"

    def service_variables(self, namespace: str) -> dict[str, str]:
        """Return the variables of the Services that pods of *namespace* see."""
        return service_environment(self.services.items(), namespace)

    async def configuration(self, pod: Object, arrived_at: float) -> Configuration:
        """Return every ConfigMap and Secret that the pod's variables come from."""
        named = references(pod, variables=True)
        return await self.objects.configuration(namespace_of(pod), named, arrived_at)
