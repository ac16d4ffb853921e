"""The nodeagent process: kubelet, network agent, policies and kube-proxy in one event loop.

Each loop is level-triggered and each connection comes back by itself; the process holds no state
that a successor could not read again from the API, the datapath, the runtime or the IPAM files.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import random
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from componentbase import serving_certificate
from componentbase.client_certificates import server_context
from componentbase.clock import monotonic, wall
from componentbase.journal import Journal
from componentbase.tasks import Tasks
from componentbase.timings import KUBERNETES, TIMINGS
from kubeapi.client import EventRecorder, InformerFactory, RestClient, Unreachable
from kubeapi.objects import Object, name_of, uid_of
from kubeapi.quantity import parse_quantity
from kubeapi.resources import ENDPOINTSLICES, NODES, PODS, SERVICES
from kubeapi.status import StatusError
from nodeagent.availability import Availability
from nodeagent.cni import conflist
from nodeagent.cni.chain import Wanted
from nodeagent.cni.errors import NOT_INITIALIZED
from nodeagent.cni.host_network import HostNetwork
from nodeagent.cni.network import CniNetwork
from nodeagent.cni.portmap import Portmap
from nodeagent.config import NodeAgentConfig, transport_address
from nodeagent.hostnet import HostNet
from nodeagent.kubelet import configuration
from nodeagent.kubelet.authorization import Authorization
from nodeagent.kubelet.certificate_rotation import CertificateRotation
from nodeagent.kubelet.dns import ClusterDns
from nodeagent.kubelet.housekeeping import Housekeeping
from nodeagent.kubelet.kubelet import Kubelet
from nodeagent.kubelet.metrics import KubeletMetrics
from nodeagent.kubelet.node import NodeKeeper
from nodeagent.kubelet.node_shutdown import NOT_ADMITTED
from nodeagent.kubelet.node_status import (
    NodeFacts,
    Readiness,
    allocatable,
    capacity,
    machine_id,
)
from nodeagent.kubelet.object_cache import ObjectCache
from nodeagent.kubelet.predicates import refuse
from nodeagent.kubelet.probe_actions import ProbeActions
from nodeagent.kubelet.recording import node_teller
from nodeagent.kubelet.runtime import Runtime
from nodeagent.kubelet.server import KubeletServer, serve
from nodeagent.kubelet.services import NodeServices
from nodeagent.kubelet.shutdown import shut_down
from nodeagent.kubelet.static_pod_manager import StaticPodManager
from nodeagent.kubelet.stats.pod_scraper import PodScraper
from nodeagent.kubelet.stats.provider import StatsProvider
from nodeagent.kubelet.stats.summary import NodeShape
from nodeagent.kubelet.status_manager import StatusManager
from nodeagent.kubelet.streaming import Streaming
from nodeagent.kubelet.volumes.claims import ClaimedVolumes
from nodeagent.kubelet.volumes.layout import Layout
from nodeagent.kubelet.volumes.token_manager import TokenManager
from nodeagent.kubelet.volumes.volume_manager import VolumeManager
from nodeagent.netlink import Netlink
from nodeagent.network.agent import NetworkAgent
from nodeagent.network.egress_agent import EgressAgent
from nodeagent.network.ip_masq_agent import IpMasqAgent
from nodeagent.network.provider import Network, NodeIdentity
from nodeagent.network.providers import PROVIDERS
from nodeagent.peer import Peer
from nodeagent.policy.agent import PolicyAgent
from nodeagent.proxy.health_check_server import HealthCheckServer
from nodeagent.proxy.kube_proxy import KubeProxy
from nodeagent.proxy.mode import proxy_mode
from nodeagent.tables import Tables

log = logging.getLogger(__name__)

#: How often CNI's configuration is looked at (upstream's runtimes follow the directory), and at
#: every which look a network that is well is asked for its STATUS (updateRuntimeUp: 5 s).
_NETWORK_LOOK_S: Final = 2.0
_STATUS_EVERY: Final = 3
_SETTLE_LOOK_S: Final = 5.0


class NodeAgent:
    """Everything of one node besides its datapath and its runtime, wired together."""

    def __init__(self, config: NodeAgentConfig) -> None:
        self._config = config
        self._timings = TIMINGS[config.timings]
        self._directory = Path(config.directory)
        self._tasks = Tasks()
        self._journal = Journal(config.journal, f"{config.node_name}/nodeagent")
        self._client = RestClient.from_kubeconfig(
            Path(config.kubeconfig),
            user_agent=f"kubelet/{config.node_name}",
            source=config.dial_source,
        )
        self._informers = InformerFactory(self._client)
        on_this_node = f"spec.nodeName={config.node_name}"
        self._pods = self._informers.informer(PODS, field_selector=on_this_node)
        self._nodes = self._informers.informer(NODES)
        settings: Object = {
            "cluster_cidr": config.cluster_cidr,
            "masquerade_cidr": config.cluster_cidr,
            "non_masquerade_cidrs": config.non_masquerade_cidrs,
        }
        self._netlink = Netlink(self._peer("datapath", "netlink.sock"), settings, tables=Tables())
        self._metrics = KubeletMetrics()
        self._runtime = Runtime(self._peer("podruntime", "cri.sock"), self._metrics)
        self._options = configuration.parse(config.kubelet_config)
        self._node = NodeKeeper(self._client, self._facts(), self._nodes, self._timings, monotonic)
        self._provider = PROVIDERS[config.network](self._identity())
        self._cni = CniNetwork(
            self._directory, self._netlink.tables, mtu=self._provider.mtu, path=config.cni_path
        )
        self._host_network = HostNetwork(
            config.internal_ip, self._provider.mtu, self._netlink.tables
        )
        self._host_network.follow(self._pods)
        self._policies = PolicyAgent(
            config.node_name,
            self._informers,
            self._netlink.tables,
            settled=self._netlink.settled,
            timings=self._timings,
        )
        self._egress_events, self._egress = self._make_egress()
        self._ip_masq = self._make_ip_masq()
        self._services = self._make_services()
        self._kubelet = Kubelet(self._services, self._pods)
        self._static_pods = self._make_static_pods()
        memory = parse_quantity(str(config.memory))
        self._shape = NodeShape(name=config.node_name, memory=int(memory))
        self._node.on_event = node_teller(self._services.recorder, config.node_name)
        self._housekeeping = Housekeeping(
            self._services, self._kubelet, self._node, self._options, capacity(self._facts())
        )
        self._agent = self._make_network_agent()
        self._proxy = self._make_proxy()
        self._portmap = Portmap(self._netlink.tables)
        listens: Object = {"protocol": "TCP", "port": config.kubelet_port, "service": "kubelet"}
        self._netlink.tables.replace("host_listener", listens)
        self._portmap.follow(self._pods)
        patience_s = self._timings.node_lease_duration_s
        self._datapath = Availability(patience_s=patience_s)
        self._cri = Availability(patience_s=patience_s)
        self._network_made = False
        self._shutdown: asyncio.Task[None] | None = None
        self._services.refuse = self._refuse
        self._readiness_known = asyncio.Event()
        self._netlink.on_state = lambda _connected: self._look_at_readiness()
        self._runtime.on_state = self._runtime_state_changed

    def _peer(self, name: str, socket: str) -> Peer:
        return Peer(self._directory / socket, name=name)

    def _refuse(self, pod: Object, node: Object | None) -> tuple[str, str] | None:
        """Return why the node does not take *pod* now; *node* is its Node, if just asked for."""
        if self._shutdown is not None:
            return NOT_ADMITTED
        refusal = self._housekeeping.eviction.refusal(pod)
        if refusal is not None:
            return refusal
        others = [each for each in self._kubelet.admitted_pods() if uid_of(each) != uid_of(pod)]
        node = node or self._nodes.get(self._config.node_name)
        if node is None:
            return None
        return refuse(pod, others, node, self._services.allocatable)

    def shut_down(self, end: Callable[[], object]) -> None:
        """SIGTERM: end the pods as the configuration grants it, then *end* this process."""
        if self._shutdown is not None or not self._options.shutdown:
            end()
            return
        self._shutdown = self._tasks.spawn(self._shut_down(), name="shutdown")
        self._shutdown.add_done_callback(lambda _task: end())

    async def _shut_down(self) -> None:
        self._look_at_readiness()
        await shut_down(self._kubelet, self._services.statuses, self._options.shutdown)

    def _facts(self) -> NodeFacts:
        config = self._config
        return NodeFacts(
            name=config.node_name,
            internal_ips=config.node_addresses(),
            kubelet_port=config.kubelet_port,
            cpu=str(config.cpu),
            memory=str(config.memory),
            pods_max=config.pods_max,
            disk=str(config.disk),
            options=self._options,
        )

    def _identity(self) -> NodeIdentity:
        config = self._config
        return NodeIdentity(
            name=config.node_name,
            internal_ip=config.internal_ip,
            eth0=config.underlay_addresses(),
            mtu=config.mtu,
        )

    def _make_services(self) -> NodeServices:
        config, client, runtime = self._config, self._client, self._runtime
        hostnet = HostNet(self._directory / "hostnet.sock")
        # Files follow what changes at each resync: what is half a period old is asked for again.
        refresh_s = self._timings.pod_resync_s / 2
        objects = ObjectCache(client, monotonic, refresh_s)
        resources = allocatable(self._facts())
        layout = Layout(self._directory)
        layout.furnish({"hostname": config.node_name, "machine-id": machine_id()})
        self._claimed = ClaimedVolumes(client, layout)
        return NodeServices(
            node_name=config.node_name,
            host_ips=config.node_addresses(),
            directory=self._directory,
            client=client,
            recorder=EventRecorder(client, component="kubelet", host=config.node_name),
            runtime=runtime,
            netlink=self._netlink,
            policies=self._policies,
            actions=ProbeActions(runtime, hostnet),
            statuses=StatusManager(client, config.node_name, self._journal),
            services=self._informers.informer(SERVICES),
            objects=objects,
            volumes=VolumeManager(
                layout,
                objects,
                TokenManager(client, wall),
                resources,
                refresh_s,
                claimed=self._claimed,
            ),
            allocatable=resources,
            dns=ClusterDns(
                server=config.cluster_dns,
                domain=config.cluster_domain,
                node_server=config.node_dns,
            ),
            timings=self._timings,
            clock=monotonic,
            cni=self._cni,
            host_network=self._host_network,
            metrics=self._metrics,
        )

    def _make_egress(self) -> tuple[EventRecorder, EgressAgent]:
        config = self._config
        events = EventRecorder(self._client, component="egress-gateway", host=config.node_name)
        agent = EgressAgent(
            config.node_name,
            config.underlay_addresses(),
            self._informers,
            self._netlink.tables,
            sync_min_s=self._timings.proxy_sync_min_s,
            recorder=events,
        )
        return events, agent

    def _make_ip_masq(self) -> IpMasqAgent:
        config = self._config
        return IpMasqAgent(
            self._informers,
            lambda cidrs: self._netlink.change_settings(non_masquerade_cidrs=list(cidrs)),
            always=config.non_masquerade_cidrs,
            pace=KUBERNETES.node_monitor_grace_s / self._timings.node_monitor_grace_s,
        )

    def _make_static_pods(self) -> StaticPodManager:
        manifests = self._directory / "kubelet" / "manifests"
        return StaticPodManager(
            self._kubelet, self._client, manifests, pods=self._pods, nodes=self._nodes
        )

    def _make_network_agent(self) -> NetworkAgent:
        agent = NetworkAgent(self._config.node_name, self._provider, self._netlink.tables)
        agent.on_pod_cidrs = self._pod_cidrs_known
        self._nodes.add_handler(
            on_add=self._node_changed,
            on_update=lambda _old, new: self._node_changed(new),
            on_delete=agent.node_deleted,
        )
        return agent

    def _make_proxy(self) -> KubeProxy:
        config = self._config
        address = transport_address(config.internal_ip, config.transport_map)
        return KubeProxy(
            config.node_name,
            self._netlink.tables,
            services=self._informers.informer(SERVICES),
            slices=self._informers.informer(ENDPOINTSLICES),
            nodes=self._nodes,
            timings=self._timings,
            settled=self._netlink.settled,
            journal=self._journal,
            mode=proxy_mode(config.proxy_mode, config.ipvs_scheduler, config.node_port_addresses),
            health_checks=HealthCheckServer(address),
        )

    def _node_changed(self, node: Object) -> None:
        self._agent.node_changed(node)
        if name_of(node) != self._config.node_name:
            return
        missing = self._agent.missing_annotations(node)
        if missing:
            self._tasks.spawn(self._annotate(missing), name="annotate node")

    async def _annotate(self, annotations: dict[str, str]) -> None:
        try:
            await self._node.annotate(annotations)
        except (StatusError, Unreachable) as error:
            # The next look at our Node, at the latest after a status update, tries again.
            log.warning("cannot annotate the node: %s", error)

    def _pod_cidrs_known(self, cidrs: tuple[Network, ...]) -> None:
        config = self._config
        ours = self._provider.cni_config(cidrs)
        conflist.install(self._directory, config.network, ours, config.cni_conf, cidrs)
        self._tasks.spawn(self._take_over_network(), name="CNI GC")
        self._tasks.spawn(self._wait_for_tables(), name="first tables")
        self._kubelet.wake_all()

    async def _wait_for_tables(self) -> None:
        """The network is there when the datapath has what the provider wants of it."""
        while not await self._netlink.settled(_SETTLE_LOOK_S):
            log.info("waiting for the datapath to take the node's tables")
        await self._cni.look()
        self._network_made = True
        self._look_at_readiness()

    async def _take_over_network(self) -> None:
        """Once it is known who runs here, take back what belongs to nobody."""
        await self._pods.wait_synced()
        await self._runtime.listed.wait()
        pods = self._runtime.pods.values()
        await self._cni.take_over(
            (
                Wanted(container_id=pod.uid, namespace=pod.namespace, name=pod.name),
                list(map(ip_address, pod.addresses)),
            )
            for pod in pods
            if pod.addresses
        )
        while not await self._cni.collect(self._kubelet.live_uids()):
            await asyncio.sleep(self._timings.pod_resync_s)

    async def _watch_network(self) -> None:
        """Follow what CNI says of the network, for ever."""
        for beat in itertools.count():
            before = self._cni.error
            if await self._cni.refresh() or before or beat % _STATUS_EVERY == 0:
                await self._cni.look()
            if self._cni.error != before:
                self._look_at_readiness()
                self._kubelet.wake_all()
            await asyncio.sleep(_NETWORK_LOOK_S)

    def _look_at_readiness(self) -> None:
        """Post what the node can do; called at every change, and when patience ends."""
        now = monotonic()
        self._datapath.changed(self._netlink.connected, now)
        self._cri.changed(self._runtime.connected, now)
        made = self._network_made and self._datapath.available(now)
        error = self._cni.error or ("" if made else NOT_INITIALIZED)
        self._node.set_readiness(
            Readiness(
                runtime=self._cri.available(now),
                network_error=error,
                shutting_down=self._shutdown is not None,
            )
        )
        self._readiness_known.set()

    def _runtime_state_changed(self, _connected: bool) -> None:
        self._look_at_readiness()
        self._kubelet.wake_all()

    async def _watch_readiness(self) -> None:
        """Look when patience with what was lost ends; a node at rest is not woken for it."""
        while True:
            self._readiness_known.clear()
            now = monotonic()
            ends = [each for each in self._availabilities() if each > now]
            wait_s = min(ends, default=math.inf) - now
            try:
                async with asyncio.timeout(None if math.isinf(wait_s) else wait_s):
                    await self._readiness_known.wait()
            except TimeoutError:
                self._look_at_readiness()

    def _availabilities(self) -> tuple[float, float]:
        return self._datapath.deadline(), self._cri.deadline()

    async def _register(self) -> None:
        """Follow the cluster, and introduce the node to it."""
        self._informers.start(self._tasks)
        await self._node.register()
        await self._nodes.wait_synced()
        self._agent.all_known()
        await self._pods.wait_synced()
        self._portmap.all_known()
        await asyncio.Event().wait()

    async def run(self) -> None:
        """Run until cancelled, or until a loop that must not end does."""
        config = self._config
        hostnet = HostNet(self._directory / "hostnet.sock")
        stats = StatsProvider(self._runtime, self._netlink, wall)
        kubelet = KubeletServer(
            self._kubelet,
            Streaming(self._kubelet, hostnet),
            Authorization(self._client.create, config.node_name, monotonic),
            shape=self._shape,
            stats=stats,
            scraper=PodScraper(self._kubelet.pods, stats, hostnet, wall),
        )
        address = transport_address(config.internal_ip, config.transport_map)
        tls = server_context(config.server_certificate, config.server_private_key, config.client_ca)
        resync_s = self._timings.pod_resync_s
        loops = {
            "register": self._register(),
            "netlink connection": self._netlink.run_connection(),
            "netlink tables": self._netlink.run_tables(),
            "cri connection": self._runtime.run_connection(),
            "runtime lists": self._runtime.run_lists(resync_s),
            "statuses": self._services.statuses.run(),
            "kubelet": self._kubelet.run(resync_s),
            "volumes of claims": self._claimed.run(resync_s),
            "kubelet server": serve(kubelet, address, config.kubelet_port, tls),
            "serving certificate": serving_certificate.follow(
                tls, config.server_certificate, config.server_private_key
            ),
            "certificate rotation": CertificateRotation(
                config.node_name,
                Path(config.kubeconfig),
                self._client,
                random.Random(),  # When to ask differs from start to start.
                wall=wall,
            ).run(),
            "node status": self._node.run_status(),
            "node lease": self._node.run_lease(random.Random(config.node_name)),
            "readiness": self._watch_readiness(),
            "housekeeping": self._housekeeping.run(),
            "static pods": self._static_pods.run(
                config.node_name, self._timings.static_pod_check_s
            ),
            "CNI status": self._watch_network(),
            "kube-proxy": self._proxy.run(),
            "network policies": self._policies.run(),
            "egress gateways": self._egress.run(),
            "ip-masq-agent": self._ip_masq.run(),
        }
        self._static_pods.look(config.node_name)
        self._node.on_event("Normal", "Starting", "Starting kubelet.")
        text = "Updated Node Allocatable limit across pods"
        self._node.on_event("Normal", "NodeAllocatableEnforced", text)
        try:
            for name, loop in loops.items():
                self._tasks.spawn(loop, name=name, essential=True)
            await self._tasks.wait()
        finally:
            await self._tasks.close()
            await self._services.objects.close()
            await self._egress_events.close()
            await self._client.close()
            self._journal.close()
