"""The controller manager's process: lead, then run every controller (upstream: kube-controller-manager).

Of several controller managers one leads, by the Lease kube-system/kube-controller-manager; the
others wait. Who loses the lead ends, and is started anew: nothing half-stopped goes on writing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from componentbase import clock
from componentbase.tasks import Tasks
from componentbase.timings import TIMINGS
from controlplane.controllermanager.config import Config
from controlplane.controllermanager.context import Context, Controller
from controlplane.controllermanager.deployment.controller import DeploymentController
from controlplane.controllermanager.endpointslice.controller import EndpointSliceController
from controlplane.controllermanager.garbagecollector.controller import GarbageCollector
from controlplane.controllermanager.namespace.controller import NamespaceController
from controlplane.controllermanager.nodeipam.controller import NodeIpamController
from controlplane.controllermanager.nodelifecycle.controller import NodeLifecycleController
from controlplane.controllermanager.podgc.controller import PodGcController
from controlplane.controllermanager.replicaset.controller import ReplicaSetController
from controlplane.controllermanager.serviceaccount.controller import ServiceAccountController
from controlplane.controllermanager.tainteviction.controller import TaintEvictionController
from kubeapi.client import InformerFactory, LeaderElector, RestClient

ControllerFactory = Callable[[Context], Controller]

#: Every controller, by its upstream name.
CONTROLLERS: Final[Mapping[str, ControllerFactory]] = {
    "deployment-controller": DeploymentController,
    "replicaset-controller": ReplicaSetController,
    "endpointslice-controller": EndpointSliceController,
    "node-ipam-controller": NodeIpamController,
    "node-lifecycle-controller": NodeLifecycleController,
    "taint-eviction-controller": TaintEvictionController,
    "pod-garbage-collector-controller": PodGcController,
    "garbage-collector-controller": GarbageCollector,
    "namespace-controller": NamespaceController,
    "serviceaccount-controller": ServiceAccountController,
}
