"""Which old ReplicaSets are beyond the revision history limit (sync.go `cleanupDeployment`)."""

from __future__ import annotations

from typing import Final

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.deployment.revision import revision
from controlplane.controllermanager.deployment.view import View, observed, replicas
from kubeapi.objects import Object

_LIMIT_DEFAULT: Final = 10


def surplus(view: View) -> list[Object]:
    """Return the ReplicaSets to delete: the lowest revisions, and only empty ones."""
    limit = view.deployment["spec"].get("revisionHistoryLimit")
    limit = _LIMIT_DEFAULT if limit is None else limit
    alive = [one for one in view.old if not pod_facts.is_terminating(one)]
    excess = len(alive) - limit
    if excess <= 0:
        return []
    return [one for one in sorted(alive, key=revision)[:excess] if _is_empty(one)]


def _is_empty(replica_set: Object) -> bool:
    settled = observed(replica_set, "observedGeneration") >= replica_set["metadata"].get(
        "generation", 0
    )
    return settled and replicas(replica_set) == 0 and observed(replica_set, "replicas") == 0
