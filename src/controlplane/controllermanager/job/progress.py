"""A Job's next status, and which pods are done with (upstream: trackJobStatusAndRemoveFinalizers).

A `Draft` is written down in turns with the removal of finalizers: first the status that names
the pods about to be counted and the condition that is going to end the Job; then the finalizers
go; then `released` counts their pods, `finish` adds the last condition when nothing is left to
wait for, and the status is written again if that changed it.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from controlplane.controllermanager import pod_facts
from controlplane.controllermanager.job import failure_policy, job_facts
from controlplane.controllermanager.job.completion_index import index_of, is_indexed
from controlplane.controllermanager.job.intervals import Intervals
from controlplane.controllermanager.job.job_facts import (
    COMPLETE,
    FAILED,
    FAILURE_TARGET,
    SUCCESS_CRITERIA_MET,
    SUSPENDED,
)
from controlplane.controllermanager.job.tracking import is_tracked
from controlplane.controllermanager.job.view import Verdict, View
from kubeapi.objects import Object, is_being_deleted, uid_of

#: MaxUncountedPods: the status stays below 20 KB, and a large Job does not starve the others.
UNCOUNTED_MAX: Final = 500
_COMPLETIONS_REACHED: Final = Verdict(
    SUCCESS_CRITERIA_MET, "CompletionsReached", "Reached expected number of succeeded pods"
)
Report = tuple[Literal["Normal", "Warning"], str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a step: the pods there are now, and whether more could have been done."""

    active: int
    ready: int
    terminating: int
    verdict: Verdict | None
    #: Whether the number of pods was seen to.
    managed: bool


@dataclass(slots=True)
class Draft:
    """The status to write, and what has to follow it."""

    job: Object
    status: Object
    verdict: Verdict | None
    flush: bool = False
    #: Pods whose finalizer goes as soon as the status is written.
    release: list[Object] = field(default_factory=list)
    with_finalizer: dict[str, None] = field(default_factory=dict)
    #: Whether pods were left for the next time.
    is_full: bool = False
    reports: list[Report] = field(default_factory=list)

    def released(self, uids: Collection[str]) -> None:
        """Count the pods that lost their finalizer."""
        for uid in uids:
            self.with_finalizer.pop(uid, None)
        self.flush |= _count(self.status, self.with_finalizer)

    def finish(self, terminating: int, now_text: str) -> bool:
        """Add the condition that ends the Job, if all is counted and gone; return whether."""
        if self.verdict is None or self.is_full or terminating:
            return False
        if any(self.status["uncountedTerminatedPods"].values()):
            return False
        ensure(self.status, self.verdict, now_text)
        # One that was suspended all its life and wanted nothing never began.
        self.status.setdefault("startTime", now_text)
        self.reports += _last_words(self.job, self.status, self.verdict)
        if self.verdict.type == COMPLETE:
            self.status["completionTime"] = now_text
        self.flush = True
        return True


def draft(view: View, done: Done, now_text: str) -> Draft:
    """Return what becomes of the status of *view* after a step."""
    status: Object = copy.deepcopy(view.job.get("status") or {})
    made = Draft(view.job, status, done.verdict)
    uncounted = status.get("uncountedTerminatedPods") or {}
    status["uncountedTerminatedPods"] = uncounted
    if status.get("startTime") is None and not job_facts.is_suspended(view.job):
        status["startTime"] = now_text
    if view.verdict is None:
        _judge(view, done, made, now_text)
    _put_counts(made, done)
    made.with_finalizer = {
        uid_of(pod): None for pod in view.pods if _is_uncounted(pod, view.expected)
    }
    made.flush |= _count(status, made.with_finalizer)
    _Tracker(view, made).track()
    _announce(made, now_text)
    return made


def _judge(view: View, done: Done, made: Draft, now_text: str) -> None:
    """Find that the Job is complete, or else that it is suspended or goes on."""
    if is_complete(view, done.active):
        made.verdict = _COMPLETIONS_REACHED
        return
    if not done.managed:
        return
    suspended = job_facts.is_suspended(view.job)
    said = Verdict(SUSPENDED, "JobSuspended", "Job suspended")
    if not suspended:
        said = Verdict(SUSPENDED, "JobResumed", "Job resumed")
    if ensure(made.status, said, now_text, holds=suspended):
        made.flush = True
        made.reports.append(("Normal", "Suspended" if suspended else "Resumed", said.message))
        if not suspended:  # The deadline counts the time that a Job is active in one go.
            made.status["startTime"] = now_text


def is_complete(view: View, active: int) -> bool:
    completions = view.job["spec"].get("completions")
    enough = view.succeeded > 0 if completions is None else view.succeeded >= completions
    return bool(enough and active == 0)


def _put_counts(made: Draft, done: Done) -> None:
    status = made.status
    if status.get("active", 0) != done.active:
        _put(status, "active", done.active)
        made.flush = True
    for key, count in (("ready", done.ready), ("terminating", done.terminating)):
        if status.get(key) != count:
            status[key] = count
            made.flush = True


def _put(status: Object, key: str, value: int | str) -> None:
    """Write *value*, as Go writes what is left out when it is empty."""
    if value:
        status[key] = value
    else:
        status.pop(key, None)


def _is_uncounted(pod: Object, expected: Mapping[str, None]) -> bool:
    return is_tracked(pod) and uid_of(pod) not in expected


