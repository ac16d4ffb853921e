"""What there is of a Job: its pods counted, its indexes, and whether it has to end.

Upstream: the first half of syncJob. `succeeded` and `failed` hold what the status has counted,
what it is about to count (`uncountedTerminatedPods`) and the pods that ended since. A pod that
lost its finalizer was counted before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from componentbase.clock import parse_rfc3339
from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.job import failure_policy, job_facts, success_policy
from controlplane.controllermanager.job.backoff import Backoff, finished_at
from controlplane.controllermanager.job.completion_index import (
    all_failures,
    failures,
    index_of,
    indexes_of,
    is_indexed,
)
from controlplane.controllermanager.job.intervals import Intervals
from controlplane.controllermanager.job.job_facts import (
    COMPLETE,
    FAILED,
    FAILURE_TARGET,
    SUCCESS_CRITERIA_MET,
)
from controlplane.controllermanager.job.tracking import is_tracked
from kubeapi.objects import Object, condition, is_condition_true, uid_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a Job ends: a condition's type, and what it says."""

    type: str
    reason: str = ""
    message: str = ""

    @property
    def is_success(self) -> bool:
        return self.type in (SUCCESS_CRITERIA_MET, COMPLETE)


_BACKOFF_LIMIT: Final = Verdict(
    FAILURE_TARGET, "BackoffLimitExceeded", "Job has reached the specified backoff limit"
)
_DEADLINE: Final = Verdict(
    FAILURE_TARGET, "DeadlineExceeded", "Job was active longer than specified deadline"
)
_MAX_FAILED_INDEXES: Final = Verdict(
    FAILURE_TARGET,
    "MaxFailedIndexesExceeded",
    "Job has exceeded the specified maximal number of failed indexes",
)
_FAILED_INDEXES: Final = Verdict(FAILURE_TARGET, "FailedIndexes", "Job has failed indexes")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A Job and its pods at one moment."""

    job: Object
    pods: Sequence[Object]
    active: Sequence[Object]
    #: Pods whose finalizer was taken away, while the informer still shows it.
    expected: Mapping[str, None]
    uncounted_succeeded: Mapping[str, None]
    uncounted_failed: Mapping[str, None]
    succeeded: int
    failed: int
    #: Indexes that the status says have succeeded; those that have by now.
    counted_indexes: Intervals
    succeeded_indexes: Intervals
    #: None: indexes have no limit of their own.
    failed_indexes: Intervals | None
    #: By index: the failed pod that must be kept until another one has its count of failures.
    delayed: Mapping[int, Object]
    backoff: Backoff
    verdict: Verdict | None

    @property
    def terminating(self) -> int:
        return sum(job_facts.is_terminating(pod) for pod in self.pods)

    @property
    def ready(self) -> int:
        return sum(pod_facts.is_ready(pod) for pod in self.active)


def look(
    job: Object, pods: Sequence[Object], expected: Mapping[str, None], backoff: Backoff, now: float
) -> View:
    """Return what *job* has in *pods*; *backoff* is what was known before."""
    status = job.get("status") or {}
    uncounted = status.get("uncountedTerminatedPods") or {}
    before_succeeded = dict.fromkeys(uncounted.get("succeeded") or ())
    before_failed = dict.fromkeys(uncounted.get("failed") or ())
    active = [pod for pod in pods if pod_facts.is_active(pod)]
    countable = [
        pod
        for pod in pods
        if is_tracked(pod) and uid_of(pod) not in expected and _has_place(pod, job)
    ]
    # A deleted pod that was noted as a failure stays one, though it may succeed in the end.
    new_succeeded = _not_in(before_succeeded | before_failed, countable, _has_succeeded)
    new_failed = _not_in(before_failed, countable, lambda pod: job_facts.counts_as_failed(pod, job))
    failed = (status.get("failed") or 0) + len(before_failed)
    failed += sum(failure_policy.match(job, pod).counts for pod in new_failed)
    succeeded = (status.get("succeeded") or 0) + len(before_succeeded) + len(new_succeeded)
    counted, done, failed_indexes = Intervals(), Intervals(), None
    delayed: Mapping[int, Object] = {}
    if is_indexed(job):
        counted, done = _succeeded_indexes(job, _not_in(before_failed, pods, _has_succeeded))
        succeeded = len(done)
        if job_facts.has_limit_per_index(job):
            failed_indexes = _failed_indexes(job, pods)
            ended = done.union(failed_indexes).union(Intervals.of(indexes_of(active)))
            delayed = _delayed(job, countable, ended)
    verdict = (
        _standing(job)
        or _by_failure_policy(job, pods)
        or _by_limits(job, pods, failed, now)
        or _by_indexes(job, done, failed_indexes)
    )
    return View(
        job=job,
        pods=pods,
        active=active,
        expected=expected,
        uncounted_succeeded=before_succeeded,
        uncounted_failed=before_failed,
        succeeded=succeeded,
        failed=failed,
        counted_indexes=counted,
        succeeded_indexes=done,
        failed_indexes=failed_indexes,
        delayed=delayed,
        backoff=backoff.after(new_succeeded, new_failed),
        verdict=verdict,
    )


def _has_succeeded(pod: Object) -> bool:
    return pod_facts.phase(pod) == "Succeeded"


def _has_place(pod: Object, job: Object) -> bool:
    """Return whether *pod* counts: one of an Indexed Job needs an index of the Job's."""
    if not is_indexed(job):
        return True
    index = index_of(pod)
    return index is not None and index < int(job["spec"]["completions"])


