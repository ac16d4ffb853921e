"""What every pod worker of this node uses: the runtime, the network, the API, the recorder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from componentbase.clock import Clock
from componentbase.timings import Timings
from kubeapi.client import EventRecorder, Informer, RestClient
from kubeapi.objects import Object, namespace_of
from kubeapi.resources import CONFIGMAPS, SECRETS
from kubeapi.status import StatusError
from nodeagent.cni.bridge import Bridge
from nodeagent.kubelet.environment import service_environment
from nodeagent.kubelet.pod_config import ClusterDns
from nodeagent.kubelet.probe_actions import ProbeActions
from nodeagent.kubelet.references import Configuration, Reference, references
from nodeagent.kubelet.runtime import Runtime
from nodeagent.kubelet.status_manager import StatusManager
from nodeagent.netlink import Netlink
from nodeagent.policy.agent import PolicyAgent


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
    policies: PolicyAgent
    actions: ProbeActions
    statuses: StatusManager
    services: Informer
    dns: ClusterDns
    timings: Timings
    clock: Clock
    #: None until the node has its podCIDR.
    bridge: Bridge | None = None

    @property
    def pods_directory(self) -> Path:
        return self.directory / "pods"

    @property
    def veth_socket(self) -> Path:
        return self.directory / "veth.sock"

    def service_variables(self, namespace: str) -> dict[str, str]:
        """Return the variables of the Services that pods of *namespace* see."""
        return service_environment(self.services.items(), namespace)

    async def configuration(self, pod: Object) -> Configuration:
        """Fetch every ConfigMap and Secret that *pod* names."""
        found: dict[Reference, Object] = {}
        namespace = namespace_of(pod)
        for reference in references(pod):
            resource = CONFIGMAPS if reference.kind == "configmap" else SECRETS
            try:
                found[reference] = await self.client.get(resource, reference.name, namespace)
            except StatusError as error:
                if error.reason != "NotFound":
                    raise
        return Configuration(found)
