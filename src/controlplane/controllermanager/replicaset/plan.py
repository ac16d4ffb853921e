"""How many pods to make, and which to delete, so that a ReplicaSet has what it asks for.

Upstream: `manageReplicas` in pkg/controller/replicaset/replica_set.go and
`ActivePodsWithRanks` in pkg/controller/controller_utils.go. Deviation: ages are compared by
power of two and then by uid, throughout; upstream does so only where the exact times differ.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from controlplane.controllermanager import pod_facts
from kubeapi.objects import Object, uid_of

#: Most pods that one look at a ReplicaSet creates or deletes.
BURST_MAX: Final = 500
_PHASE_RANK: Final = {"Pending": 0, "Unknown": 1, "Running": 2}


@dataclass(frozen=True, slots=True)
class Create:
    count: int


@dataclass(frozen=True, slots=True)
class Delete:
    pods: tuple[Object, ...]


def plan(
    wanted: int, active: Sequence[Object], related: Sequence[Object], now: float
) -> Create | Delete | None:
    """Return the one step that brings *active* nearer to *wanted*.

    *related* are all pods of the same Deployment: of two pods that could go, the one that shares
    its node with more relatives goes.
    """
    surplus = len(active) - wanted
    if surplus < 0:
        return Create(min(-surplus, BURST_MAX))
    if surplus > 0:
        count = min(surplus, BURST_MAX)
        return Delete(tuple(by_dispensability(active, related, now)[:count]))
    return None


def by_dispensability(
    pods: Sequence[Object], related: Sequence[Object], now: float
) -> list[Object]:
    """Return *pods*, the one that is missed least first."""
    on_node = Counter(pod_facts.node_name(pod) for pod in related if pod_facts.is_active(pod))
    return sorted(pods, key=lambda pod: _rank(pod, on_node[pod_facts.node_name(pod)], now))


def _rank(pod: Object, relatives_on_node: int, now: float) -> tuple[int | bool | str, ...]:
    since = pod_facts.ready_since(pod)
    return (
        bool(pod_facts.node_name(pod)),
        _PHASE_RANK.get(pod_facts.phase(pod), 1),
        since is not None,
        pod_facts.deletion_cost(pod),
        -relatives_on_node,
        0 if since is None else _magnitude(now - since),
        -pod_facts.restarts(pod),
        _magnitude(now - pod_facts.created_at(pod)),
        uid_of(pod),
    )


def _magnitude(age_s: float) -> int:
    """Return the age's power of two: pods of about one age are as good as another."""
    return int(math.log2(age_s)) if age_s >= 1 else 0


def batches(total: int) -> list[int]:
    """Cut *total* into 1, 2, 4, …: a quota or a broken template is not hit 500 times at once."""
    sizes: list[int] = []
    size = 1
    while total > 0:
        sizes.append(min(size, total))
        total -= sizes[-1]
        size *= 2
    return sizes


def pod_from_template(owner: Object, reference: Object) -> Object:
    """Return the pod that *owner*'s template describes, controlled through *reference*."""
    template = owner["spec"]["template"]
    metadata = template.get("metadata") or {}
    made: Object = {"generateName": f"{owner['metadata']['name']}-", "ownerReferences": [reference]}
    made |= {
        key: metadata[key] for key in ("labels", "annotations", "finalizers") if key in metadata
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": template["spec"]}
