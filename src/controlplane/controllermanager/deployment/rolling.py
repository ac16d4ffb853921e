"""One step of a rolling update (upstream: pkg/controller/deployment/rolling.go).

The new ReplicaSet grows into the surge, the old ones shrink as far as enough pods stay available;
first, what old ReplicaSets have in unhealthy pods, for these serve nobody.
"""

from __future__ import annotations

from controlplane.controllermanager.deployment.revision import new_size
from controlplane.controllermanager.deployment.view import (
    Scale,
    View,
    observed,
    replicas,
    total_observed,
    total_wanted,
)
from kubeapi.objects import name_of


def plan(view: View) -> list[Scale]:
    """Return the next step: of the new ReplicaSet if it can move, else of the old ones."""
    return scale_new(view) or scale_old(view)


def scale_new(view: View) -> list[Scale]:
    new = view.new
    if new is None or replicas(new) == view.wanted:
        return []
    if replicas(new) > view.wanted:
        return [Scale(new, view.wanted)]
    size = new_size(view)
    return [Scale(new, size)] if size != replicas(new) else []


def scale_old(view: View) -> list[Scale]:
    if view.new is None or not view.active_old:
        return []
    new_unavailable = replicas(view.new) - observed(view.new, "availableReplicas")
    spare = total_wanted(view.all) - _min_available(view) - new_unavailable
    if spare <= 0:
        return []
    sizes = {name_of(one): replicas(one) for one in view.active_old}
    _drop_unhealthy(view, sizes, spare)
    _drop_available(view, sizes)
    return [
        Scale(one, sizes[name_of(one)])
        for one in view.active_old
        if sizes[name_of(one)] != replicas(one)
    ]


def _min_available(view: View) -> int:
    return view.wanted - view.max_unavailable


def _drop_unhealthy(view: View, sizes: dict[str, int], spare: int) -> None:
    for one in view.active_old:
        unhealthy = replicas(one) - observed(one, "availableReplicas")
        gone = max(0, min(unhealthy, spare))
        sizes[name_of(one)] -= gone
        spare -= gone


def _drop_available(view: View, sizes: dict[str, int]) -> None:
    spare = total_observed(view.all, "availableReplicas") - _min_available(view)
    for one in view.active_old:
        gone = max(0, min(sizes[name_of(one)], spare))
        sizes[name_of(one)] -= gone
        spare -= gone
