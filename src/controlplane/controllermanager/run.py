"""The controller manager: lead, then run every controller (upstream: kube-controller-manager).

Of several controller managers one leads, by the Lease kube-system/kube-controller-manager; the
others wait. Who loses the lead ends, and is started anew: nothing half-stopped goes on writing.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from componentbase import clock
from componentbase.journal import Journal
from componentbase.series import Gauge, Labels
from componentbase.tasks import Tasks, failure_of
from componentbase.timings import TIMINGS
from controlplane.controllermanager.bootstrapsigner.controller import BootstrapSigner
from controlplane.controllermanager.clusterroleaggregation.controller import (
    ClusterRoleAggregation,
)
from controlplane.controllermanager.config import Config
from controlplane.controllermanager.context import Context, Controller
from controlplane.controllermanager.cronjob.controller import CronJobController
from controlplane.controllermanager.csrapproving.controller import CsrApproving
from controlplane.controllermanager.csrcleaner.controller import CsrCleaner
from controlplane.controllermanager.csrsigning.authority import Authority
from controlplane.controllermanager.csrsigning.controller import CsrSigning
from controlplane.controllermanager.daemon.controller import DaemonSetsController
from controlplane.controllermanager.deployment.controller import DeploymentController
from controlplane.controllermanager.disruption.controller import DisruptionController
from controlplane.controllermanager.endpoint.controller import EndpointsController
from controlplane.controllermanager.endpointslice.controller import EndpointSliceController
from controlplane.controllermanager.endpointslicemirroring.controller import (
    EndpointSliceMirroringController,
)
from controlplane.controllermanager.ephemeral.controller import EphemeralVolumeController
from controlplane.controllermanager.garbagecollector.controller import GarbageCollector
from controlplane.controllermanager.job.controller import JobController
from controlplane.controllermanager.localpath.controller import LocalPathProvisioner
from controlplane.controllermanager.namespace.controller import NamespaceController
from controlplane.controllermanager.nodeipam.controller import NodeIpamController
from controlplane.controllermanager.nodelifecycle.controller import NodeLifecycleController
from controlplane.controllermanager.persistentvolume.controller import PersistentVolumeController
from controlplane.controllermanager.podautoscaler.controller import HorizontalController
from controlplane.controllermanager.podgc.controller import PodGcController
from controlplane.controllermanager.pvcprotection.controller import PvcProtectionController
from controlplane.controllermanager.pvprotection.controller import PvProtectionController
from controlplane.controllermanager.replicaset.controller import ReplicaSetController
from controlplane.controllermanager.replication.controller import ReplicationManager
from controlplane.controllermanager.resourcequota.controller import ResourceQuotaController
from controlplane.controllermanager.rootcapublisher.controller import RootCaPublisher
from controlplane.controllermanager.serviceaccount.controller import ServiceAccountController
from controlplane.controllermanager.serviceaccounttoken.controller import TokensController
from controlplane.controllermanager.servicelb.controller import ServiceLbController
from controlplane.controllermanager.servicelb.node_controller import NodeBalancerController
from controlplane.controllermanager.servicelb.pool import Pool
from controlplane.controllermanager.statefulset.controller import StatefulSetController
from controlplane.controllermanager.tainteviction.controller import TaintEvictionController
from controlplane.controllermanager.tokencleaner.controller import TokenCleaner
from controlplane.controllermanager.ttl.controller import TtlController
from controlplane.controllermanager.ttlafterfinished.controller import TtlAfterFinishedController
from controlplane.controllermanager.validatingadmissionpolicystatus.controller import (
    ValidatingAdmissionPolicyStatus,
)
from controlplane.health import Check
from controlplane.secure_serving import ComponentPages, serving
from kubeapi.client import (
    InformerFactory,
    LeaderElector,
    LeadershipLost,
    LeaseDurations,
    RestClient,
)

log = logging.getLogger(__name__)

ControllerFactory = Callable[[Context], Controller]


def _service_lb(context: Context) -> Controller:
    made = NodeBalancerController if context.balances_at_nodes else ServiceLbController
    return made(context)


#: Every controller, by its upstream name.
CONTROLLERS: Final[Mapping[str, ControllerFactory]] = {
    "deployment-controller": DeploymentController,
    "replicaset-controller": ReplicaSetController,
    "replicationcontroller-controller": ReplicationManager,
    "daemonset-controller": DaemonSetsController,
    "statefulset-controller": StatefulSetController,
    "job-controller": JobController,
    "horizontal-pod-autoscaler-controller": HorizontalController,
    "ephemeral-volume-controller": EphemeralVolumeController,
    "persistentvolume-binder-controller": PersistentVolumeController,
    "local-path-provisioner": LocalPathProvisioner,
    "persistentvolumeclaim-protection-controller": PvcProtectionController,
    "persistentvolume-protection-controller": PvProtectionController,
    "cronjob-controller": CronJobController,
    "ttl-after-finished-controller": TtlAfterFinishedController,
    "endpoints-controller": EndpointsController,
    "endpointslice-controller": EndpointSliceController,
    "endpointslice-mirroring-controller": EndpointSliceMirroringController,
    "node-ipam-controller": NodeIpamController,
    "node-lifecycle-controller": NodeLifecycleController,
    "taint-eviction-controller": TaintEvictionController,
    "pod-garbage-collector-controller": PodGcController,
    "disruption-controller": DisruptionController,
    "garbage-collector-controller": GarbageCollector,
    "namespace-controller": NamespaceController,
    "serviceaccount-controller": ServiceAccountController,
    "serviceaccount-token-controller": TokensController,
    "root-ca-certificate-publisher-controller": RootCaPublisher,
    "service-lb-controller": _service_lb,
    "clusterrole-aggregation-controller": ClusterRoleAggregation,
    "token-cleaner-controller": TokenCleaner,
    "bootstrap-signer-controller": BootstrapSigner,
    "ttl-controller": TtlController,
    "certificatesigningrequest-approving-controller": CsrApproving,
    "certificatesigningrequest-signing-controller": CsrSigning,
    "certificatesigningrequest-cleaner-controller": CsrCleaner,
    "resourcequota-controller": ResourceQuotaController,
    "validatingadmissionpolicy-status-controller": ValidatingAdmissionPolicyStatus,
}


_SELF: Final = "kube-controller-manager"
_managed: dict[Labels, float] = {}
#: How long a controller rests that failed as a whole: keys that fail have their own back-off.
_RESTART_INITIAL_S: Final = 1.0
_RESTART_MAX_S: Final = 60.0
_RUNNING: Final = (
    Gauge(
        "running_managed_controllers",
        "1 for each controller that runs, 0 for one that failed and rests.",
        ("name", "manager"),
        lambda: _managed,
    ),
)


async def run_manager(config: Config) -> None:
    """Wait for the lead and run every controller; ends when the lead is lost."""
    client = RestClient.from_kubeconfig(
        Path(config.kubeconfig), user_agent=f"kube-controller-manager/{config.name}"
    )
    timings = TIMINGS[config.timings]
    elector = LeaderElector(
        client,
        namespace="kube-system",
        name=_SELF,
        process=config.name,
        durations=LeaseDurations.from_timings(timings),
        rng=random.Random(),  # Jitter between candidates; nothing follows from it.
    )
    context = Context(
        client=client,
        informers=InformerFactory(client),
        timings=timings,
        monotonic=clock.monotonic,
        wall=clock.wall,
        tasks=Tasks(),
        pod_networks=config.pod_networks(),
        root_ca=Path(config.root_ca).read_text() if config.root_ca else "",
        service_account_key=config.service_account_key,
        authority=Authority(config.cluster_signing_cert, config.cluster_signing_key),
        balancer_pool=Pool.of(config.external_map),
        balances_at_nodes=config.node_balancers,
        journal=Journal(config.journal, config.name),
    )
    election = Check("leaderElection", lambda: elector.problem(clock.monotonic()))
    try:
        async with serving(config.serving, ComponentPages(client, (election,), lambda: _RUNNING)):
            await elector.run(lambda: _lead(config.name, context))
    except LeadershipLost as error:
        log.error("%s", error)
        raise SystemExit(1) from None
    finally:
        await context.close()
        await client.close()


async def _lead(name: str, context: Context) -> None:
    context.journal.note("leading", name)
    await run_controllers(context)


async def run_controllers(context: Context) -> None:
    """Run every controller, each for itself: one that fails does not stop the others."""
    controllers = {name: factory(context) for name, factory in CONTROLLERS.items()}
    # Only now: handlers must be in place before the first list arrives.
    context.informers.start(context.tasks)
    for name, controller in controllers.items():
        context.tasks.spawn(_keep_running(name, controller), name=name, essential=True)
    await context.tasks.wait()


async def _keep_running(name: str, controller: Controller) -> None:
    """Run *controller* until cancelled; when it ends, again after a while."""
    wait_s = _RESTART_INITIAL_S
    while True:
        _managed[name, _SELF] = 1.0
        error = await failure_of(controller.run)
        _managed[name, _SELF] = 0.0
        log.error("%s ended; it runs again in %.0f s", name, wait_s, exc_info=error)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, _RESTART_MAX_S)
