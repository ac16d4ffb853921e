"""The status of a namespace on its way out (upstream: namespaced_resources_deleter, conditions)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class Found:
    """What one look at a namespace's content brought to light."""

    #: How many objects of each resource are left, and how many have each finalizer.
    remaining: dict[Resource, int] = field(default_factory=dict)
    finalizers: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def is_nothing(self) -> bool:
        return not (self.remaining or self.failures)

    def note_remaining(self, resource: Resource, items: Sequence[Object]) -> None:
        if items:
            self.remaining[resource] = len(items)
        for item in items:
            for name in item["metadata"].get("finalizers") or ():
                self.finalizers[name] = self.finalizers.get(name, 0) + 1


def status_while_waiting(namespace: Object, found: Found, now_text: str) -> Object:
    """Return the status that says what the deletion waits for."""
    status = copy.deepcopy(namespace.get("status") or {})
    status["phase"] = "Terminating"
    conditions: list[Object] = status.setdefault("conditions", [])
    for type, problem, fine in _verdicts(found):
        reason, message = problem or fine
        verdict = {"type": type, "status": str(bool(problem)), "reason": reason, "message": message}
        set_condition(conditions, verdict, now_text)
    return status


#: A reason and a message.
Words = tuple[str, str]


def _verdicts(found: Found) -> list[tuple[str, Words | None, Words]]:
    """Return each condition: its type, what is wrong, and what it says when nothing is."""
    return [
        (
            "NamespaceDeletionDiscoveryFailure",
            None,  # What there is to empty is known without asking.
            ("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            None,
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        (
            "NamespaceDeletionContentFailure",
            _failed(found.failures),
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        (
            "NamespaceContentRemaining",
            _content(found.remaining),
            ("ContentRemoved", "All content successfully removed"),
        ),
        (
            "NamespaceFinalizersRemaining",
            _finalizers(found.finalizers),
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ]


def _failed(failures: Sequence[str]) -> Words | None:
    texts = ", ".join(sorted(failures))
    message = f"Failed to delete all resource types, {len(failures)} remaining: {texts}"
    return ("ContentDeletionFailed", message) if failures else None


def _content(remaining: Mapping[Resource, int]) -> Words | None:
    texts = sorted(
        f"{resource.plural}.{resource.group} has {count} resource instances"
        for resource, count in remaining.items()
    )
    message = f"Some resources are remaining: {', '.join(texts)}"
    return ("SomeResourcesRemain", message) if remaining else None


def _finalizers(finalizers: Mapping[str, int]) -> Words | None:
    texts = sorted(f"{name} in {count} resource instances" for name, count in finalizers.items())
    message = f"Some content in the namespace has finalizers remaining: {', '.join(texts)}"
    return ("SomeFinalizersRemain", message) if finalizers else None
