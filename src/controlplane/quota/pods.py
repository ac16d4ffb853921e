"""What a pod costs (upstream: pkg/quota/v1/evaluator/core/pods.go)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from controlplane.quota import pod_resources
from controlplane.quota.amounts import ONE, Amounts, plus, read
from kubeapi.objects import Object, metadata_of
from kubeapi.selectors import LabelSelector, SelectorError

COUNT: Final = "count/pods"
_COMPUTE: Final = ("cpu", "memory", "ephemeral-storage")
_OWN: Final = frozenset(
    (
        COUNT,
        "pods",
        *_COMPUTE,
        *(f"requests.{name}" for name in _COMPUTE),
        *(f"limits.{name}" for name in _COMPUTE),
    )
)
#: Where a quota has one of these, every container must say it.
_TO_BE_SAID: Final = frozenset(
    f"{prefix}{name}" for prefix in ("", "requests.", "limits.") for name in ("cpu", "memory")
)
_HUGE_PAGES: Final = "hugepages-"
_REQUESTS: Final = "requests."
_OVER: Final = ("Succeeded", "Failed")
_AFFINITIES: Final = ("podAffinity", "podAntiAffinity")


def concerns(name: str) -> bool:
    """Tell whether a quota's resource is one that pods cost."""
    if name in _OWN or name.startswith((_HUGE_PAGES, _REQUESTS + _HUGE_PAGES)):
        return True
    rest = name.removeprefix(_REQUESTS)
    return rest != name and _is_extended(rest)


def _is_extended(name: str) -> bool:
    return "/" in name and "kubernetes.io/" not in name


def _compute(requests: Amounts, limits: Amounts) -> Amounts:
    usage: Amounts = {"pods": ONE}
    for name, amount in requests.items():
        if name in _COMPUTE or name.startswith(_HUGE_PAGES):
            usage[name] = usage[_REQUESTS + name] = amount
        elif _is_extended(name):
            usage[_REQUESTS + name] = amount
    for name in _COMPUTE:
        if name in limits:
            usage[f"limits.{name}"] = limits[name]
    return usage


def usage(pod: Object, now: float) -> Amounts:
    """Return what a pod costs; one that is over costs no more than a place in the store."""
    counted: Amounts = {COUNT: ONE}
    if is_over(pod, now):
        return counted
    spec = pod.get("spec") or {}
    requests = pod_resources.of_pod(spec, "requests")
    return plus(counted, _compute(requests, pod_resources.of_pod(spec, "limits")))


def is_over(pod: Object, now: float) -> bool:
    """Tell whether a pod has ended, or should have by now (QuotaV1Pod)."""
    if (pod.get("status") or {}).get("phase") in _OVER:
        return True
    metadata = metadata_of(pod)
    ends = metadata.get("deletionTimestamp")
    if not ends or metadata.get("deletionGracePeriodSeconds") is None:
        return False
    # The timestamp is when grace is over; upstream gives as much again.
    until = datetime.fromisoformat(str(ends)).timestamp()
    return now > until + float(metadata["deletionGracePeriodSeconds"])


def what_is_missing(pod: Object, required: Collection[str]) -> str:
    """Return what containers must say and do not: "must specify …", or nothing."""
    wanted = sorted(_TO_BE_SAID.intersection(required))
    spec = pod.get("spec") or {}
    missing: dict[str, list[str]] = {}
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        resources = container.get("resources") or {}
        said = _compute(read(resources.get("requests")), read(resources.get("limits")))
        for name in wanted:
            if name not in said:
                missing.setdefault(name, []).append(container["name"])
    texts = [f"{name} for: {','.join(sorted(set(missing[name])))}" for name in sorted(missing)]
    return f"must specify {'; '.join(texts)}" if texts else ""


def is_in_scope(pod: Object, scope: str, operator: str, values: Collection[str]) -> bool:
    """Tell whether a scope of a quota means this pod."""
    spec = pod.get("spec") or {}
    match scope:
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return _is_best_effort(spec)
        case "NotBestEffort":
            return not _is_best_effort(spec)
        case "PriorityClass":
            return _has_priority(spec.get("priorityClassName") or "", operator, values)
        case "CrossNamespacePodAffinity":
            return _reaches_other_namespaces(spec)
    return False


def _is_best_effort(spec: Object) -> bool:
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        for key in ("requests", "limits"):
            asked = pod_resources.of_container(container, key)
            if any(asked.get(name) for name in ("cpu", "memory")):
                return False
    return True


def _has_priority(name: str, operator: str, values: Collection[str]) -> bool:
    if operator == "Exists":
        return bool(name)
    row = {"key": "PriorityClass", "operator": operator, "values": list(values)}
    try:
        selector = LabelSelector.from_object({"matchExpressions": [row]})
    except SelectorError:
        return False
    return selector.matches({"PriorityClass": name} if name else {})


def _reaches_other_namespaces(spec: Object) -> bool:
    for kind in _AFFINITIES:
        affinity = (spec.get("affinity") or {}).get(kind) or {}
        required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms = [*required, *(each.get("podAffinityTerm") or {} for each in preferred)]
        if any(term.get("namespaces") or term.get("namespaceSelector") for term in terms):
            return True
    return False
