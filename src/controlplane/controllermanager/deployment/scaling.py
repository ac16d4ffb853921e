"""A Deployment was scaled or paused: share the change among its ReplicaSets (sync.go).

In the middle of a rollout several ReplicaSets are active. A change of size is then shared in
proportion to their sizes, so that the rollout keeps its risk: annotations remember the size that
each was part of.
"""

from __future__ import annotations

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.deployment.revision import DESIRED_REPLICAS, MAX_REPLICAS
from controlplane.controllermanager.deployment.view import Scale, View, observed, replicas
from kubeapi.objects import Object, annotations_of, name_of


def is_scaling_event(view: View) -> bool:
    """Return whether an active ReplicaSet belongs to another size of the Deployment."""
    return any(_annotated(one, DESIRED_REPLICAS) not in (None, view.wanted) for one in view.active)


def _annotated(replica_set: Object, key: str) -> int | None:
    try:
        return int(annotations_of(replica_set)[key])
    except (KeyError, ValueError):
        return None


def plan(view: View) -> list[Scale]:
    """Return the sizes that follow from the Deployment's size.

    A ReplicaSet that keeps its size is named too: its annotations must learn the new total.
    """
    if not view.all:
        return []  # It was paused before it had any.
    single = _active_or_latest(view)
    if single is not None:
        return [Scale(single, view.wanted)] if replicas(single) != view.wanted else []
    if view.new is not None and _is_saturated(view, view.new):
        return [Scale(one, 0) for one in view.active_old]
    return _in_proportion(view) if view.is_rolling else []


def _active_or_latest(view: View) -> Object | None:
    """Return the only active ReplicaSet; with none active, the new or else the latest one."""
    active = view.active
    if len(active) > 1:
        return None
    if active:
        return active[0]
    return view.new if view.new is not None else view.old[-1]


def _is_saturated(view: View, new: Object) -> bool:
    return (
        replicas(new) == view.wanted
        and _annotated(new, DESIRED_REPLICAS) == view.wanted
        and observed(new, "availableReplicas") == view.wanted
    )


def _in_proportion(view: View) -> list[Scale]:
    active = view.active
    allowed = view.wanted + view.max_surge if view.wanted else 0
    to_add = allowed - sum(replicas(one) for one in active)
    # The biggest first; of equals the newest grows first and the oldest shrinks first.
    age_sign = -1 if to_add > 0 else 1
    ordered = sorted(active, key=lambda one: (-replicas(one), age_sign * pod_facts.created_at(one)))
    sizes: dict[str, int] = {}
    left = to_add
    for one in ordered:
        share = _share(view, one) if to_add else 0
        part = min(share, left) if to_add > 0 else max(share, left)
        sizes[name_of(one)] = replicas(one) + part
        left -= part
    sizes[name_of(ordered[0])] = max(0, sizes[name_of(ordered[0])] + left)
    return [Scale(one, sizes[name_of(one)]) for one in ordered]


def _share(view: View, one: Object) -> int:
    """Return how much *one* should grow (negative: shrink) to keep its share of the whole."""
    if view.wanted == 0:
        return -replicas(one)
    before = _annotated(one, MAX_REPLICAS) or observed(view.deployment, "replicas")
    if not before:
        return 0
    whole = view.wanted + view.max_surge
    # Round half away from zero, in integers.
    return (2 * replicas(one) * whole + before) // (2 * before) - replicas(one)
