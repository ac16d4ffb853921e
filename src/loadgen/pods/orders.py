"""Load from inside the cluster: each worker's share, its pod, and whose pod a pod is.

The workers' requests interleave: each has the same share of every rate and begins a little after
the one before it, so that together they send as evenly as one generator would.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final

import msgspec

from kubeapi.objects import Object, annotations_of, name_of
from loadgen.plan import LoadPlan, PlanError

WORKERS_MAX: Final = 64
#: A worker's log has a bound, and a second takes up to 2 KB of it.
DURATION_MAX_S: Final = 3600.0
#: What runs in a worker's pod.
WORKER: Final = "loadgen.pods.worker:main"
IMAGE: Final = f"python://{WORKER}"
NAMESPACE: Final = "default"

#: Whose pods these are: the value is the run's name.
RUN_LABEL: Final = "loadgen.podwire/run"
#: `HOST/PID/STARTED`: the process that will delete the pod.
OWNER_ANNOTATION: Final = "loadgen.podwire/owner"
#: Unix seconds from which on nobody can want the pod any more.
EXPIRES_ANNOTATION: Final = "loadgen.podwire/expires"
EXIT_LATE: Final = 75  # sysexits.h's EX_TEMPFAIL: another try may succeed.
#: No start of one worker is further behind the others' than this.
_STAGGER_MAX_S: Final = 0.9


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker is told."""

    worker: int
    start_at: float  # Unix seconds
    plan: LoadPlan


@dataclass(frozen=True, slots=True)
class Owner:
    """A process of some machine, told from a later one with the same number."""

    host: str
    pid: int
    started: int  # Unix seconds

    def __str__(self) -> str:
        return f"{self.host}/{self.pid}/{self.started}"

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Read what an annotation says; None when it says nothing."""
        host, _, rest = text.rpartition("/")[0].rpartition("/")
        started = text.rpartition("/")[2]
        if not host or not rest.isdigit() or not started.isdigit():
            return None
        return cls(host, int(rest), int(started))


def shares(plan: LoadPlan, workers: int) -> list[LoadPlan]:
    """Return what each of *workers* does of *plan*; raises PlanError."""
    if not 1 <= workers <= WORKERS_MAX:
        raise PlanError(f"workers must be at least 1 and at most {WORKERS_MAX}, not {workers}")
    if plan.total_s > DURATION_MAX_S:
        raise PlanError(
            f"load from pods lasts at most {DURATION_MAX_S:g} s, not {plan.total_s:g}: "
            "results lie in the pods' logs meanwhile"
        )
    _check_address(plan)
    return [_share(plan, index, workers) for index in range(workers)]


def _check_address(plan: LoadPlan) -> None:
    host = plan.target.host
    try:
        address = ip_address(host)
    except ValueError:
        return
    if address.is_loopback:
        raise PlanError(
            f"{host} is this machine, and not to be reached from pods; "
            "give the ClusterIP of a Service or the address of a pod"
        )


def _share(plan: LoadPlan, index: int, workers: int) -> LoadPlan:
    return replace(
        plan,
        rate=plan.rate / workers,
        rate_end=None if plan.rate_end is None else plan.rate_end / workers,
        stages=tuple(
            replace(stage, rate=stage.rate / workers, rate_end=stage.rate_end / workers)
            for stage in plan.stages
        ),
        connections=math.ceil(plan.connections / workers),
        queue=math.ceil(plan.queue / workers),
        seed=plan.seed + index,
    )


def stagger_s(plan: LoadPlan, index: int, workers: int) -> float:
    """Return how long after the first worker number *index* (from 0) of *workers* begins."""
    period_s = workers / max(stage.rate for stage in plan.all_stages) if plan.rate else 0.0
    return index / workers * min(period_s, _STAGGER_MAX_S)


def pod(order: Order, run: str, owner: Owner, *, node: str) -> Object:
    """Return the pod of one worker, for *node*; the scheduler checks that it fits there."""
    plan = order.plan
    expires = order.start_at + plan.total_s + 2 * plan.timeout_s + 60
    # A `$` in an argument is a reference for the kubelet, unless it is doubled.
    argument = msgspec.json.encode(order).decode().replace("$", "$$")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"loadgen-{run}-{order.worker}",
            "namespace": NAMESPACE,
            "labels": {RUN_LABEL: run, "app.kubernetes.io/managed-by": "loadgen"},
            "annotations": {
                OWNER_ANNOTATION: str(owner),
                EXPIRES_ANNOTATION: f"{expires:.0f}",
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "nodeSelector": {"kubernetes.io/hostname": node},
            "containers": [{"name": "loadgen", "image": IMAGE, "args": [argument]}],
        },
    }


def is_leftover(found: Object, here: str, living: Mapping[int, int], now: float) -> bool:
    """Tell whether the process that made a pod can no longer want it.

    *living* are the processes of host *here*: when each (by its number) began.
    """
    annotations = annotations_of(found)
    owner = Owner.parse(annotations.get(OWNER_ANNOTATION, ""))
    expires = annotations.get(EXPIRES_ANNOTATION, "")
    if owner is None or not expires.isdigit() or now > int(expires):
        return True
    return owner.host == here and living.get(owner.pid) != owner.started


def schedulable(nodes: Sequence[Object]) -> list[str]:
    """Return the nodes that are Ready and take pods, by name."""
    return sorted(name_of(node) for node in nodes if _takes_pods(node))


def _takes_pods(node: Object) -> bool:
    spec = node.get("spec", {})
    conditions = node.get("status", {}).get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    effects = [taint.get("effect") for taint in spec.get("taints") or []]
    barred = any(effect in ("NoSchedule", "NoExecute") for effect in effects)
    return ready and not barred and not spec.get("unschedulable")


def service_hint(services: Sequence[Object], host: str) -> str:
    """Return what to write instead of a Service's name; "" when *host* names none."""
    name, _, rest = host.partition(".")
    namespace = rest.split(".")[0] or NAMESPACE
    for service in services:
        metadata, address = service["metadata"], service.get("spec", {}).get("clusterIP")
        wanted = (metadata["name"], metadata.get("namespace")) == (name, namespace)
        if wanted and address not in (None, "", "None"):
            return f"; Service {namespace}/{name} has the ClusterIP {address}"
    return ""


def node_of(found: Object) -> str:
    """Return the node that a worker's pod was made for."""
    return str(found["spec"]["nodeSelector"]["kubernetes.io/hostname"])


def came_up_late(found: Object) -> bool:
    """Tell whether a worker's container ended since the others had begun already."""
    return any(state.get("exitCode") == EXIT_LATE for state in _states(found, "terminated"))


def waiting_for(found: Object) -> str:
    """Return what a pod that does not run waits for, in the words of its status."""
    for state in _states(found, "waiting"):
        if state.get("reason") != "ContainerCreating":
            return f"{state.get('reason')}: {state.get('message', '')}".rstrip(": ")
    for condition in found.get("status", {}).get("conditions") or []:
        if condition["status"] == "False" and condition.get("message"):
            return str(condition["message"])
    return f"its pod is {found.get('status', {}).get('phase', 'Pending')}"


def _states(found: Object, kind: str) -> list[Object]:
    statuses = found.get("status", {}).get("containerStatuses") or []
    return [state for status in statuses if (state := status.get("state", {}).get(kind))]
