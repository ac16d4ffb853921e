"""ReplicationControllers (upstream: pkg/controller/replication): what ReplicaSets were before.

As upstream, the controller of ReplicaSets works on them; only the selector has an older form, a
map of labels.
"""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager.context import Context
from controlplane.controllermanager.replicaset.controller import ReplicaSetController, Served
from kubeapi.objects import Object
from kubeapi.resources import REPLICATIONCONTROLLERS
from kubeapi.selectors import LabelSelector


def _map_selector(controller: Object) -> LabelSelector:
    return LabelSelector.from_labels(controller["spec"].get("selector"))


_SERVED: Final = Served(
    REPLICATIONCONTROLLERS, "replication-controller", _map_selector, "replicationmanager"
)


class ReplicationManager(ReplicaSetController):
    """Pods and status of ReplicationControllers."""

    def __init__(self, context: Context) -> None:
        super().__init__(context, _SERVED)
