"""The status of a Deployment: counts, Available, Progressing (sync.go, progress.go).

`kubectl rollout status` reads Progressing, `kubectl wait --for=condition=Available` Available.
The texts are upstream's, for people compare them.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Final

from componentbase.clock import parse_rfc3339, rfc3339
from controlplane.controllermanager.deployment.view import (
    View,
    observed,
    total_observed,
    total_wanted,
)
from kubeapi.objects import Object, condition, name_of

AVAILABLE: Final = "Available"
PROGRESSING: Final = "Progressing"
REPLICA_FAILURE: Final = "ReplicaFailure"
COMPLETE: Final = "NewReplicaSetAvailable"
TIMED_OUT: Final = "ProgressDeadlineExceeded"
PAUSED: Final = "DeploymentPaused"
#: progressDeadlineSeconds that means "none" (MaxInt32), as `kubectl` writes it.
NO_DEADLINE: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """A condition as it should read, without its times."""

    type: str
    status: str
    reason: str
    message: str


def counts(view: View) -> dict[str, int]:
    """Return the numbers of the status, zeros left out as the API leaves them out."""
    available = total_observed(view.all, "availableReplicas")
    numbers = {
        "replicas": total_observed(view.all, "replicas"),
        "updatedReplicas": 0 if view.new is None else observed(view.new, "replicas"),
        "readyReplicas": total_observed(view.all, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total_wanted(view.all) - available),
    }
    return {key: number for key, number in numbers.items() if number}


def base_status(view: View, now: float) -> Object:
    """Return the status with counts and Available; Progressing is kept as it was."""
    before = view.deployment.get("status") or {}
    status: Object = {"observedGeneration": view.deployment["metadata"].get("generation", 0)}
    status |= counts(view)
    if before.get("collisionCount") is not None:
        status["collisionCount"] = before["collisionCount"]
    status["conditions"] = copy.deepcopy(before.get("conditions") or [])
    enough = status.get("availableReplicas", 0) >= view.wanted - view.max_unavailable
    put(status["conditions"], _AVAILABLE_VERDICTS[enough], now)
    return status


_AVAILABLE_VERDICTS: Final = {
    True: Verdict(
        AVAILABLE, "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
    ),
    False: Verdict(
        AVAILABLE,
        "False",
        "MinimumReplicasUnavailable",
        "Deployment does not have minimum availability.",
    ),
}


def put(conditions: list[Object], verdict: Verdict, now: float, *, refresh: bool = False) -> None:
    """Put *verdict* among *conditions*; the same status and reason again change nothing.

    With *refresh* lastUpdateTime moves even so: it says when progress was last seen.
    """
    old = next((item for item in conditions if item["type"] == verdict.type), None)
    if old is not None:
        same = (old.get("status"), old.get("reason")) == (verdict.status, verdict.reason)
        if same and not refresh:
            return
        conditions.remove(old)
    text = rfc3339(now)
    transition = text
    if old is not None and old.get("status") == verdict.status:
        transition = old.get("lastTransitionTime", text)
    conditions.append(
        {
            "type": verdict.type,
            "status": verdict.status,
            "reason": verdict.reason,
            "message": verdict.message,
            "lastUpdateTime": text,
            "lastTransitionTime": transition,
        }
    )


def rollout_status(view: View, now: float) -> Object:
    """Return the status after a look at how the rollout comes along."""
    status = base_status(view, now)
    conditions: list[Object] = status["conditions"]
    if not has_deadline(view.deployment):
        _remove(conditions, PROGRESSING)
    elif not _was_complete(view.deployment, status):
        verdict = _progress(view, status, now)
        if verdict is not None:
            put(conditions, verdict, now, refresh=verdict.reason == "ReplicaSetUpdated")
    _put_failure(view, conditions, now)
    return status


def has_deadline(deployment: Object) -> bool:
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    return deadline is not None and deadline != NO_DEADLINE


def _remove(conditions: list[Object], type: str) -> None:
    conditions[:] = [item for item in conditions if item["type"] != type]


def _was_complete(deployment: Object, status: Object) -> bool:
    """A finished rollout stays finished while its pods come and go."""
    found = condition(deployment, PROGRESSING)
    all_new = status.get("replicas", 0) == status.get("updatedReplicas", 0)
    return all_new and found is not None and found.get("reason") == COMPLETE


def is_complete(deployment: Object, status: Object, wanted: int) -> bool:
    numbers = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return seen and numbers == [wanted] * 3


def _progress(view: View, status: Object, now: float) -> Verdict | None:
    subject = (
        f'Deployment "{name_of(view.deployment)}"'
        if view.new is None
        else f'ReplicaSet "{name_of(view.new)}"'
    )
    if is_complete(view.deployment, status, view.wanted):
        return Verdict(PROGRESSING, "True", COMPLETE, f"{subject} has successfully progressed.")
    if view.new is not None and condition(view.deployment, PROGRESSING) is None:
        text = f'Found new replica set "{name_of(view.new)}"'
        return Verdict(PROGRESSING, "True", "FoundNewReplicaSet", text)
    if _moved(view.deployment.get("status") or {}, status):
        return Verdict(PROGRESSING, "True", "ReplicaSetUpdated", f"{subject} is progressing.")
    if is_timed_out(view.deployment, now):
        return Verdict(PROGRESSING, "False", TIMED_OUT, f"{subject} has timed out progressing.")
    return None


def _moved(before: Object, after: Object) -> bool:
    """Return whether any number went the right way."""

    def outdated(status: Object) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    grew = any(
        after.get(key, 0) > before.get(key, 0)
        for key in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return grew or outdated(after) < outdated(before)


def is_timed_out(deployment: Object, now: float) -> bool:
    found = condition(deployment, PROGRESSING)
    if found is None or found.get("reason") == COMPLETE:
        return False
    if found.get("reason") == TIMED_OUT:
        return True
    return now > _deadline(deployment, found)


def _deadline(deployment: Object, progressing: Object) -> float:
    allowed: int = deployment["spec"]["progressDeadlineSeconds"]
    return parse_rfc3339(progressing["lastUpdateTime"]) + allowed


def check_again_in_s(deployment: Object, status: Object, wanted: int, now: float) -> float | None:
    """Return when the deadline passes if nothing moves; None when nothing is waited for."""
    found = condition(deployment, PROGRESSING)
    if not has_deadline(deployment) or found is None or found.get("reason") in (TIMED_OUT, PAUSED):
        return None
    if is_complete(deployment, status, wanted) or found.get("reason") == COMPLETE:
        return None
    return max(1.0, _deadline(deployment, found) - now + 1)  # Times are whole seconds.


def _put_failure(view: View, conditions: list[Object], now: float) -> None:
    """Show the ReplicaSets' own ReplicaFailure, the new one's first."""
    newest_first = [view.new, *view.old] if view.new is not None else list(view.old)
    failures = (condition(one, REPLICA_FAILURE) for one in newest_first)
    found = next((item for item in failures if item is not None), None)
    if found is None:
        _remove(conditions, REPLICA_FAILURE)
        return
    text = found.get("reason", ""), found.get("message", "")
    put(conditions, Verdict(REPLICA_FAILURE, found["status"], *text), now)


def pause_verdict(deployment: Object) -> Verdict | None:
    """Return how Progressing must change because the Deployment was paused or resumed."""
    if not has_deadline(deployment):
        return None
    found = condition(deployment, PROGRESSING)
    reason = None if found is None else found.get("reason")
    if reason == TIMED_OUT:
        return None
    paused = bool(deployment["spec"].get("paused"))
    if paused and reason != PAUSED:
        return Verdict(PROGRESSING, "Unknown", PAUSED, "Deployment is paused")
    if not paused and reason == PAUSED:
        return Verdict(PROGRESSING, "Unknown", "DeploymentResumed", "Deployment is resumed")
    return None
