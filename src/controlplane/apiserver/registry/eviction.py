"""Whether a pod may be evicted, and what that costs its budget (upstream: EvictionREST).

A pod that serves nobody any more, or not yet, is evicted without asking. An unhealthy one is
where its budget says so, or where enough others are healthy: it counts for nothing. Every other
eviction is paid for: `disruptionsAllowed` falls by one and the pod is noted in `disruptedPods`, in
one write that names the budget's resourceVersion. So two evictions never spend the same unit,
and the disruption controller does not count on a pod that is about to go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from componentbase.clock import rfc3339
from controlplane.apiserver.kinds.poddisruptionbudget import ALWAYS_ALLOW
from kubeapi.objects import (
    Object,
    condition,
    is_being_deleted,
    is_condition_true,
    labels_of,
    name_of,
    set_condition,
)
from kubeapi.resources import PODDISRUPTIONBUDGETS
from kubeapi.selectors import LabelSelector
from kubeapi.status import StatusError, bad_request, forbidden

#: More evictions than this may not wait for the controller to see them (MaxDisruptedPodSize).
DISRUPTED_PODS_MAX: Final = 2000
_AGAIN_S: Final = 10
_CAUSE: Final = "DisruptionBudget"
_REFUSAL: Final = "Cannot evict pod as it would violate the pod's disruption budget."
_ENDED: Final = ("Succeeded", "Failed")


def eviction_options(eviction: Object, name: str) -> Object:
    """Return the DeleteOptions of an Eviction of the pod *name*; raises StatusError 400."""
    metadata, options = eviction.get("metadata") or {}, eviction.get("deleteOptions") or {}
    if not isinstance(metadata, dict) or not isinstance(options, dict):
        raise bad_request("Eviction: metadata and deleteOptions must be maps")
    if metadata.get("name", name) != name:
        raise bad_request("name in URL does not match name in Eviction object")
    return options


def is_over(pod: Object) -> bool:
    """Tell whether *pod* has ended or is ending: it can no longer become healthy."""
    return _phase(pod) in _ENDED or is_being_deleted(pod)


def needs_no_budget(pod: Object) -> bool:
    """Tell whether *pod* may go without asking: it serves nobody (canIgnorePDB)."""
    return is_over(pod) or _phase(pod) == "Pending"


def _phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "")


def budget_of(pod: Object, budgets: Iterable[Object]) -> Object | None:
    """Return the budget that guards *pod*; raises StatusError 500 when there are several."""
    labels = labels_of(pod)
    found = [
        budget
        for budget in budgets
        if LabelSelector.from_object(budget["spec"].get("selector")).matches(labels)
    ]
    if len(found) > 1:
        raise StatusError(
            500,
            "",
            "This pod has more than one PodDisruptionBudget, which the eviction subresource "
            "does not support.",
        )
    return found[0] if found else None


def counts_for_nothing(pod: Object, budget: Object) -> bool:
    """Tell whether *pod* is unhealthy, and may go without being paid for."""
    if is_condition_true(pod, "Ready"):
        return False
    if budget["spec"].get("unhealthyPodEvictionPolicy") == ALWAYS_ALLOW:
        return True
    status = budget.get("status") or {}
    desired: int = status.get("desiredHealthy") or 0
    return desired > 0 and (status.get("currentHealthy") or 0) >= desired


def spend(budget: Object, pod_name: str, now: float) -> Object:
    """Return *budget* after one eviction; raises StatusError 403, 429."""
    name, status = name_of(budget), budget.setdefault("status", {})
    if (status.get("observedGeneration") or 0) < budget["metadata"].get("generation", 0):
        raise not_yet(name)
    disrupted: dict[str, str] = status.get("disruptedPods") or {}
    if len(disrupted) > DISRUPTED_PODS_MAX:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise forbidden(PODDISRUPTIONBUDGETS, name, why)
    allowed: int = status.get("disruptionsAllowed") or 0
    if allowed <= 0:
        raise refusal(_why_not(budget, status))
    status["disruptionsAllowed"] = allowed - 1
    status["disruptedPods"] = {**disrupted, pod_name: rfc3339(now)}
    if allowed == 1:
        exhausted: Object = {
            "type": "DisruptionAllowed",
            "status": "False",
            "reason": "InsufficientPods",
            "message": "",
            "observedGeneration": status["observedGeneration"],
        }
        set_condition(status.setdefault("conditions", []), exhausted, rfc3339(now))
    return budget


def _why_not(budget: Object, status: Object) -> str:
    """Say it in upstream's words; numbers of a sync that failed mean nothing."""
    name, found = name_of(budget), condition(budget, "DisruptionAllowed") or {}
    refused = f"The disruption budget {name} does not allow evicting pods currently"
    message = found.get("message") if found.get("status") == "False" else ""
    if message and found.get("reason") == "SyncFailed":
        return f"{refused} because it failed sync: {message}"
    needs, has = status.get("desiredHealthy") or 0, status.get("currentHealthy") or 0
    if has <= needs:
        return f"The disruption budget {name} needs {needs} healthy pods and has {has} currently"
    return f"{refused} ({found['reason']}): {message}" if message else refused


def refusal(why: str, *, retry_after_s: int = 0) -> StatusError:
    """Return the answer for an eviction that a budget forbids; the cause says why."""
    details: Object = {"causes": [{"reason": _CAUSE, "message": why}]}
    if retry_after_s:
        details["retryAfterSeconds"] = retry_after_s
    return StatusError(429, "TooManyRequests", _REFUSAL, details)


def not_yet(budget_name: str) -> StatusError:
    """Return the answer while the controller has not yet judged *budget_name* as it is now."""
    why = f"The disruption budget {budget_name} is still being processed by the server."
    return refusal(why, retry_after_s=_AGAIN_S)


def why_refused(error: StatusError) -> str:
    """Return what stands in the cause of a budget's refusal; "" for any other error."""
    for cause in error.details.get("causes") or ():
        if cause.get("reason") == _CAUSE:
            return str(cause.get("message") or "")
    return ""


def mark_evicted(pod: Object, now: float) -> Object:
    """Return *pod* with the reason of its end, unless that has begun."""
    if is_over(pod):
        return pod
    status = pod.setdefault("status", {})
    mark = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    set_condition(status.setdefault("conditions", []), mark, rfc3339(now))
    return pod
