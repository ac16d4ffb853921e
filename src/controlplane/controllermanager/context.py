"""What every controller is given: the API, shared informers, clocks and settings.

A controller is made before the informers start, so that its handlers see the first list, and
then run until its process loses the lead. It keeps nothing that it could not compute again from
the API: SIGKILL at any moment costs time only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from componentbase.clock import Clock, rfc3339
from componentbase.journal import Journal
from componentbase.tasks import Tasks
from componentbase.timings import KUBERNETES, Timings
from controlplane.controllermanager.csrsigning.authority import Authority
from controlplane.controllermanager.custom_kinds import head_of
from controlplane.controllermanager.endpointslice.well_known import (
    CONTROLLER_NAME,
    MANAGED_BY,
    MIRRORING_CONTROLLER_NAME,
    SERVICE_NAME,
)
from controlplane.controllermanager.nodeipam.cidr_set import Network
from controlplane.controllermanager.servicelb.pool import Pool
from kubeapi.client import EventRecorder, Informer, InformerFactory, RestClient
from kubeapi.objects import Object, controller_of, labels_of, namespace_of
from kubeapi.resources import (
    CONTROLLERREVISIONS,
    CUSTOMRESOURCEDEFINITIONS,
    DAEMONSETS,
    DEPLOYMENTS,
    ENDPOINTSLICES,
    JOBS,
    PERSISTENTVOLUMECLAIMS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    SERVICES,
    STATEFULSETS,
    Resource,
)


class Controller(Protocol):
    """A control loop."""

    async def run(self) -> None:
        """Work until cancelled."""


def _by_namespace(obj: Object) -> Iterable[str]:
    return (namespace_of(obj),)


def _by_node(pod: Object) -> Iterable[str]:
    return (str((pod.get("spec") or {}).get("nodeName") or ""),)


def by_controller(obj: Object) -> Iterable[str]:
    """Return the uid of who controls *obj*, or `orphans/NAMESPACE`."""
    controller = controller_of(obj)
    return (f"orphans/{namespace_of(obj)}" if controller is None else str(controller["uid"]),)


def by_service(one: Object) -> Iterable[str]:
    """Return `namespace/service` for an EndpointSlice that our controller manages."""
    labels = labels_of(one)
    if labels.get(MANAGED_BY) != CONTROLLER_NAME:
        return ()
    return (f"{namespace_of(one)}/{labels.get(SERVICE_NAME, '')}",)


def by_mirrored(one: Object) -> Iterable[str]:
    """Return `namespace/name` of the Endpoints that an EndpointSlice mirrors."""
    labels = labels_of(one)
    if labels.get(MANAGED_BY) != MIRRORING_CONTROLLER_NAME:
        return ()
    return (f"{namespace_of(one)}/{labels.get(SERVICE_NAME, '')}",)


#: Controllers share one informer of a resource, so its indexes stand in one place.
INDEXERS: Final[Mapping[Resource, Mapping[str, Callable[[Object], Iterable[str]]]]] = {
    PODS: {"namespace": _by_namespace, "node": _by_node, "controller": by_controller},
    REPLICASETS: {"namespace": _by_namespace, "controller": by_controller},
    CONTROLLERREVISIONS: {"controller": by_controller},
    DAEMONSETS: {"namespace": _by_namespace},
    DEPLOYMENTS: {"namespace": _by_namespace},
    JOBS: {"namespace": _by_namespace, "controller": by_controller},
    PERSISTENTVOLUMECLAIMS: {"namespace": _by_namespace},
    REPLICATIONCONTROLLERS: {"namespace": _by_namespace},
    STATEFULSETS: {"namespace": _by_namespace},
    PODDISRUPTIONBUDGETS: {"namespace": _by_namespace},
    SERVICES: {"namespace": _by_namespace},
    ENDPOINTSLICES: {"service": by_service, "mirrored": by_mirrored},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The world of a controller."""

    client: RestClient
    informers: InformerFactory
    timings: Timings
    monotonic: Clock
    wall: Clock
    tasks: Tasks
    #: The cluster's networks of pods, and how long the prefix of a node's part of each is.
    pod_networks: tuple[tuple[Network, int], ...]
    #: The authority of the API servers' certificates, PEM; "": it is not published.
    root_ca: str = ""
    #: The file of the key that signs service accounts' tokens; "": none are made.
    service_account_key: str = ""
    #: Who signs certificates that are asked for by the API.
    authority: Authority = field(default_factory=lambda: Authority("", ""))
    #: What load balancers are called; empty: there are none.
    balancer_pool: Pool = field(default_factory=lambda: Pool({}, None))
    balances_at_nodes: bool = False  # Load balancers have the nodes' addresses.
    journal: Journal = field(default_factory=Journal)
    recorders: list[EventRecorder] = field(default_factory=list)

    def informer(self, resource: Resource) -> Informer:
        """Return the shared informer of *resource*, with the indexes that anybody asks for."""
        return self.informers.informer(
            resource,
            indexers=INDEXERS.get(resource, {}),
            transform=head_of if resource == CUSTOMRESOURCEDEFINITIONS else None,
        )

    def recorder(self, component: str) -> EventRecorder:
        """Return a recorder in the name of *component*; `close` ends it."""
        made = EventRecorder(self.client, component=component)
        self.recorders.append(made)
        return made

    async def close(self) -> None:
        await self.tasks.close()
        for recorder in self.recorders:
            await recorder.close()
        self.journal.close()

    def now_text(self) -> str:
        return rfc3339(self.wall())

    @property
    def pace(self) -> float:
        """Return how much faster than upstream's defaults this cluster's timers run."""
        return KUBERNETES.node_monitor_grace_s / self.timings.node_monitor_grace_s
