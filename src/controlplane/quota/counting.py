"""What is used of a quota, counted anew from all that there is (upstream: CalculateUsage)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from controlplane.quota import amounts
from controlplane.quota.amounts import Amounts
from controlplane.quota.evaluators import evaluator_of
from kubeapi.objects import Object
from kubeapi.resources import Resource


def status_of(quota: Object, objects: Mapping[Resource, Iterable[Object]], now: float) -> Object:
    """Return the status of a quota whose namespace has *objects*."""
    hard = (quota.get("spec") or {}).get("hard") or {}
    used: Amounts = dict.fromkeys(hard, Fraction())
    for resource, found in objects.items():
        evaluator = evaluator_of(resource)
        if not evaluator.matching(hard):
            continue
        for obj in found:
            if evaluator.matches(quota, hard, obj):
                used = amounts.plus(used, amounts.only(evaluator.usage(obj, now), hard))
    return {"hard": dict(hard), "used": amounts.write(used, hard)}
