"""When enough indexes have succeeded: spec.successPolicy (upstream: success_policy.go)."""

from __future__ import annotations

from controlplane.controllermanager.job.intervals import Intervals
from kubeapi.objects import Object


def met_by(job: Object, succeeded: Intervals) -> str | None:
    """Return which rule of *job* is met, in upstream's words; None when none is."""
    policy = job["spec"].get("successPolicy")
    if policy is None or not succeeded:
        return None
    for index, rule in enumerate(policy.get("rules") or ()):
        if _is_met(rule, succeeded, job["spec"]["completions"]):
            return f"Matched rules at index {index}"
    return None


def _is_met(rule: Object, succeeded: Intervals, completions: int) -> bool:
    enough = rule.get("succeededCount")
    if rule.get("succeededIndexes") is None:
        return enough is not None and len(succeeded) >= enough
    wanted = Intervals.parse(rule["succeededIndexes"], completions)
    if not wanted:
        return False
    count = wanted.overlap(succeeded)
    return count == len(wanted) or (enough is not None and count >= enough)