def _count(status: Object, with_finalizer: Mapping[str, None]) -> bool:
    """Move what has no finalizer any more from the uncounted to the counters."""
    uncounted, changed = status["uncountedTerminatedPods"], False
    for key in ("succeeded", "failed"):
        uids = uncounted.get(key) or []
        left = [uid for uid in uids if uid in with_finalizer]
        if len(left) == len(uids):
            continue
        changed = True
        status[key] = (status.get(key) or 0) + len(uids) - len(left)
        uncounted[key] = left
        if not left:
            del uncounted[key]
    return changed


class _Tracker:
    """One walk over the pods: who is done with, and where that is noted."""

    def __init__(self, view: View, made: Draft) -> None:
        self._view, self._made = view, made
        self._uncounted = made.status["uncountedTerminatedPods"]
        self._new_indexes: list[int] = []

    def track(self) -> None:
        job, pods = self._view.job, self._view.pods
        if is_indexed(job):  # Their order is that of the text that grows.
            pods = sorted(pods, key=lambda pod: -1 if (at := index_of(pod)) is None else at)
        for pod in pods:
            if not _is_uncounted(pod, self._view.expected):
                continue
            failed = job_facts.counts_as_failed(pod, job)
            if not self._may_go(pod, failed):
                continue
            self._made.release.append(pod)
            self._note(pod, failed)
            if self._size() >= UNCOUNTED_MAX:
                self._made.is_full = True
                break
        if is_indexed(job):
            self._put_indexes()

    def _size(self) -> int:
        return len(self._new_indexes) + sum(map(len, self._uncounted.values()))

    def _may_go(self, pod: Object, failed: bool) -> bool:
        ends = is_being_deleted(self._view.job) or self._made.verdict is not None
        if ends or pod_facts.phase(pod) == "Succeeded":
            return True
        index = index_of(pod)
        kept = None if index is None else self._view.delayed.get(index)
        return failed and (kept is None or uid_of(kept) != uid_of(pod))

    def _note(self, pod: Object, failed: bool) -> None:
        uid, verdict = uid_of(pod), self._made.verdict
        known_failed = uid in self._view.uncounted_failed
        if pod_facts.phase(pod) == "Succeeded" and not known_failed:
            self._note_success(pod)
        # A Job that fails takes with it whatever still runs.
        elif (failed or (verdict is not None and not verdict.is_success)) and not known_failed:
            self._note_failure(pod)

    def _note_success(self, pod: Object) -> None:
        job = self._view.job
        if is_indexed(job):  # The index is enough to count it once.
            index = index_of(pod)
            counted = self._view.counted_indexes
            if index is not None and index < job["spec"]["completions"] and index not in counted:
                self._new_indexes.append(index)
                self._made.flush = True
        elif uid_of(pod) not in self._view.uncounted_succeeded:
            self._append("succeeded", pod)

    def _note_failure(self, pod: Object) -> None:
        job = self._view.job
        index = index_of(pod)
        if is_indexed(job) and (index is None or index >= job["spec"]["completions"]):
            return
        if failure_policy.match(job, pod).counts:
            self._append("failed", pod)

    def _append(self, key: str, pod: Object) -> None:
        self._uncounted.setdefault(key, []).append(uid_of(pod))
        self._made.flush = True

    def _put_indexes(self) -> None:
        status = self._made.status
        done = self._view.counted_indexes.union(Intervals.of(self._new_indexes))
        if str(done) != status.get("completedIndexes", ""):
            self._made.flush = True
        _put(status, "completedIndexes", str(done))
        _put(status, "succeeded", len(done))
        failed = self._view.failed_indexes
        if failed is not None and status.get("failedIndexes") != str(failed):
            status["failedIndexes"] = str(failed)
            self._made.flush = True


def _announce(made: Draft, now_text: str) -> None:
    """Say how the Job is going to end, before pods that could tell it are gone."""
    verdict = made.verdict
    if verdict is None:
        return
    last = COMPLETE if verdict.is_success else FAILED
    if verdict.type in (FAILURE_TARGET, SUCCESS_CRITERIA_MET):
        made.flush |= ensure(made.status, verdict, now_text)
    made.verdict = Verdict(last, verdict.reason, verdict.message)


def ensure(status: Object, said: Verdict, now_text: str, *, holds: bool = True) -> bool:
    """Put the condition into *status*; return whether anything changed.

    One that does not hold is not added, as from nothing to False is no news.
    """
    new: Object = {"type": said.type, "status": "True" if holds else "False"}
    words = {"reason": said.reason, "message": said.message}
    new |= {key: text for key, text in words.items() if text}
    times = {"lastProbeTime": now_text, "lastTransitionTime": now_text}
    conditions = status.get("conditions") or []
    for item in conditions:
        if item["type"] != said.type:
            continue
        if all(item.get(key) == new.get(key) for key in ("status", "reason", "message")):
            return False
        item.clear()
        item.update(new | times)
        return True
    if holds:
        status["conditions"] = [*conditions, new | times]
    return holds


def _last_words(job: Object, status: Object, verdict: Verdict) -> list[Report]:
    if verdict.type != COMPLETE:
        return [("Warning", verdict.reason, verdict.message)]
    completions = job["spec"].get("completions")
    said: list[Report] = [("Normal", "Completed", "Job completed")]
    if completions is not None and (status.get("succeeded") or 0) > completions:
        many = "Too many succeeded pods running after completion count reached"
        said.insert(0, ("Warning", "TooManySucceededPods", many))
    return said
