"""What to do next about a Job's pods (upstream: manageJob).

One step at a time, deletions first: a Job that needs both, as one of repeated indexes does, gets
its new pods when the old ones are gone. Deviation: while a Job waits for its back-off the status
goes on to count the pods that are active; upstream writes 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from controlplane.controllermanager.job import job_facts
from controlplane.controllermanager.job.backoff import Backoff, finished_at
from controlplane.controllermanager.job.completion_index import (
    all_failures,
    indexes_of,
    is_indexed,
    surplus,
)
from controlplane.controllermanager.job.intervals import Intervals
from controlplane.controllermanager.job.view import View
from controlplane.controllermanager.replicaset.plan import by_dispensability
from kubeapi.objects import Object, is_being_deleted

#: MaxPodCreateDeletePerSync.
BURST_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class End:
    """Delete *pods*, which are counted when they are gone: the Job ends."""

    pods: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete *pods*, which are not counted."""

    pods: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class Add:
    """Create pods: one for each index, or as many of no index."""

    indexes: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Create pods later: others failed a moment ago."""

    for_s: float


@dataclass(frozen=True, slots=True)
class Keep:
    """There is nothing to do."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing may be done: the informer is behind, or the Job is being deleted."""


Step = End | Remove | Add | Wait | Keep | Hold


def plan(view: View, may_act: bool, pace: float, now: float) -> Step:
    """Return the next step; timers run *pace* times as fast as upstream's."""
    if view.verdict is not None:
        return End(tuple(view.active))
    if not may_act or is_being_deleted(view.job):
        return Hold()
    if job_facts.is_suspended(view.job):
        return Remove(tuple(_removed(view, len(view.active), now)))
    wanted = _wanted(view)
    if removed := _removed(view, max(0, len(view.active) - wanted), now)[:BURST_MAX]:
        return Remove(tuple(removed))
    only_failed = job_facts.replaces_only_failed(view.job)
    missing = wanted - len(view.active) - (view.terminating if only_failed else 0)
    return _fill(view, missing, pace, now) if missing > 0 else Keep()


def _wanted(view: View) -> int:
    """Return how many pods should be active."""
    parallelism: int = view.job["spec"]["parallelism"]
    completions: int | None = view.job["spec"].get("completions")
    if completions is not None:
        return max(0, min(completions - view.succeeded, parallelism))
    # A queue of work: the first success says that there is no more to begin with.
    return len(view.active) if view.succeeded else parallelism


def _removed(view: View, at_least: int, now: float) -> list[Object]:
    """Return the active pods to delete, those that cannot count first."""
    removed: list[Object] = []
    left: Sequence[Object] = view.active
    if is_indexed(view.job):
        removed, left = surplus(view.active, view.job["spec"]["completions"], now)
    further = at_least - len(removed)
    return removed + by_dispensability(left, (), now)[:further] if further > 0 else removed


def _fill(view: View, missing: int, pace: float, now: float) -> Step:
    per_index = job_facts.has_limit_per_index(view.job)
    if not per_index and (wait_s := view.backoff.remaining_s(pace, now)) > 0:
        return Wait(wait_s)
    count = min(missing, BURST_MAX)
    if not is_indexed(view.job):
        return Add((None,) * count)
    indexes = pending_indexes(view, count)
    if not per_index:
        return Add(tuple(indexes))
    waits = {index: _wait_of(view.delayed.get(index), pace, now) for index in indexes}
    due = [index for index, wait_s in waits.items() if wait_s == 0]
    return Wait(min(waits.values())) if waits and not due else Add(tuple(due))


def pending_indexes(view: View, count: int) -> list[int]:
    """Return the first *count* indexes that nobody works on and that have not ended."""
    taken = view.succeeded_indexes.union(Intervals.of(indexes_of(view.active)))
    if job_facts.replaces_only_failed(view.job):
        leaving = [pod for pod in view.pods if job_facts.is_terminating(pod)]
        taken = taken.union(Intervals.of(indexes_of(leaving)))
    if view.failed_indexes is not None:
        taken = taken.union(view.failed_indexes)
    return list(islice(taken.gaps(view.job["spec"]["completions"]), count))


def _wait_of(last_failed: Object | None, pace: float, now: float) -> float:
    if last_failed is None:
        return 0.0
    record = Backoff(all_failures(last_failed) + 1, finished_at(last_failed))
    return record.remaining_s(pace, now)
