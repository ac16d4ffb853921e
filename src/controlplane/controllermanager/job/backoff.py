"""How long a Job waits before it replaces pods that failed (upstream: backoff_utils.go).

10 s after the first failure, twice as long after each further one, at most 10 minutes; a success
begins anew. The count since the last success is the controller's memory: one that restarts
begins at 0, as upstream does. An index with a limit of its own remembers it in its pods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from componentbase.clock import parse_rfc3339
from controlplane.controllermanager import pod_facts
from kubeapi.objects import Object, condition

#: DefaultJobPodFailureBackOff and MaxJobPodFailureBackOff, at upstream's pace.
INITIAL_S: Final = 10.0
MAX_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Failures of a Job's pods since one succeeded."""

    failures: int = 0
    last_failed_at: float = 0.0

    def after(self, succeeded: Sequence[Object], failed: Sequence[Object]) -> Backoff:
        """Return the record with pods that ended since."""
        ended = sorted(map(finished_at, failed))
        if not succeeded:
            return Backoff(self.failures + len(ended), ended[-1]) if ended else self
        last_success = max(map(finished_at, succeeded))
        later = [at for at in ended if at > last_success]
        return Backoff(len(later), later[-1]) if later else Backoff()

    def remaining_s(self, pace: float, now: float) -> float:
        """Return how long new pods must wait; timers run *pace* times as fast as upstream's."""
        if self.failures == 0:
            return 0.0
        # The exponent is bounded: so many doublings are above any maximum.
        wait_s = min(INITIAL_S * float(2 ** min(self.failures - 1, 16)), MAX_S) / pace
        return max(0.0, self.last_failed_at + wait_s - now)


def finished_at(pod: Object) -> float:
    """Return when *pod* ended: by its containers, its readiness, its deletion or its creation."""
    status = pod.get("status") or {}
    ends: list[str | None] = [
        ((container.get("state") or {}).get("terminated") or {}).get("finishedAt")
        for container in status.get("containerStatuses") or ()
    ]
    known = [end for end in ends if end]
    if known and len(known) == len(ends):
        return max(map(parse_rfc3339, known))
    ready = condition(pod, "Ready")
    if ready is not None and ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return parse_rfc3339(ready["lastTransitionTime"])
    metadata = pod["metadata"]
    if metadata.get("deletionTimestamp"):
        grace_s = metadata.get("deletionGracePeriodSeconds") or 0
        return parse_rfc3339(metadata["deletionTimestamp"]) - grace_s
    return pod_facts.created_at(pod)
