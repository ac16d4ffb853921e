"""The status of a namespace on its way out (upstream: namespaced_resources_deleter, conditions)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Final

from kubeapi.objects import Object, set_condition
from kubeapi.resources import Resource

FINALIZER: Final = "kubernetes"


def needs_finalization(namespace: Object) -> bool:
    """Return whether *namespace* is deleted and still carries our finalizer."""
    leaving = bool(namespace["metadata"].get("deletionTimestamp"))
    return leaving and FINALIZER in ((namespace.get("spec") or {}).get("finalizers") or ())


def finalized(namespace: Object) -> Object:
    """Return *namespace* without our finalizer."""
    kept = [one for one in namespace["spec"]["finalizers"] if one != FINALIZER]
    return {**namespace, "spec": {**namespace["spec"], "finalizers": kept}}


def status_while_waiting(
    namespace: Object,
    remaining: Mapping[Resource, int],
    failures: Mapping[Resource, str],
    now_text: str,
) -> Object:
    """Return the status that says what the deletion waits for."""
    status = copy.deepcopy(namespace.get("status") or {})
    status["phase"] = "Terminating"
    conditions: list[Object] = status.setdefault("conditions", [])
    for verdict in (_content_verdict(remaining), _failure_verdict(failures)):
        set_condition(conditions, verdict, now_text)
    return status


def _content_verdict(remaining: Mapping[Resource, int]) -> Object:
    if not remaining:
        return {
            "type": "NamespaceContentRemaining",
            "status": "False",
            "reason": "ContentRemoved",
            "message": "All content successfully removed",
        }
    texts = [
        f"{resource.qualified} has {count} resource instances"
        for resource, count in sorted(remaining.items(), key=lambda item: item[0].qualified)
    ]
    return {
        "type": "NamespaceContentRemaining",
        "status": "True",
        "reason": "SomeResourcesRemain",
        "message": f"Some resources are remaining: {', '.join(texts)}",
    }


def _failure_verdict(failures: Mapping[Resource, str]) -> Object:
    if not failures:
        return {
            "type": "NamespaceDeletionContentFailure",
            "status": "False",
            "reason": "ContentDeleted",
            "message": "All content successfully deleted, may be waiting on finalization",
        }
    texts = [f"{resource.qualified}: {text}" for resource, text in failures.items()]
    return {
        "type": "NamespaceDeletionContentFailure",
        "status": "True",
        "reason": "ContentDeletionFailed",
        "message": f"Failed to delete {len(texts)} resource types: {'; '.join(texts)}",
    }
