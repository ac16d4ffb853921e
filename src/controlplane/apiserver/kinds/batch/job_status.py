"""What a Job's controller may write as its status (upstream: validateJobStatus).

Conditions that end a Job exclude one another, need what is a fact of every ended Job, and stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controlplane.apiserver.kinds import workload
from controlplane.apiserver.kinds.batch.job_policies import count_indexes
from kubeapi import field
from kubeapi.objects import Object
from kubeapi.status import Cause

_COUNTS: Final = ("active", "succeeded", "failed", "ready", "terminating")
COMPLETE, FAILED = "Complete", "Failed"
_FAILURE_TARGET, _SUCCESS_MET = "FailureTarget", "SuccessCriteriaMet"
#: Conditions that may not hold at once, as the messages write them.
_EXCLUDED: Final = (
    (COMPLETE, FAILED, "cannot set Complete=True and Failed=true conditions"),
    (COMPLETE, _FAILURE_TARGET, "cannot set Complete=True and FailureTarget=true conditions"),
    (_SUCCESS_MET, FAILED, "cannot set SuccessCriteriaMet=True and Failed=true conditions"),
    (
        _SUCCESS_MET,
        _FAILURE_TARGET,
        "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions",
    ),
)
#: Conditions that need another.
_NEEDED: Final = (
    (
        FAILED,
        _FAILURE_TARGET,
        "cannot set Failed=True condition without the FailureTarget=true condition",
    ),
    (
        COMPLETE,
        _SUCCESS_MET,
        "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
    ),
)
_LASTING: Final = (FAILED, COMPLETE, _FAILURE_TARGET)


def holds(job: Object, kind: str) -> bool:
    """Tell whether a condition of a Job is True."""
    conditions = (job.get("status") or {}).get("conditions") or []
    return any(row.get("type") == kind and row.get("status") == "True" for row in conditions)


def validate_status(job: Object, old: Object) -> Iterator[Cause]:
    """Judge a change of a Job's status."""
    status = job.get("status") or {}
    for key in _COUNTS:
        yield from workload.validate_count(status, key, "status")
    if status == (old.get("status") or {}):
        return
    yield from _validate_conditions(job, old)
    yield from _validate_times(job, status)
    if holds(job, COMPLETE) or holds(job, FAILED):
        yield from _validate_end(status)
    ready = status.get("ready")
    if ready is not None and ready > (status.get("active") or 0):
        yield field.invalid("status.ready", ready, "cannot set more ready pods than active")
    before = old.get("status") or {}
    yield from _validate_counters(job, status, before)
    yield from _validate_indexes(job, status, before)


def _condition(detail: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {detail}", "status.conditions")


def _validate_conditions(job: Object, old: Object) -> Iterator[Cause]:
    for one, other, detail in _EXCLUDED:
        if holds(job, one) and holds(job, other):
            yield _condition(detail)
    for one, other, detail in _NEEDED:
        if holds(job, one) and not holds(old, one) and not holds(job, other):
            yield _condition(detail)
    for kind in _LASTING:
        if holds(old, kind) and not holds(job, kind):
            yield _condition(f"cannot disable the terminal {kind}=True condition")


def _validate_times(job: Object, status: Object) -> Iterator[Cause]:
    path, ended, began = (
        "status.completionTime",
        status.get("completionTime"),
        status.get("startTime"),
    )
    if ended is not None and not holds(job, COMPLETE):
        detail = "cannot set completionTime when there is no Complete=True condition"
        yield field.invalid(path, ended, detail)
    if ended is None and holds(job, COMPLETE):
        yield field.required(path, "completionTime is required for Complete jobs")
    if ended is not None and began is not None and ended < began:
        yield field.invalid(path, ended, "completionTime cannot be set before startTime")


def _validate_end(status: Object) -> Iterator[Cause]:
    for key in ("active", "terminating"):
        if count := status.get(key) or 0:
            yield field.invalid(f"status.{key}", count, f"{key}>0 is invalid for finished job")
    if status.get("startTime") is None:
        yield field.required("status.startTime", "startTime is required for finished job")
    uncounted = status.get("uncountedTerminatedPods") or {}
    if any(uncounted.values()):
        detail = "uncountedTerminatedPods needs to be empty for finished job"
        yield field.invalid("status.uncountedTerminatedPods", uncounted, detail)


def _validate_counters(job: Object, status: Object, before: Object) -> Iterator[Cause]:
    spec = job["spec"]
    elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get(
        "parallelism"
    )  # It may shrink, and then fewer of its indexes have succeeded.
    for key in ("failed",) if elastic else ("failed", "succeeded"):
        if (count := status.get(key) or 0) < (before.get(key) or 0):
            yield field.invalid(f"status.{key}", count, f"cannot decrease the {key} counter")


def _validate_indexes(job: Object, status: Object, before: Object) -> Iterator[Cause]:
    """Judge the indexes that changed: a Job that has shrunk may still have those that it had."""
    completions = job["spec"].get("completions")
    changed = {
        key: status.get(key)
        for key in ("completedIndexes", "failedIndexes")
        if status.get(key) != before.get(key)
    }
    for key, indexes in changed.items():
        if not indexes or completions is None:
            continue
        try:
            count_indexes(indexes, completions)
        except ValueError as error:
            yield field.invalid(f"status.{key}", indexes, f"error parsing {key}: {error}")
    completed, failed = changed.get("completedIndexes"), changed.get("failedIndexes")
    if completed and job["spec"].get("completionMode") != "Indexed":
        detail = "cannot set non-empty completedIndexes when non-indexed completion mode"
        yield field.invalid("status.completedIndexes", completed, detail)
    if failed is not None and job["spec"].get("backoffLimitPerIndex") is None:
        detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        yield field.invalid("status.failedIndexes", failed, detail)
