"""SchedulingGates: a pod with a gate is not looked at until its gates are gone (KEP-3521)."""

from __future__ import annotations

from controlplane.scheduler.framework.cluster_event import ClusterEvent, any_of
from controlplane.scheduler.framework.interface import Rejection
from controlplane.scheduler.pod_info import PodInfo


class SchedulingGates:
    """Keeps gated pods out of the queue."""

    name = "SchedulingGates"
    hints = any_of(ClusterEvent.POD_ITSELF)

    def pre_enqueue(self, pod: PodInfo) -> Rejection | None:
        gates = (pod.obj.get("spec") or {}).get("schedulingGates") or ()
        if not gates:
            return None
        names = ", ".join(gate.get("name") or "" for gate in gates)
        return Rejection((f"waiting for scheduling gates: {names}",))
