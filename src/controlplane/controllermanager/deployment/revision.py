"""Revisions: the numbers that `kubectl rollout history` and `undo` read from annotations.

Upstream: deployment/util `SetNewReplicaSetAnnotations`. The new ReplicaSet carries one more than
the highest of the old; one that is used again moves up and remembers what it was. Annotations of
the Deployment are copied to it (change-cause among them), except those that mean one object only.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Final

from controlplane.controllermanager.deployment.template_hash import template_hash
from controlplane.controllermanager.deployment.view import (
    TEMPLATE_HASH,
    View,
    replicas,
    total_wanted,
)
from kubeapi.objects import Object, annotations_of, name_of, namespace_of, owner_reference

REVISION: Final = "deployment.kubernetes.io/revision"
REVISION_HISTORY: Final = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS: Final = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS: Final = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED: Final = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED_REPLICAS,
        MAX_REPLICAS,
        "deprecated.deployment.rollback.to",
    }
)
#: Upstream's bound on the length of the history annotation.
_HISTORY_CHARACTERS_MAX: Final = 2000
#: A ReplicaSet's name leaves room for its pods' suffix (DNS label, 63).
_NAME_CHARACTERS_MAX: Final = 253


def revision(obj: Object) -> int:
    """Return the revision that *obj* carries; 0 when it carries none."""
    try:
        return int(annotations_of(obj).get(REVISION, "0"))
    except ValueError:
        return 0


def next_revision(view: View) -> int:
    """Return the revision that the new ReplicaSet must have: above all old ones."""
    return max((revision(one) for one in view.old), default=0) + 1


def replica_set_annotations(view: View, before: Mapping[str, str]) -> dict[str, str]:
    """Return the annotations that the new ReplicaSet, which has *before*, should have."""
    annotations = dict(before)
    source = annotations_of(view.deployment)
    annotations |= {key: value for key, value in source.items() if key not in _NOT_COPIED}
    try:
        had = int(before.get(REVISION) or 0)
    except ValueError:
        return annotations  # Somebody wrote something else there: it stays, as upstream has it.
    wanted = next_revision(view)
    if had < wanted:
        annotations[REVISION] = str(wanted)
        if had:
            history = annotations.get(REVISION_HISTORY, "")
            annotations[REVISION_HISTORY] = _appended(history, str(had))
    return annotations


def _appended(history: str, entry: str) -> str:
    entries = [*filter(None, history.split(",")), entry]
    while len(",".join(entries)) > _HISTORY_CHARACTERS_MAX:
        entries.pop(0)
    return ",".join(entries)


def size_annotations(view: View) -> dict[str, str]:
    """Return what a ReplicaSet must remember of the Deployment's size, for proportional scaling."""
    return {
        DESIRED_REPLICAS: str(view.wanted),
        MAX_REPLICAS: str(view.wanted + view.max_surge),
    }


def refreshed(view: View) -> Object | None:
    """Return the new ReplicaSet with annotations and minReadySeconds brought up to date.

    None when it is up to date, or when there is none.
    """
    new = view.new
    if new is None:
        return None
    annotations = replica_set_annotations(view, annotations_of(new))
    min_ready_s = view.deployment["spec"].get("minReadySeconds") or 0
    if (
        annotations == annotations_of(new)
        and (new["spec"].get("minReadySeconds") or 0) == min_ready_s
    ):
        return None
    return {
        **new,
        "metadata": {**new["metadata"], "annotations": annotations},
        "spec": {**new["spec"], "minReadySeconds": min_ready_s},
    }


def new_replica_set(view: View) -> Object:
    """Return the ReplicaSet to create for the Deployment's template."""
    deployment = view.deployment
    spec = deployment["spec"]
    collisions = (deployment.get("status") or {}).get("collisionCount")
    suffix = template_hash(spec["template"], collisions)
    template = copy.deepcopy(spec["template"])
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = {**(metadata.get("labels") or {}), TEMPLATE_HASH: suffix}
    selector = copy.deepcopy(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), TEMPLATE_HASH: suffix}
    stem = name_of(deployment)[: _NAME_CHARACTERS_MAX - len(suffix) - 1]
    annotations = replica_set_annotations(view, {}) | size_annotations(view)
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{stem}-{suffix}",
            "namespace": namespace_of(deployment),
            "labels": metadata["labels"],
            "annotations": annotations,
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": new_size(view),
            "minReadySeconds": spec.get("minReadySeconds") or 0,
            "selector": selector,
            "template": template,
        },
    }


def new_size(view: View) -> int:
    """Return how many replicas the new ReplicaSet may have now (NewRSNewReplicas)."""
    if not view.is_rolling:
        return view.wanted
    have = 0 if view.new is None else replicas(view.new)
    room = view.wanted + view.max_surge - total_wanted(view.all)
    return have if room <= 0 else have + min(room, view.wanted - have)
