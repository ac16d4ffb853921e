"""What a CronJob's status says of its Jobs, brought up to date (upstream: syncCronJob)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from componentbase.clock import parse_rfc3339, rfc3339
from controlplane.controllermanager.job.job_facts import COMPLETE, FAILED, finished_status
from kubeapi.objects import Object, key_of, name_of, uid_of

Report = tuple[Literal["Normal", "Warning"], str, str]
_LIMITS: Final = {COMPLETE: "successfulJobsHistoryLimit", FAILED: "failedJobsHistoryLimit"}


@dataclass(slots=True)
class Review:
    """The status as it should be, and what has to be looked up before that is sure."""

    status: Object
    changed: bool = False
    reports: list[Report] = field(default_factory=list)
    #: Jobs that run and that the status does not name.
    unexpected: list[Object] = field(default_factory=list)
    #: References of the status to Jobs that are not there.
    missing: list[Object] = field(default_factory=list)

    @property
    def active(self) -> list[Object]:
        """Return references to the Jobs that run."""
        return list(self.status.get("active") or ())

    def remove(self, uid: str) -> None:
        """Take a Job from the list of those that run."""
        left = [one for one in self.active if one.get("uid") != uid]
        if len(left) == len(self.active):
            return
        self.changed = True
        self._put_active(left)

    def add(self, reference: Object) -> None:
        self.changed = True
        self._put_active([*self.active, reference])

    def scheduled(self, due: float) -> None:
        """Note that the time *due* has its Job."""
        self.status["lastScheduleTime"] = rfc3339(due)
        self.changed = True

    def _put_active(self, references: list[Object]) -> None:
        if references:
            self.status["active"] = references
        else:
            self.status.pop("active", None)


def review(cron_job: Object, jobs: Sequence[Object]) -> Review:
    """Compare the status of *cron_job* with the Jobs that it controls."""
    made = Review(copy.deepcopy(cron_job.get("status") or {}))
    named = {one.get("uid"): one for one in made.active}
    for job in jobs:
        ended = finished_status(job)
        if not ended and uid_of(job) not in named:
            made.unexpected.append(job)
        elif ended and uid_of(job) in named:
            made.remove(uid_of(job))
            text = f"Saw completed job: {name_of(job)}, status: {ended}"
            made.reports.append(("Normal", "SawCompletedJob", text))
        if ended == COMPLETE:
            _note_success(made, job)
    there = {uid_of(job) for job in jobs}
    made.missing = [one for uid, one in named.items() if uid not in there]
    return made


def _note_success(made: Review, job: Object) -> None:
    at, before = job["status"].get("completionTime"), made.status.get("lastSuccessfulTime")
    if at and (not before or parse_rfc3339(at) > parse_rfc3339(before)):
        made.status["lastSuccessfulTime"] = at
        made.changed = True


def surplus(cron_job: Object, jobs: Sequence[Object]) -> list[Object]:
    """Return the ended Jobs beyond what the history may hold, the oldest of each kind."""
    gone: list[Object] = []
    for kind, limit in _LIMITS.items():
        most = cron_job["spec"].get(limit)
        ended = sorted((job for job in jobs if finished_status(job) == kind), key=_started)
        if most is not None and len(ended) > most:
            gone += ended[: len(ended) - most]
    return gone


def _started(job: Object) -> tuple[bool, float, str]:
    began = (job.get("status") or {}).get("startTime")
    return not began, parse_rfc3339(began) if began else 0.0, name_of(job)


def reference_to(job: Object) -> Object:
    """Return the reference by which a status names *job*."""
    metadata = job["metadata"]
    keys = ("namespace", "name", "uid", "resourceVersion")
    named = {key: metadata[key] for key in keys if key in metadata}
    return {"apiVersion": "batch/v1", "kind": "Job", **named}


def key_of_reference(cron_job: Object, reference: Object) -> str:
    """Return the key of the Job that *reference* names."""
    namespace = reference.get("namespace") or cron_job["metadata"]["namespace"]
    return key_of({"metadata": {"namespace": namespace, "name": reference["name"]}})
