"""One hollow node: a live node's kubelet and kube-proxy over what this package has instead.

Everything that nodes of one process can share is in `Shared`. A node that ends takes nothing
with it: another of its name begins empty, as a machine does after a power cut.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from componentbase.clock import monotonic, wall
from componentbase.journal import Journal
from componentbase.tasks import Tasks
from componentbase.timings import TIMINGS, Timings
from kubeapi.client import EventRecorder, Informer, Parts, RestClient, View
from kubeapi.objects import Object, name_of
from nodeagent.cni.host_network import HostNetwork
from nodeagent.hollow.config import HollowConfig, hollow_name
from nodeagent.hollow.cri import HollowRuntime
from nodeagent.hollow.netlink import HollowTables
from nodeagent.hollow.peer import LocalPeer
from nodeagent.hollow.pod_network import HollowPodNetwork
from nodeagent.hollow.probes import HollowProbeActions
from nodeagent.hollow.volumes import HollowVolumes
from nodeagent.kubelet.dns import ClusterDns
from nodeagent.kubelet.kubelet import Kubelet
from nodeagent.kubelet.node import NodeKeeper
from nodeagent.kubelet.node_status import NodeFacts, Readiness, allocatable
from nodeagent.kubelet.object_cache import ObjectCache
from nodeagent.kubelet.runtime import Runtime
from nodeagent.kubelet.services import NodeServices
from nodeagent.kubelet.status_manager import StatusManager
from nodeagent.kubelet.volumes.claims import ClaimedVolumes
from nodeagent.kubelet.volumes.layout import Layout
from nodeagent.kubelet.volumes.token_manager import TokenManager
from nodeagent.netlink import Netlink
from nodeagent.proxy.kube_proxy import KubeProxy
from nodeagent.proxy.mode import proxy_mode
from nodeagent.tables import Tables

#: What the tunnel of a live node takes from its pods' MTU.
_TUNNEL_OCTETS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all nodes of the process use together."""

    config: HollowConfig
    #: Heartbeats go past the queue of everything else, and events behind it.
    heartbeats: RestClient
    calls: RestClient
    events: RestClient
    services: Informer
    slices: Informer
    pods: Parts
    nodes: Parts
    objects: ObjectCache
    #: Who waits for a turn to tell a pod's status tells the newest when it comes.
    status_turns: asyncio.Semaphore
    journal: Journal

    @property
    def timings(self) -> Timings:
        return TIMINGS[self.config.timings]


class NoPolicies:
    """NetworkPolicies where there are no packets."""

    async def attach(self, pod: Object, addresses: Sequence[str], timeout_s: float) -> bool:
        return True


class HollowNode:
    """A node of rows."""

    def __init__(self, shared: Shared, number: int) -> None:
        self._shared, self.name = shared, hollow_name(number)
        self._tasks = Tasks()
        config, timings = shared.config, shared.timings
        self._facts = NodeFacts(
            name=self.name,
            internal_ips=config.node_addresses(number),
            kubelet_port=10250,
            cpu=str(config.cpu),
            memory=str(config.memory),
            pods_max=config.pods_max,
            kind="hollow",
        )
        self._nodes = View(shared.nodes.part(self.name))
        self._pods = View(shared.pods.part(self.name))
        self._services, self._slices = View(shared.services), View(shared.slices)
        self._netlink = Netlink(
            LocalPeer(HollowTables().answer, name="datapath"), {}, tables=Tables()
        )
        self._runtime = Runtime(LocalPeer(HollowRuntime(wall).answer, name="podruntime"))
        self._node = NodeKeeper(shared.heartbeats, self._facts, self._nodes, timings, monotonic)
        mtu = config.mtu - _TUNNEL_OCTETS
        self._network = HollowPodNetwork(self._netlink.tables, mtu=mtu)
        self._recorder = EventRecorder(shared.events, component="kubelet", host=self.name)
        self._kubelet_services = self._make_services(mtu)
        self._kubelet = Kubelet(self._kubelet_services, self._pods)
        self._proxy = KubeProxy(
            self.name,
            self._netlink.tables,
            services=self._services,
            slices=self._slices,
            nodes=self._nodes,
            timings=timings,
            settled=self._netlink.settled,
            journal=shared.journal,
            mode=proxy_mode(config.proxy_mode, config.ipvs_scheduler, config.node_port_addresses),
        )
        self._nodes.add_handler(
            on_add=self._node_changed, on_update=lambda _old, new: self._node_changed(new)
        )

    def _make_services(self, mtu: int) -> NodeServices:
        shared, config = self._shared, self._shared.config
        refresh_s = shared.timings.pod_resync_s / 2
        directory = Path(config.directory) / self.name
        resources = allocatable(self._facts)
        host_network = HostNetwork(self._facts.internal_ips[0], mtu, self._netlink.tables)
        host_network.follow(self._pods)
        return NodeServices(
            node_name=self.name,
            host_ips=self._facts.internal_ips,
            directory=directory,
            client=shared.calls,
            recorder=self._recorder,
            runtime=self._runtime,
            netlink=self._netlink,
            policies=NoPolicies(),
            actions=HollowProbeActions(self._runtime),
            statuses=StatusManager(
                shared.calls, self.name, shared.journal, turns=shared.status_turns
            ),
            services=shared.services,
            objects=shared.objects,
            volumes=HollowVolumes(
                Layout(directory),
                shared.objects,
                TokenManager(shared.calls, wall),
                resources,
                refresh_s,
                claimed=ClaimedVolumes(shared.calls, Layout(directory)),
            ),
            allocatable=resources,
            dns=ClusterDns(server=config.cluster_dns, domain=config.cluster_domain),
            timings=shared.timings,
            clock=monotonic,
            cni=self._network,
            host_network=host_network,
            keeps_logs=False,
        )

    @property
    def pods(self) -> int:
        """How many pods the kubelet sees to."""
        return len(self._kubelet.pods())

    def _node_changed(self, node: Object) -> None:
        spec = node.get("spec") or {}
        cidrs = [ip_network(text) for text in spec.get("podCIDRs") or ()]
        if cidrs and self._network.error and name_of(node) == self.name:
            self._network.set_ranges(cidrs)
            self._node.set_readiness(Readiness(runtime=True, network_error=""))
            self._kubelet.wake_all()

    async def run(self) -> None:
        """Be a node until cancelled."""
        resync_s = self._shared.timings.pod_resync_s
        loops = {
            "register": self._node.register(),
            "netlink connection": self._netlink.run_connection(),
            "netlink tables": self._netlink.run_tables(),
            "cri connection": self._runtime.run_connection(),
            "runtime lists": self._runtime.run_lists(resync_s),
            "statuses": self._kubelet_services.statuses.run(),
            "kubelet": self._kubelet.run(resync_s),
            "node status": self._node.run_status(),
            "node lease": self._node.run_lease(random.Random(self.name)),
            "kube-proxy": self._proxy.run(),
        }
        try:
            for name, loop in loops.items():
                self._tasks.spawn(loop, name=f"{self.name} {name}", essential=name != "register")
            await self._tasks.wait()
        finally:
            for view in (self._nodes, self._pods, self._services, self._slices):
                view.close()
            await self._tasks.close()
            await self._kubelet.close()
            await self._recorder.close()
