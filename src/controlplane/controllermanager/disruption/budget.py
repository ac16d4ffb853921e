"""What a budget's status says: who is healthy, who must be, who may go (pkg/controller/disruption).

How many pods there should be comes from the scale of whoever controls them, not from how many
there are: a Deployment of ten of which five exist has 50 % available, not all. Only a budget whose
`minAvailable` is a number counts the pods themselves. A pod that an eviction has spent the budget
on counts as gone until it is, or until the time that a deletion may take to be seen is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from componentbase.clock import parse_rfc3339
from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.int_or_percent import Rounding, resolve
from kubeapi.objects import Object, condition, controller_of, deep_copy, name_of, set_condition

#: How long an evicted pod may take until its deletion is seen (upstream: DeletionTimeout).
DELETION_TIMEOUT_S: Final = 120.0
ALLOWED: Final = "DisruptionAllowed"
_MARK: Final = "DisruptionTarget"

#: Returns (uid, replicas) of who scales the pods of a controllerRef, or None for nobody known.
FindScale = Callable[[Object, str], tuple[str, int] | None]


class NoControllerError(Exception):
    """A pod's controller is none whose scale can be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """How many pods there should be, how many healthy, and the pods that nobody controls."""

    count: int
    healthy: int
    unmanaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Disrupted:
    """Pods that evictions have spent: name → when; those given up; when to look again."""

    pods: Mapping[str, str]
    not_deleted: tuple[Object, ...]
    again_in_s: float | None


def expected_pods(budget: Object, pods: Sequence[Object], find_scale: FindScale) -> Expected:
    """Return what *budget* asks of *pods*; raises NoControllerError."""
    spec = budget["spec"]
    most_away, least = spec.get("maxUnavailable"), spec.get("minAvailable")
    if most_away is not None:
        count, unmanaged = _scale_of(pods, find_scale)
        healthy = max(0, count - resolve(most_away, count, Rounding.UP))
        return Expected(count=count, healthy=healthy, unmanaged=unmanaged)
    if isinstance(least, str):
        count, unmanaged = _scale_of(pods, find_scale)
        healthy = resolve(least, count, Rounding.UP)
        return Expected(count=count, healthy=healthy, unmanaged=unmanaged)
    if least is not None:
        return Expected(count=len(pods), healthy=least)
    return Expected(count=0, healthy=0)


def _scale_of(pods: Sequence[Object], find_scale: FindScale) -> tuple[int, tuple[str, ...]]:
    """Return how many pods the controllers of *pods* want together, each counted once."""
    asked: dict[str, None] = {}
    scales: dict[str, int] = {}
    unmanaged: list[str] = []
    for pod in pods:
        controller = controller_of(pod)
        if controller is None:
            unmanaged.append(name_of(pod))
        elif controller["uid"] not in asked:
            found = find_scale(controller, pod["metadata"]["namespace"])
            if found is None:
                raise NoControllerError(f'found no controllers for pod "{name_of(pod)}"')
            asked[controller["uid"]] = None
            scales[found[0]] = found[1]
    return sum(scales.values()), tuple(unmanaged)


def disrupted_pods(
    budget: Object, pods: Sequence[Object], timeout_s: float, now: float
) -> Disrupted:
    """Sort out whom evictions have spent: who is going anyway needs no note any more."""
    noted: Mapping[str, str] = (budget.get("status") or {}).get("disruptedPods") or {}
    kept: dict[str, str] = {}
    late: list[Object] = []
    again_in_s: float | None = None
    for pod in pods:
        since = noted.get(name_of(pod))
        if since is None or pod_facts.is_terminating(pod):
            continue
        left_s = parse_rfc3339(since) + timeout_s - now
        if left_s < 0:
            late.append(pod)
            continue
        kept[name_of(pod)] = since
        again_in_s = left_s if again_in_s is None else min(again_in_s, left_s)
    return Disrupted(pods=kept, not_deleted=tuple(late), again_in_s=again_in_s)


def healthy_pods(pods: Sequence[Object], disrupted: Mapping[str, str]) -> int:
    """Count the pods that are ready and stay."""
    return sum(
        pod_facts.is_ready(pod)
        and not pod_facts.is_terminating(pod)
        and name_of(pod) not in disrupted
        for pod in pods
    )


def status_of(
    budget: Object, expected: Expected, healthy: int, disrupted: Mapping[str, str], now_text: str
) -> Object:
    """Return the status. Nothing may go where no pod is expected: they may only not be seen yet."""
    before = budget.get("status") or {}
    allowed = max(0, healthy - expected.healthy) if expected.count > 0 else 0
    generation = budget["metadata"].get("generation", 0)
    status: Object = {
        "observedGeneration": generation,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": expected.healthy,
        "expectedPods": expected.count,
    }
    if disrupted:
        status["disruptedPods"] = dict(disrupted)
    conditions = deep_copy({"items": before.get("conditions") or []})["items"]
    reason = "SufficientPods" if allowed else "InsufficientPods"
    set_condition(conditions, _allowed(bool(allowed), reason, "", generation), now_text)
    return {**status, "conditions": conditions}


def failed_status(budget: Object, why: str, now_text: str) -> Object:
    """Return the status of a budget that cannot be judged: nothing may go (failSafe)."""
    status = deep_copy(budget.get("status") or {})
    generation = status.get("observedGeneration", 0)
    failed = _allowed(False, "SyncFailed", why, generation)
    set_condition(status.setdefault("conditions", []), failed, now_text)
    numbers = ("currentHealthy", "desiredHealthy", "expectedPods")
    return {**dict.fromkeys(numbers, 0), **status, "disruptionsAllowed": 0}


def _allowed(yes: bool, reason: str, message: str, generation: int) -> Object:
    return {
        "type": ALLOWED,
        "status": "True" if yes else "False",
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
    }


def stale_mark_in_s(pod: Object, timeout_s: float, now: float) -> float | None:
    """Return in how many seconds *pod*'s DisruptionTarget is stale (0: it is), None: never.

    Who was to be deleted and was not is no target any more; the kubelet's own marks last.
    """
    found = condition(pod, _MARK)
    if found is None or found.get("status") != "True" or not pod_facts.is_active(pod):
        return None
    if found.get("reason") == "TerminationByKubelet" or not found.get("lastTransitionTime"):
        return None
    return max(0.0, parse_rfc3339(found["lastTransitionTime"]) + timeout_s - now)


def unmarked_patch(pod: Object, now_text: str) -> Object:
    """Return the strategic merge patch of the status that takes the mark's truth away."""
    mark = {"type": _MARK, "status": "False", "lastTransitionTime": now_text}
    version = pod["metadata"].get("resourceVersion")
    return {"metadata": {"resourceVersion": version}, "status": {"conditions": [mark]}}
