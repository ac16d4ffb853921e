"""A client of the Kubernetes API: REST, informers, work queues, events, leader election.

Upstream: client-go. All of it runs in one event loop and is cheap when nothing happens.
"""

from kubeapi.client.backoff import Backoff
from kubeapi.client.errors import Unreachable
from kubeapi.client.events import EventRecorder
from kubeapi.client.informer import Informer, InformerFactory
from kubeapi.client.kubeconfig import (
    ClientConfig,
    KubeconfigError,
    in_cluster_config,
    read_kubeconfig,
    write_kubeconfig,
)
from kubeapi.client.leader_election import LeaderElector, LeadershipLost, LeaseDurations
from kubeapi.client.parts import Part, Parts, View
from kubeapi.client.rest import PatchType, RestClient, WatchEvent
from kubeapi.client.workqueue import WorkQueue, run_workers

__all__ = [
    "Backoff",
    "ClientConfig",
    "EventRecorder",
    "Informer",
    "InformerFactory",
    "KubeconfigError",
    "LeaderElector",
    "LeadershipLost",
    "LeaseDurations",
    "Part",
    "Parts",
    "PatchType",
    "RestClient",
    "Unreachable",
    "View",
    "WatchEvent",
    "WorkQueue",
    "in_cluster_config",
    "read_kubeconfig",
    "run_workers",
    "write_kubeconfig",
]
