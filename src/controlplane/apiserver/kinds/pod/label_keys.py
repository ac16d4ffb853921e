"""matchLabelKeys and mismatchLabelKeys of pod affinity (KEP-3633; MatchLabelKeysInPodAffinity).

What the pod's own labels say under these keys becomes part of the term's selector when the pod is
created, so that whoever reads the selector later needs not know of the keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubeapi import field, validation
from kubeapi.objects import Object, labels_of
from kubeapi.status import Cause

_OPERATORS: Final = {"matchLabelKeys": "In", "mismatchLabelKeys": "NotIn"}
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"


def terms(affinity: Object) -> Iterator[Object]:
    """Yield every term of a pod's affinity to pods."""
    for name in ("podAffinity", "podAntiAffinity"):
        found = affinity.get(name) or {}
        yield from found.get(_REQUIRED) or ()
        for weighted in found.get(_PREFERRED) or ():
            yield weighted.get("podAffinityTerm") or {}


def complete(pod: Object) -> None:
    """Write into the selectors what the keys mean (applyMatchLabelKeysAndMismatchLabelKeys)."""
    labels = labels_of(pod)
    for term in terms(pod["spec"].get("affinity") or {}):
        selector = term.get("labelSelector")
        if selector is None:
            continue
        added = [
            {"key": key, "operator": operator, "values": [labels[key]]}
            for name, operator in _OPERATORS.items()
            for key in term.get(name) or ()
            if key in labels
        ]
        if added:
            selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), *added]


def validate(term: Object, path: str) -> Iterator[Cause]:
    """Judge the keys of a term (validateMatchLabelKeysAndMismatchLabelKeys)."""
    for name in _OPERATORS:
        keys = term.get(name) or []
        if keys and term.get("labelSelector") is None:
            detail = "must not be specified when labelSelector is not set"
            yield field.forbidden(f"{path}.{name}", detail)
        for index, key in enumerate(keys):
            where = f"{path}.{name}[{index}]"
            yield from validation.validate_name(key, where, validation.qualified_name)
    others = term.get("mismatchLabelKeys") or []
    for index, key in enumerate(term.get("matchLabelKeys") or []):
        if key in others:
            detail = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield field.invalid(f"{path}.matchLabelKeys[{index}]", key, detail)