def _not_in(
    counted: Mapping[str, None], pods: Sequence[Object], holds: Callable[[Object], bool]
) -> list[Object]:
    return [pod for pod in pods if uid_of(pod) not in counted and holds(pod)]


def _succeeded_indexes(job: Object, succeeded: Sequence[Object]) -> tuple[Intervals, Intervals]:
    text = (job.get("status") or {}).get("completedIndexes") or ""
    before = Intervals.parse(text, job["spec"]["completions"])
    news = [pod for pod in succeeded if is_tracked(pod) and _has_place(pod, job)]
    return before, before.union(Intervals.of(indexes_of(news)))


def _failed_indexes(job: Object, pods: Sequence[Object]) -> Intervals:
    text = (job.get("status") or {}).get("failedIndexes") or ""
    before = Intervals.parse(text, job["spec"]["completions"])
    news = [
        pod for pod in pods if is_tracked(pod) and _has_place(pod, job) and _ends_index(pod, job)
    ]
    return before.union(Intervals.of(indexes_of(news)))


def _ends_index(pod: Object, job: Object) -> bool:
    """Return whether *pod* was the last attempt at its index (upstream: isIndexFailed)."""
    if not job_facts.counts_as_failed(pod, job):
        return False
    match = failure_policy.match(job, pod)
    if match.action == failure_policy.FAIL_INDEX:
        return True
    return match.counts and failures(pod) >= int(job["spec"]["backoffLimitPerIndex"])


def _delayed(job: Object, countable: Sequence[Object], ended: Intervals) -> dict[int, Object]:
    """Return the last failed pod of each index that still needs another one.

    Its annotations hold how often the index has failed, so it stays until the next pod has them.
    """
    last: dict[int, Object] = {}
    for pod in countable:
        index = index_of(pod)
        if index is None or index in ended or not job_facts.counts_as_failed(pod, job):
            continue
        rival = last.get(index)
        if rival is None or (
            all_failures(rival) <= all_failures(pod) and finished_at(rival) <= finished_at(pod)
        ):
            last[index] = pod
    return last


def _standing(job: Object) -> Verdict | None:
    """Return the verdict that the status has already."""
    for interim, last in ((SUCCESS_CRITERIA_MET, SUCCESS_CRITERIA_MET), (FAILURE_TARGET, FAILED)):
        if is_condition_true(job, interim):
            found = condition(job, interim) or {}
            return Verdict(last, found.get("reason") or "", found.get("message") or "")
    return None


def _by_failure_policy(job: Object, pods: Sequence[Object]) -> Verdict | None:
    if job["spec"].get("podFailurePolicy") is None:
        return None
    for pod in pods:
        if job_facts.counts_as_failed(pod, job):
            match = failure_policy.match(job, pod)
            if match.action == failure_policy.FAIL_JOB:
                return Verdict(FAILURE_TARGET, "PodFailurePolicy", match.message)
    return None


def _by_limits(job: Object, pods: Sequence[Object], failed: int, now: float) -> Verdict | None:
    if failed > job["spec"]["backoffLimit"] or _restarts_exceed(job, pods):
        return _BACKOFF_LIMIT
    left = deadline_in_s(job, now)
    return _DEADLINE if left is not None and left <= 0 else None


def deadline_in_s(job: Object, now: float) -> float | None:
    """Return how long *job* may still be active; None: for ever, or nobody counts."""
    limit, began = (
        job["spec"].get("activeDeadlineSeconds"),
        (job.get("status") or {}).get("startTime"),
    )
    if limit is None or job_facts.is_suspended(job):
        return None
    return float(limit) + (parse_rfc3339(began) if began else now) - now


def _restarts_exceed(job: Object, pods: Sequence[Object]) -> bool:
    """Return whether containers that are restarted in place have used up the limit."""
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        container.get("restartCount") or 0
        for pod in pods
        if pod_facts.phase(pod) in ("Running", "Pending")
        for key in ("initContainerStatuses", "containerStatuses")
        for container in (pod.get("status") or {}).get(key) or ()
    )
    limit = job["spec"]["backoffLimit"]
    return bool(restarts >= limit if limit else restarts > 0)


def _by_indexes(job: Object, done: Intervals, failed: Intervals | None) -> Verdict | None:
    if failed:
        most = job["spec"].get("maxFailedIndexes")
        if most is not None and len(failed) > most:
            return _MAX_FAILED_INDEXES
        if len(failed) + len(done) >= job["spec"]["completions"]:
            return _FAILED_INDEXES
    message = success_policy.met_by(job, done)
    return None if message is None else Verdict(SUCCESS_CRITERIA_MET, "SuccessPolicy", message)
