"""The Recreate strategy: first every old pod goes, then the new ones come (recreate.go)."""

from __future__ import annotations

from collections.abc import Iterable

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.deployment.view import Scale, View, replicas
from kubeapi.objects import Object


def scale_old(view: View) -> list[Scale]:
    return [Scale(one, 0) for one in view.active_old]


def scale_new(view: View) -> list[Scale]:
    if view.new is None or replicas(view.new) == view.wanted:
        return []
    return [Scale(view.new, view.wanted)]


def old_pods_remain(old_pods: Iterable[Object]) -> bool:
    """Return whether any pod of the old ReplicaSets may still run; terminating ones do."""
    return any(not pod_facts.is_finished(pod) for pod in old_pods)
